// SPDX-License-Identifier: GPL-2.0-or-later
// The `run` program on $QEMU: Kata's command line (contract 1.1) and its variants, each with a real
// kernel. Binaries that are none are the scripts' tests' matter.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/process.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

RunResult RunPod(std::vector<std::string> args, const std::string& qemu) {
  // $GUEST is build/guest; `run` finds what it needs beside it.
  std::vector<std::string> argv{EnvOr("RUN", ""), "--build",
                                fs::path(EnvOr("GUEST", "")).parent_path(), "--qemu", qemu};
  argv.insert(argv.end(), args.begin(), args.end());
  return Run(argv, Milliseconds(120000));
}

/// The value of a line "NAME: VALUE" of the summary; empty without one.
std::string Line(const RunResult& result, const std::string& name) {
  const std::string text = "\n" + result.out;
  size_t at = text.find("\n" + name + ": ");
  if (at == std::string::npos) return "";
  at += name.size() + 3;
  return text.substr(at, text.find('\n', at) - at);
}

struct Variant {
  const char* name;
  std::vector<std::string> args;
  const char* root;
};

class RunVariant : public testing::TestWithParam<Variant> {};

TEST_P(RunVariant, BootsAndServes) {
  RunResult result = RunPod(GetParam().args, EnvOr("QEMU", ""));
  EXPECT_TRUE(result.status.Success()) << result.out << result.err;
  EXPECT_EQ(Line(result, "virtio-fs"), "ok") << result.out << result.err;
  EXPECT_TRUE(Line(result, "vsock").starts_with("ok (vhost-")) << result.out;
  EXPECT_TRUE(Line(result, GetParam().root).starts_with("ok")) << result.out;
  EXPECT_FALSE(Line(result, "guest kernel").empty());
  EXPECT_NE(Line(result, "guest kernel"), Line(result, "host kernel"));
  EXPECT_EQ(Line(result, "power off"), "ok");
}

INSTANTIATE_TEST_SUITE_P(
    Pod, RunVariant,
    testing::Values(Variant{"q35", {}, "nvdimm root"},
                    Variant{"vmlinux", {"--vmlinux"}, "nvdimm root"},
                    Variant{"sandbox", {"--sandbox"}, "nvdimm root"},
                    Variant{"microvm", {"--machine", "microvm"}, "virtio-blk root"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RunMachineOption, OnlyKatasMachinesAreTaken) {
  RunResult result = RunPod({"--machine", "pc"}, EnvOr("QEMU", ""));
  EXPECT_NE(result.status.code, 0);
  EXPECT_NE((result.out + result.err).find("--machine"), std::string::npos);
}

}  // namespace
}  // namespace stx
