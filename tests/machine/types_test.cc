// SPDX-License-Identifier: GPL-2.0-or-later
// The contents of the binary: every type of section 4 of the Kata contract, little else, and built
// with hardening.

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

/// The first word of each line, without quotes, commas and the prefix that -device prints before a
/// name.
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

// Section 4 of the contract.
const std::vector<std::string> kDevices{"pci-bridge",
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
                                        "vhost-user-fs-device"};

TEST(KataTypes, EveryDeviceOfTheContractIsThere) {
  Covers({"4 devices"});
  EXPECT_EQ(Missing(Devices(), kDevices), "");
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
         {"cache", {{"direct", true}}},  // native requires it
         {"file", {{"driver", "file"}, {"filename", (dir / "disk").string()}, {"aio", aio}}}}))
        << aio;
}

// In addition to the contract. A guest can reach a device only if its launcher names it, and Kata
// names none of these. Add a device here only on purpose.
const std::set<std::string> kOtherDevices{"pci-bridge-seat",
                                          "pcie-pci-bridge",
                                          "ramfb",
                                          "scsi-block",
                                          "scsi-cd",
                                          "scsi-generic",
                                          "vfio-pci-nohotplug",
                                          "vhost-user-blk",
                                          "virtio-mem",
                                          "virtserialport",
                                          "vmcoreinfo",
                                          "vmgenid",
                                          "vhost-user-vsock-device"};
const std::set<std::string> kObjects{"authz-list",
                                     "authz-list-file",
                                     "authz-simple",
                                     "iothread",
                                     "main-loop",
                                     "memory-backend-file",
                                     "memory-backend-memfd",
                                     "memory-backend-ram",
                                     "pr-manager-helper",
                                     "qtest",
                                     "rng-builtin",
                                     "rng-random",
                                     "secret",
                                     "sev-guest",
                                     "thread-context",
                                     "throttle-group",
                                     "tls-creds-anon",
                                     "tls-creds-psk",
                                     "tls-creds-x509"};
const std::set<std::string> kCharDevices{"file",  "memory", "mux",     "null",   "parallel",
                                         "pipe",  "pty",    "ringbuf", "serial", "socket",
                                         "stdio", "udp",    "vc"};
const std::set<std::string> kNetDevices{"bridge", "dgram", "hubport",   "socket",
                                        "stream", "tap",   "vhost-user"};
const std::set<std::string> kLibraries{"libaio.so.1",      "libc.so.6",     "libfdt.so.1",
                                       "libglib-2.0.so.0", "libm.so.6",     "libpixman-1.so.0",
                                       "libseccomp.so.2",  "liburing.so.2", "libz.so.1"};

/// The names in `have` that are not in `known`.
std::string Unknown(const std::set<std::string>& have, const std::set<std::string>& known) {
  std::string unknown;
  for (const std::string& name : have)
    if (!known.contains(name)) unknown += " " + name;
  return unknown;
}

TEST(KataTypes, NothingElseIsThere) {
  std::set<std::string> devices = kOtherDevices;
  for (const std::string& name : kDevices) {
    devices.insert(name);
    // The same device with another PCI id.
    devices.insert(name + "-transitional");
    devices.insert(name + "-non-transitional");
  }
  EXPECT_EQ(Unknown(Devices(), devices), "");
  const auto listed = [](const char* option) {
    std::set<std::string> names = Help(option);
    for (const char* word : {"List", "Available"}) names.erase(word);  // the heading
    return names;
  };
  EXPECT_EQ(Unknown(listed("-object"), kObjects), "");
  EXPECT_EQ(Unknown(listed("-chardev"), kCharDevices), "");
  EXPECT_EQ(Unknown(listed("-netdev"), kNetDevices), "");
}

TEST(KataTypes, AMachineThatAsksForWhatIsNotBuiltSaysSo) {
  for (const auto& [arguments, why] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"-machine", "q35,sata=on"}, "this QEMU has no SATA controller"},
           {{"-machine", "q35,usb=on"}, "this QEMU has no USB controller"},
           {{"-machine", "microvm,acpi=on,usb=on"}, "this QEMU has no USB controller"},
           {{"-machine", "q35", "-drive", "if=floppy,format=raw,file=/dev/zero"},
            "this QEMU has no floppy controller"}}) {
    std::vector<std::string> all{"-accel", "tcg", "-nodefaults", "-nographic"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const RunResult result = RunQemu(all);
    EXPECT_EQ(result.status.code, 1) << arguments[1];
    EXPECT_NE(result.err.find(why), std::string::npos) << result.err;
  }
}

TEST(KataBinary, LinksNoLibraryThatNoOptionNeeds) {
  std::set<std::string> libraries;
  for (const std::string& name : ReadElfFacts(QemuBinary()).libraries)
    if (!IsSanitized() || !(name.starts_with("libasan") || name.starts_with("libubsan")))
      libraries.insert(name);
  EXPECT_EQ(Unknown(libraries, kLibraries), "");
}

TEST(KataBinary, IsHardened) {
  ElfFacts facts = ReadElfFacts(QemuBinary());
  EXPECT_TRUE(facts.position_independent);
  EXPECT_TRUE(facts.relro && facts.bind_now) << "no full RELRO";
  EXPECT_FALSE(facts.executable_stack);
  EXPECT_TRUE(facts.imports.contains("__stack_chk_fail")) << "no stack protector";
  // Fortified functions would hide their reads from a sanitizer.
  EXPECT_EQ(std::any_of(facts.imports.begin(), facts.imports.end(),
                        [](const std::string& name) {
                          return name.starts_with("__") && name.ends_with("_chk");
                        }),
            !IsSanitized())
      << "no _FORTIFY_SOURCE";
}

}  // namespace
}  // namespace stx
