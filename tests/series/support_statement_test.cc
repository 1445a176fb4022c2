// SPDX-License-Identifier: GPL-2.0-or-later
// patches/wro/support-statement.patch: -help prints, before the usage and at its end, what
// StarlingX supports; nothing else prints it.

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/qemu/qemu.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{20000};

/// The line breaks of the output are not part of the statement.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// The positions at which `text` mentions StarlingX.
size_t Mentions(const std::string& text) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find("StarlingX", at)) != std::string::npos; ++at) ++count;
  return count;
}

void ExpectStatement(const std::string& text) {
  EXPECT_NE(text.find("StarlingX does not support"), std::string::npos) << text;
  EXPECT_NE(text.find("command line"), std::string::npos) << text;
  EXPECT_NE(text.find("stable management interface is libvirt"), std::string::npos) << text;
  EXPECT_NE(text.find("may change or go away"), std::string::npos) << text;
}

TEST(SupportStatement, HelpSaysItBeforeTheUsageAndAtTheEnd) {
  for (const char* option : {"-help", "--help", "-h"}) {
    RunResult result = RunQemu({option}, kTimeout);
    ASSERT_TRUE(result.status.Success()) << option;
    const std::string out = OneLine(result.out);
    size_t usage = out.find("usage: ");
    ASSERT_NE(usage, std::string::npos);
    EXPECT_TRUE(out.starts_with("QEMU emulator version ")) << "programs read the first line";
    ExpectStatement(out.substr(0, usage));
    ExpectStatement(out.substr(out.size() - std::min<size_t>(out.size(), 250)));
    EXPECT_EQ(Mentions(out), 2u);
    EXPECT_EQ(result.err, "");
  }
}

TEST(SupportStatement, NothingElseSaysIt) {
  const std::vector<std::vector<std::string>> silent = {
      {"-version"},       {"-machine", "help"}, {"-device", "help"},      {"-cpu", "help"},
      {"-accel", "help"}, {"-object", "help"},  {"-no-such-option"},      {"-machine", "no-such"},
      {"-m", "nonsense"}, {"-L", "help"},       {"-audiodev", "no-such"},
  };
  for (const auto& args : silent) {
    RunResult result = RunQemu(args, kTimeout);
    EXPECT_EQ(Mentions(result.out) + Mentions(result.err), 0u) << args.front();
  }
}

}  // namespace
}  // namespace stx
