// SPDX-License-Identifier: GPL-2.0-or-later
// What the binary contains: every type of section 4 of the Kata contract, little else, and built
// hardened.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "harness/host/elf_facts.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

// Debian's qemu-system-x86 7.2 lists this many devices that are no CPU models.
constexpr size_t kDebianDevices = 256;

/// The first word of each line, without quotes, commas and what -device puts before a name.
std::set<std::string> Names(const std::string& text) {
  std::set<std::string> names;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const bool device = line.starts_with("name \"");
    std::istringstream words(device ? line.substr(6, line.find('"', 6) - 6) : line);
    if (std::string name; words >> name) names.insert(name);
  }
  return names;
}

std::set<std::string> Help(const char* option) {
  RunResult result = option == std::string("-machine")
                         ? RunQemu({"-machine", "help"})
                         : RunQemu({"-machine", "none", option, "help"});
  EXPECT_TRUE(result.status.Success()) << result.err;
  return Names(result.out);
}

/// -device help, without headings and CPU models.
std::set<std::string> Devices() {
  RunResult result = RunQemu({"-device", "help"});
  std::string lines;
  std::istringstream in(result.out);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("name \"")) lines += line + "\n";
  std::set<std::string> names = Names(lines);
  std::erase_if(names, [](const std::string& name) { return name.ends_with("-x86_64-cpu"); });
  return names;
}

std::string Missing(const std::set<std::string>& have, const std::vector<std::string>& wanted) {
  std::string missing;
  for (const std::string& name : wanted)
    if (!have.contains(name)) missing += " " + name;
  return missing;
}

TEST(KataTypes, EveryDeviceOfTheContractIsThere) {
  Covers({"4 devices"});
  EXPECT_EQ(Missing(Devices(), {"pci-bridge",
                                "pcie-root-port",
                                "virtio-serial-pci",
                                "virtconsole",
                                "nvdimm",
                                "pc-dimm",
                                "virtio-scsi-pci",
                                "scsi-hd",
                                "virtio-rng-pci",
                                "vhost-vsock-pci",
                                "vhost-user-fs-pci",
                                "virtio-net-pci",
                                "virtio-blk-pci",
                                "virtio-9p-pci",
                                "vhost-user-blk-pci",
                                "virtio-mem-pci",
                                "vfio-pci",
                                "intel-iommu",
                                "pvpanic",
                                "isa-serial",
                                "vhost-user-vsock-pci",
                                "i8042",
                                "mc146818rtc",
                                "virtio-serial-device",
                                "virtio-blk-device",
                                "virtio-scsi-device",
                                "virtio-rng-device",
                                "virtio-net-device",
                                "virtio-9p-device",
                                "vhost-vsock-device",
                                "vhost-user-fs-device"}),
            "");
}

TEST(KataTypes, EveryObjectMachineAcceleratorAndBackEndIsThere) {
  Covers({"4 objects"});
  EXPECT_EQ(Missing(Help("-object"), {"memory-backend-file", "memory-backend-ram", "iothread",
                                      "rng-random", "sev-guest", "thread-context"}),
            "");
  EXPECT_EQ(Missing(Help("-machine"), {"q35", "microvm"}), "");
  EXPECT_EQ(Missing(Help("-accel"), {"kvm", "tcg"}), "");
  EXPECT_EQ(Missing(Help("-netdev"), {"tap", "vhost-user"}), "");
  EXPECT_EQ(Missing(Help("-chardev"), {"socket"}), "");
}

TEST(KataTypes, PmemAndAllWaysOfAioAreThere) {
  Covers({"4 aio-pmem"});
  QemuOptions options;
  options.args = {"-machine", "none", "-nodefaults", "-nographic"};
  Qemu qemu(std::move(options));
  // `pmem` exists only with libpmem, io_uring only with liburing.
  json properties =
      qemu.qmp().Execute("qom-list-properties", {{"typename", "memory-backend-file"}});
  EXPECT_TRUE(std::any_of(properties.begin(), properties.end(),
                          [](const json& p) { return p["name"] == "pmem"; }));
  TempDir dir;
  WriteFile(dir / "disk", std::string(1 << 20, 'd'));
  for (const char* aio : {"threads", "native", "io_uring"})
    EXPECT_NO_THROW(qemu.qmp().Execute(
        "blockdev-add",
        {{"driver", "raw"},
         {"node-name", std::string("disk-") + aio},
         {"read-only", true},
         {"cache", {{"direct", true}}},  // native wants it
         {"file", {{"driver", "file"}, {"filename", (dir / "disk").string()}, {"aio", aio}}}}))
        << aio;
}

TEST(KataTypes, AtMostAThirdOfDebiansDevices) {
  std::set<std::string> devices = Devices();
  EXPECT_LE(devices.size(), kDebianDevices / 3);
}

TEST(KataBinary, IsHardened) {
  ElfFacts facts = ReadElfFacts(QemuBinary());
  EXPECT_TRUE(facts.position_independent);
  EXPECT_TRUE(facts.relro && facts.bind_now) << "no full RELRO";
  EXPECT_FALSE(facts.executable_stack);
  EXPECT_TRUE(facts.imports.contains("__stack_chk_fail")) << "no stack protector";
  // Fortified functions would hide from a sanitizer what they read.
  EXPECT_EQ(std::any_of(facts.imports.begin(), facts.imports.end(),
                        [](const std::string& name) {
                          return name.starts_with("__") && name.ends_with("_chk");
                        }),
            !Sanitized())
      << "no _FORTIFY_SOURCE";
}

}  // namespace
}  // namespace stx
