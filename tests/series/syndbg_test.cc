// SPDX-License-Identifier: GPL-2.0-or-later
// syndbg-mapped-length.patch (CVE-2026-3842). Only KVM brings a guest's requests to hv-syndbg, so
// the source is judged: that of the tree from which $QEMU was built, compiled as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/process.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSource = "hw/hyperv/syndbg.c";
constexpr int kUdpHeaders = 14 + 20 + 8;

class Syndbg : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path commands = QemuBinary().parent_path() / "compile_commands.json";
    if (!fs::exists(commands)) GTEST_SKIP() << "$QEMU is not where it was built";
    const json entries = json::parse(ReadFile(commands));
    const auto entry = std::find_if(entries.begin(), entries.end(), [](const json& one) {
      return one["file"].get<std::string>().ends_with(kSource);
    });
    if (entry == entries.end()) GTEST_SKIP() << "$QEMU has no hv-syndbg";
    // The flags alone: what is compiled, and to what, is ours.
    const std::string command = (*entry)["command"];
    const std::string flags = command.substr(0, command.find(" -MD "));
    const RunResult built =
        stx::Run({"sh", "-c",
                  "cd '" + (*entry)["directory"].get<std::string>() + "' && " + flags +
                      " -pie -Wl,--unresolved-symbols=ignore-all -o '" + program.string() + "' '" +
                      EnvOr("SYNDBG_RECEIVE", "") + "'"},
                 Milliseconds(120000));
    ASSERT_TRUE(built.status.Success()) << built.err;
  }
  std::string Receive(int bytes, bool raw, int mappable) {
    const RunResult result = stx::Run(
        {program.string(), std::to_string(bytes), raw ? "1" : "0", std::to_string(mappable)},
        Milliseconds(20000));
    EXPECT_TRUE(result.status.Success()) << result.status.ToString() << result.err;
    return result.out;
  }

  TempDir dir{"syndbg"};
  const fs::path program = dir / "receive";
};

TEST_F(Syndbg, WritesWhatIsMapped) {
  EXPECT_EQ(Receive(500, false, 1024), "0 500 500 500 data\n");
  const int all = 500 + kUdpHeaders;
  const std::string number = std::to_string(all);
  EXPECT_EQ(Receive(500, true, 1024), "0 " + number + " " + number + " " + number + " data\n");
}

TEST_F(Syndbg, RefusesABufferThatIsMappedInPart) {
  // HV_STATUS_INSUFFICIENT_MEMORY (Hyper-V TLFS, appendix B); what is mapped is unmapped unwritten.
  EXPECT_EQ(Receive(500, false, 64), "11 0 0 64\n");
  EXPECT_EQ(Receive(500, true, 500), "11 0 0 500\n");
}

}  // namespace
}  // namespace stx
