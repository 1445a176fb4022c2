// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/arguments.h"

#include <gtest/gtest.h>

namespace stx {
namespace {

constexpr const char* kText = R"(usage: verb [OPTION...] [NAME...]

Text  with two spaces --inside is not an entry.

  NAME...            A name.
  --qemu PATH        A binary.
  --table FILE       (not with --qemu) Write here,
                     and --not an entry.
  --against PATH     (with --table) A binary.
  --size one|two     One of two.
  --also WORD        (repeatable) A word.
  --flag             A flag.
  -h, --help         Help.
usage: verb command
  --of-the-command   Not for the verb.
)";

class Parsed {
 public:
  explicit Parsed(std::vector<const char*> argv) {
    argv.insert(argv.begin(), "verb");
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    arguments.emplace(kText, "  --build FOLDER   (required)\n", static_cast<int>(argv.size()),
                      argv.data());
    out = testing::internal::GetCapturedStdout();
    err = testing::internal::GetCapturedStderr();
  }
  std::optional<Arguments> arguments;
  std::string out, err;
};

TEST(Arguments, ValuesFlagsAndWords) {
  const Parsed parsed({"--build", "b", "--flag", "--also=x", "one", "--also", "y", "two"});
  const Arguments& arguments = *parsed.arguments;
  ASSERT_FALSE(arguments.ended()) << parsed.err;
  EXPECT_EQ(arguments.Value("--build"), "b");
  EXPECT_TRUE(arguments.Has("--flag"));
  EXPECT_FALSE(arguments.Has("--qemu"));
  EXPECT_EQ(arguments.Value("--qemu"), "");
  EXPECT_EQ(arguments.Values("--also"), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(arguments.Values("NAME"), (std::vector<std::string>{"one", "two"}));
  EXPECT_THROW(arguments.Has("--of-the-command"), std::logic_error);
}

TEST(Arguments, HelpIsTheTextItself) {
  for (const char* flag : {"-h", "--help"}) {
    const Parsed parsed({flag});
    EXPECT_EQ(parsed.arguments->ended(), 0);
    EXPECT_EQ(parsed.out, kText);
  }
}

TEST(Arguments, WrongOnesEndWithTwo) {
  const std::vector<std::vector<const char*>> wrong = {
      {"--build", "b", "--nosuch"},
      {"--build", "b", "--not"},
      {"--build", "b", "--of-the-command"},
      {"--build"},
      {},
      {"--build", "b", "--qemu", "/nonexistent"},
      {"--build", "b", "--size", "three"},
      {"--build", "b", "--against", "/bin/true"},
      {"--build", "b", "--table", "t", "--qemu", "/bin/true"},
      {"--build", "b", "--qemu", "/bin/true", "--qemu", "/bin/true"}};
  for (const auto& argv : wrong) {
    const Parsed parsed(argv);
    EXPECT_EQ(parsed.arguments->ended(), 2) << testing::PrintToString(argv);
    EXPECT_NE(parsed.err, "");
  }
}

TEST(RunVerb, ExitCodes) {
  const char* argv[] = {"verb", "--build", "b"};
  const auto run = [&](int (*body)(const Arguments&)) {
    return RunVerb("verb", kText, "  --build FOLDER   (required)\n", 3, argv, body);
  };
  EXPECT_EQ(run([](const Arguments&) { return 0; }), 0);
  EXPECT_EQ(run([](const Arguments&) { return 1; }), 1);
  EXPECT_EQ(run([](const Arguments&) -> int { throw BadInput("b"); }), 2);
  EXPECT_EQ(run([](const Arguments&) -> int { throw std::runtime_error("b"); }), 1);
}

}  // namespace
}  // namespace stx
