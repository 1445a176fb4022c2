// SPDX-License-Identifier: GPL-2.0-or-later
// A guest as nova defines it, through the operations of an OpenStack operator.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/waiting.h"
#include "harness/host/memory_map.h"
#include "kata/pod_agent.h"
#include "lab/on_node/domain.h"

namespace stx {
namespace {

using json = nlohmann::json;

constexpr uint64_t kMiB = 1 << 20;
constexpr Milliseconds kWait{30000};

class Libvirt : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    Shell(
        "ip link show lab0 >/dev/null 2>&1 || ip link add lab0 type bridge; ip link set lab0 up;"
        "chmod 755 " +
        dir.path().string() + "; cd " + dir.path().string() +
        "; for name in root second; do qemu-img create -q -f qcow2 $name.qcow2 64M; done;"
        "qemu-img create -q -f raw third.raw 32M; chmod 666 *.qcow2 *.raw");
  }
  std::string Disk(const std::string& name, const std::string& target,
                   const std::string& bus) const {
    const std::string format = name.substr(name.find('.') + 1);
    return "<disk type=\"file\" device=\"disk\"><driver name=\"qemu\" type=\"" + format +
           "\" cache=\"none\" io=\"native\"/><source file=\"" + (dir / name).string() +
           "\"/><target dev=\"" + target + "\" bus=\"" + bus + "\"/></disk>";
  }
  DomainSettings Nova() const {
    DomainSettings settings;
    settings.machine = GetParam();
    settings.nova = true;
    settings.cpu_tune = "<shares>1024</shares><vcpupin vcpu=\"0\" cpuset=\"1\"/>";
    settings.devices = Disk("root.qcow2", "vda", "virtio") + Disk("second.qcow2", "sda", "scsi");
    return settings;
  }
  std::string Write(const std::string& name, const std::string& xml) const {
    WriteFile(dir / name, xml);
    return (dir / name).string();
  }
  /// The guest's entries of one kind: "blocks" or "nets".
  static json Entries(Domain& domain, const std::string& kind) {
    return domain.Agent().Request({{"op", kind}})[kind];
  }
  /// Returns once the guest has a disk of that name and, unless it is 0, of that size.
  static void WaitDisk(Domain& domain, const std::string& name, uint64_t bytes = 0) {
    WaitUntil("disk " + name, Deadline(kWait), [&] {
      const json disks = Entries(domain, "blocks");
      return std::any_of(disks.begin(), disks.end(), [&](const json& disk) {
        return disk["name"] == name && (bytes == 0 || disk["bytes"] == bytes);
      });
    });
  }
  static void ExpectGuestCounts(Domain& domain, const std::string& what) {
    EXPECT_EQ(domain.State(), "running") << what;
    EXPECT_EQ(domain.Agent().Exec({"cat", "/tmp/kept"}).out, "kept\n") << what;
  }

  TempDir dir{"libvirt", "/var/tmp"};
};

TEST_P(Libvirt, ANovaGuestLivesItsLife) {
  Domain domain(Nova());
  const auto virsh = [&](const std::string& command) { return domain.Virsh(command); };
  const std::string name = " " + domain.name() + " ";
  domain.Agent().Exec({"sh", "-c", "echo kept >/tmp/kept"});
  WaitDisk(domain, "vda");

  // Plug a disk, and unplug it while it is in use.
  virsh("attach-device" + name + Write("disk.xml", Disk("third.raw", "vdb", "virtio")) + " --live");
  WaitDisk(domain, "vdb");
  domain.Agent().Exec({"sh", "-c",
                       "(while dd if=/dev/vdb of=/dev/null bs=64k iflag=direct; do :; done) "
                       "</dev/null >/dev/null 2>&1 &"});
  virsh("detach-disk" + name + "vdb --live");
  WaitBlockGone(domain.Agent(), "vdb", kWait);
  const size_t nics = Entries(domain, "nets").size();
  virsh("attach-interface" + name + "bridge lab0 --model virtio --mac 52:54:00:11:22:44 --live");
  WaitUntil("a second NIC", Deadline(kWait),
            [&] { return Entries(domain, "nets").size() != nics; });
  virsh("detach-interface" + name + "bridge --mac 52:54:00:11:22:44 --live");
  WaitUntil("the end of the second NIC", Deadline(kWait),
            [&] { return Entries(domain, "nets").size() == nics; });
  ExpectGuestCounts(domain, "after hot-plug");

  // Resize a disk, take a snapshot of it, and merge the snapshot.
  virsh("blockresize" + name + "vda 96M");
  WaitDisk(domain, "vda", 96 * kMiB);
  domain.Agent().Exec({"dd", "if=/dev/urandom", "of=/dev/vda", "bs=64k", "count=16", "conv=fsync"});
  const std::string sum =
      domain.Agent().Exec({"sh", "-c", "head -c 1048576 /dev/vda | sha256sum"}).out;
  virsh("snapshot-create-as" + name + "s1 --disk-only --atomic --no-metadata --diskspec vda,file=" +
        (dir / "root.s1").string() + " --diskspec sda,snapshot=no");
  domain.Agent().Exec(
      {"dd", "if=/dev/urandom", "of=/dev/vda", "bs=64k", "seek=16", "count=16", "conv=fsync"});
  virsh("blockcommit" + name + "vda --active --pivot --wait");
  EXPECT_EQ(domain.Agent()
                .Exec({"sh", "-c",
                       "echo 3 >/proc/sys/vm/drop_caches; head -c 1048576 /dev/vda | sha256sum"})
                .out,
            sum);
  ExpectGuestCounts(domain, "after a snapshot");

  // Save to a file, and with libvirt's managed save.
  virsh("save" + name + (dir / "saved").string());
  virsh("restore " + (dir / "saved").string());
  domain.Restarted();
  ExpectGuestCounts(domain, "after save and restore");
  virsh("managedsave" + name);
  virsh("start" + name);
  domain.Restarted();
  ExpectGuestCounts(domain, "after managedsave");
  ReportFact(
      std::string(GetParam()) +
      ": disk and NIC plugged and unplugged under load, resize, snapshot and commit, save and "
      "restore, managedsave");
}

INSTANTIATE_TEST_SUITE_P(Machine, Libvirt, testing::Values("q35", "pc"));

/// The purpose of WRO 8: <locked/> locks the guest's memory, and not QEMU's code, heap and stacks.
TEST(LockedGuest, GuestMemoryIsLockedAndNothingElse) {
  DomainSettings settings;
  settings.memory_backing = "<locked/>";
  Domain domain(settings);
  const pid_t pid = domain.Pid();
  uint64_t guest = 0;
  for (const Mapping& mapping : ReadLockedMappings(pid)) {
    EXPECT_FALSE(mapping.is_code()) << mapping.ToString();
    EXPECT_FALSE(mapping.name == "[heap]" || mapping.name == "[stack]") << mapping.ToString();
    guest += mapping.size();
  }
  const uint64_t locked = ReadStatusSize(pid, "VmLck");
  EXPECT_GE(locked, settings.memory_mib * kMiB);
  // Firmware, option ROMs and a frame buffer are part of a guest's memory, too.
  EXPECT_LE(locked, (settings.memory_mib + 32) * kMiB);
  EXPECT_EQ(guest, locked);
  ReportFact("VmLck is " + std::to_string(locked / kMiB) + " MiB for a guest of " +
             std::to_string(settings.memory_mib) + " MiB");
}

/// Compares what libvirt reports about the two binaries, except for lines that always differ.
TEST(Capabilities, LibvirtSaysTheSameOfOursAsOfDebians) {
  const auto lines = [](const std::string& binary, const std::string& machine) {
    return Shell("virsh -q domcapabilities --virttype kvm --machine " + machine +
                 " --emulatorbin " + binary + " | grep -v '<path>'");
  };
  for (const char* machine : {"q35", "pc"}) {
    TempDir dir;
    WriteFile(dir / "ours", lines("/usr/bin/qemu-system-x86_64", machine));
    WriteFile(dir / "debian", lines("/usr/lib/lab/bin/qemu-debian", machine));
    // docs/install.md: our build has no local displays.
    const std::string difference =
        Shell("diff " + (dir / "debian").string() + " " + (dir / "ours").string() +
              " | grep '^[<>]' | grep -v -E '<value>(sdl|egl-headless|dbus)</value>' || true");
    EXPECT_EQ(difference, "") << machine;
  }
  ReportFact(
      "domcapabilities of q35 and pc differ in the graphics types sdl, egl-headless and dbus "
      "alone");
}

}  // namespace
}  // namespace stx
