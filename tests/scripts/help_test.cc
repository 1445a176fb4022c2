// SPDX-License-Identifier: GPL-2.0-or-later
// What a verb answers on a clone where nothing was built: help, lists and wrong arguments.
#include <gtest/gtest.h>

#include <algorithm>

#include "scripts/clone.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

class Verbs : public testing::Test {
 protected:
  Verbs() {
    fs::create_directories(clone_ / "tests/lab");
    fs::copy_file(fs::path(EnvOr("REPOSITORY", ".")) / "tests/lab/scenarios.txt",
                  clone_ / "tests/lab/scenarios.txt");
  }
  /// Runs the verb, which must not have made anything.
  RunResult Answer(const std::string& verb, std::vector<std::string> argv) {
    argv.insert(argv.begin(), (clone_ / ("scripts/" + verb)).string());
    RunResult result = stx::Run(argv, Milliseconds(20000));
    for (const char* made : {"build", "cache", "qemu-7.2/plain"})
      EXPECT_FALSE(fs::exists(clone_ / made)) << made;
    return result;
  }
  static std::string Name(const std::string& verb) { return fs::path(verb).filename(); }

  Clone clone_;
};

class EachVerb : public Verbs, public testing::WithParamInterface<const char*> {};

TEST_P(EachVerb, HelpIsPrinted) {
  for (const char* flag : {"--help", "-h"}) {
    const RunResult result = Answer(GetParam(), {flag});
    EXPECT_EQ(result.status.code, 0) << result.err;
    EXPECT_TRUE(result.out.starts_with("usage: scripts/" + std::string(GetParam()))) << result.out;
    EXPECT_NE(result.out.find("Exit codes: 0 "), std::string::npos);
    EXPECT_EQ(result.err, "");
  }
}

TEST_P(EachVerb, AWrongOptionIsNamedAndEndsWithTwo) {
  const RunResult result = Answer(GetParam(), {"--nosuch"});
  EXPECT_EQ(result.status.code, 2);
  EXPECT_TRUE(result.err.starts_with(Name(GetParam()) + ": there is no option --nosuch\n"))
      << result.err;
  EXPECT_EQ(Answer(GetParam(), {"-x"}).status.code, 2);
}

INSTANTIATE_TEST_SUITE_P(All, EachVerb,
                         testing::Values("run", "check", "prove", "mutate", "lab", "deb", "bench",
                                         "fuzz", "next-base", "restack/restack"),
                         [](const auto& info) {
                           std::string name = fs::path(info.param).filename();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(Verbs, StepsExplainThemselvesAndHaveNoOptions) {
  for (const auto& entry : fs::directory_iterator(clone_ / "scripts/step")) {
    const std::string step = entry.path().filename();
    if (step == "profile") continue;  // the packages' build has it without lib.sh
    const RunResult help = Answer("step/" + step, {"--help"});
    EXPECT_EQ(help.status.code, 0) << step << help.err;
    EXPECT_NE(help.out, "") << step;
    const RunResult wrong = Answer("step/" + step, {"--nosuch"});
    EXPECT_EQ(wrong.status.code, 2) << step;
    EXPECT_EQ(wrong.err, step + ": there is no option --nosuch (see " + step + " --help)\n");
  }
}

struct Wrong {
  const char* verb;
  std::vector<std::string> arguments;
  const char* message;
};

TEST_F(Verbs, NameWrongArguments) {
  const std::vector<Wrong> all = {
      {"check", {"--qemu", "/nonexistent"}, "--qemu /nonexistent: no such file"},
      {"check", {"--qemu"}, "--qemu needs a value (PATH)"},
      {"check", {"--asan=yes"}, "--asan takes no value"},
      {"bench", {"--rounds", "x"}, "--rounds is a number from 1 to 999999999, not x"},
      {"fuzz", {"--seconds", "0"}, "--seconds is a number from 1 to 999999999, not 0"},
      {"prove", {"nosuch"}, "patches/series names no patch with \"nosuch\" in its name"},
      {"check", {"--only", "a", "--only", "b"}, "--only is given twice"},
      {"check", {"--table", "/nonexistent/table"}, "its folder does not exist"},
      {"check", {"--against", "/bin/true"}, "--against can only be used with --table"},
      {"check", {"--asan", "--qemu", "/bin/true"}, "--asan cannot be used with --qemu"},
      {"check", {"word"}, "there is no argument word"},
      {"run", {"--machine", "pc"}, "--machine is q35 or microvm, not pc"},
      {"mutate", {"nosuch"}, "there is no tests/mutations/nosuch.patch"},
      {"lab", {"--scenario", "basic", "--scenario", "x"}, "there is no scenario x"},
      {"lab", {"--kata", "/bin/true", "--qemu", "debian"}, "--kata needs our QEMU"},
      {"deb", {"--sha256", "1"}, "--sha256 can only be used with --kata"},
      {"restack/restack", {}, "a command is missing"},
      {"restack/restack", {"nosuch"}, "there is no command nosuch"},
      {"restack/restack", {"check"}, "--base is missing"},
      {"restack/restack", {"matrix"}, "BASE is missing"},
      {"restack/restack", {"status", "--onto", "a"}, "there is no option --onto"}};
  for (const Wrong& wrong : all) {
    const RunResult result = Answer(wrong.verb, wrong.arguments);
    EXPECT_EQ(result.status.code, 2) << wrong.message;
    EXPECT_NE(result.err.find(Name(wrong.verb) + ": "), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(wrong.message), std::string::npos) << result.err;
  }
}

TEST_F(Verbs, TheLabListsItsScenarios) {
  const RunResult result = Answer("lab", {"--list"});
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_NE(result.out.find("basic              a pod has its own kernel [quick]\n"),
            std::string::npos)
      << result.out;
}

TEST_F(Verbs, ACommandOfRestackHasItsOwnHelp) {
  const RunResult result = Answer("restack/restack", {"rebase", "--help"});
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("usage: restack rebase ")) << result.out;
  EXPECT_EQ(result.out.find("usage: restack undo"), std::string::npos);
}

}  // namespace
}  // namespace stx
