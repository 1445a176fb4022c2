// SPDX-License-Identifier: GPL-2.0-or-later
// The program podrun on $QEMU: what scripts/run does with it (Kata's command line, contract 1.1,
// and its variants, each with a real kernel), all of the shim's steps, and bad input.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/process.h"
#include "harness/qemu/contract.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

RunResult Podrun(const std::vector<std::string>& args) {
  std::vector<std::string> argv{EnvOr("PODRUN", "podrun")};
  argv.insert(argv.end(), args.begin(), args.end());
  return Run(argv, Milliseconds(200000));
}

/// Runs it on $QEMU and $VIRTIOFSD with the guest in $GUEST (build/guest).
RunResult RunPod(const std::vector<std::string>& args) {
  std::vector<std::string> all{"--build",     fs::path(EnvOr("GUEST", "")).parent_path(),
                               "--qemu",      EnvOr("QEMU", ""),
                               "--virtiofsd", EnvOr("VIRTIOFSD", "")};
  all.insert(all.end(), args.begin(), args.end());
  return Podrun(all);
}

/// The value of a line "NAME: VALUE" of the summary; empty if there is none.
std::string FindLine(const RunResult& result, const std::string& name) {
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
  std::vector<std::string> args{"--boot", "--memory", "2048"};
  args.insert(args.end(), GetParam().args.begin(), GetParam().args.end());
  RunResult result = RunPod(args);
  EXPECT_TRUE(result.status.Success()) << result.out << result.err;
  const std::string up = FindLine(result, "guest up");
  EXPECT_TRUE(up.starts_with("ok (kernel ")) << result.out;
  EXPECT_EQ(up.find(FindLine(result, "host kernel")), std::string::npos) << up;
  EXPECT_NE(up.find(", root " + std::string(GetParam().root) + ", over vhost-"), std::string::npos)
      << up;
  EXPECT_TRUE(FindLine(result, "virtio-fs").starts_with("ok")) << result.out << result.err;
  EXPECT_TRUE(FindLine(result, "power off").starts_with("ok")) << result.out;
}

INSTANTIATE_TEST_SUITE_P(Pod, RunVariant,
                         testing::Values(Variant{"q35", {}, "/dev/pmem0p1 with dax"},
                                         Variant{"vmlinux", {"--vmlinux"}, "/dev/pmem0p1 with dax"},
                                         Variant{"sandbox", {"--sandbox"}, "/dev/pmem0p1 with dax"},
                                         Variant{"microvm", {"--machine", "microvm"}, "/dev/vda1"}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Podrun, DoesAllOfTheShimsSteps) {
  RunResult result = RunPod({"--memory", "256", "--max-vcpus", "2"});
  EXPECT_TRUE(result.status.Success()) << result.out << result.err;
  for (const char* step :
       {"create", "guest up", "virtio-fs", "query-status", "vCPU threads", "cpu-add", "memory-add",
        "pause", "resume", "stop", "nothing left behind"})
    EXPECT_TRUE(FindLine(result, step).starts_with("ok")) << step << "\n" << result.out;
  EXPECT_NE(result.out.find(" 0 failed"), std::string::npos) << result.out;
  // A step that was "not here" does not answer for its row.
  for (const auto& [step, row] : std::initializer_list<std::pair<const char*, std::string_view>>{
           {"query-status", "2.2 query-status"},
           {"vCPU threads", "2.2 query-cpus-fast"},
           {"pause", "2.2 stop-cont"},
           {"cpu-add", "2.2 vcpu-add"},
           {"memory-add", "2.2 memory-add"},
           {"block-add virtio-scsi", "2.2 block-scsi"},
           {"block-add virtio-blk", "2.2 block-virtio"},
           {"block-remove virtio-blk", "2.2 block-remove"},
           {"net-add", "2.2 nic-add"},
           {"net-remove", "2.2 nic-remove"}}) {
    const std::string seen = FindLine(result, step);
    if (seen.starts_with("ok") || seen.starts_with("FAILED"))
      Covers({row});
    else
      MarkNotSeen({row});
  }
}

TEST(Podrun, SaysWhatFailed) {
  RunResult result = RunPod({"--append", "root=/dev/zero", "--memory", "256"});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_TRUE(FindLine(result, "guest up").starts_with("FAILED: the root is")) << result.out;
  EXPECT_TRUE(FindLine(result, "nothing left behind").starts_with("ok")) << result.out;
  result = Podrun(
      {"--qemu", EnvOr("QEMU", ""), "--guest", EnvOr("GUEST", ""), "--virtiofsd", "/bin/false"});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_TRUE(FindLine(result, "create").starts_with("FAILED: virtiofsd did not start"))
      << result.out;
}

TEST(MachineOption, OnlyKatasMachinesAreTaken) {
  RunResult result = RunPod({"--machine", "pc"});
  EXPECT_EQ(result.status.code, 2);
  EXPECT_NE((result.out + result.err).find("--machine"), std::string::npos);
}

/// podrun --qemu `binary` exits with 2, and gives that reason.
void ExpectForeign(const fs::path& binary, const std::string& reason) {
  const RunResult result = Podrun({"--build", "/nonexistent", "--qemu", binary.string()});
  EXPECT_EQ(result.status.code, 2);
  EXPECT_EQ(result.out, "") << "no steps";
  EXPECT_NE(result.err.find(binary.string() + ": " + reason), std::string::npos) << result.err;
}

TEST(QemuOption, AMissingOneIsNamed) { ExpectForeign("/nonexistent/qemu", "no such file"); }

TEST(QemuOption, AForeignOneIsNamedWithTheReason) {
  TempDir dir;
  const std::string foreign = "not a QEMU for x86_64 machines: ";
  ExpectForeign("/bin/true", foreign + "--version says 'true (GNU coreutils)");
  ExpectForeign("/bin/false", foreign);
  ExpectForeign(dir.path(), "no such file");
  const fs::path file = dir / "file";
  WriteFile(file, "not a program\n");
  ExpectForeign(file, foreign + "cannot start");
  fs::permissions(file, fs::perms(0755));
  ExpectForeign(file, foreign);
  WriteFile(file, std::string("\x7f"
                              "ELF\2\1\1\0cut short",
                              20));
  ExpectForeign(file, foreign);
}

TEST(QemuOption, AQemuForAnotherArchitectureIsForeign) {
  TempDir dir;
  const fs::path file = dir / "qemu-system-aarch64";
  WriteFile(
      file,
      "#!/bin/sh\ncase $1 in\n--version) echo 'QEMU emulator version 7.2.22' ;;\n"
      "*) printf 'Supported machines are:\\nvirt  QEMU 7.2 ARM Virtual Machine\\n' ;;\nesac\n");
  fs::permissions(file, fs::perms(0755));
  ExpectForeign(file, "not a QEMU for x86_64 machines: it has no machine q35");
}

}  // namespace
}  // namespace stx
