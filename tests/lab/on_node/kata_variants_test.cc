// SPDX-License-Identifier: GPL-2.0-or-later
// Configurations of Kata other than ours: each starts a container on our QEMU, which then has what
// the configuration asks for. And what a container can be given: memory, a block device, runc
// beside it.
#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>

#include "base/process.h"
#include "harness/host/threads.h"
#include "lab/on_node/kata_configuration.h"
#include "lab/on_node/kata_container.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

struct Variant {
  const char* name;
  std::vector<KataKey> keys;
  const char* option;  ///< on QEMU's command line
  const char* script;  ///< prints `printed` in the container
  const char* printed;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class KataVariant : public KataTest, public testing::WithParamInterface<Variant> {};

TEST_P(KataVariant, StartsAndHasIt) {
  const Variant& variant = GetParam();
  KataConfiguration configuration(variant.keys);
  KataContainer container("lab-" + std::string(variant.name), configuration.Flags());
  EXPECT_NE(container.QemuCommand().find(variant.option), std::string::npos)
      << container.QemuCommand();
  EXPECT_EQ(Trimmed(container.Shell(variant.script)), variant.printed);
  // Bytes through whatever carries its root.
  container.Shell("head -c 300000 /dev/urandom >/a && cp /a /b && sync && cmp /a /b");
  container.End();
  ReportFact(std::string(variant.name) + ": " + variant.option);
}

constexpr const char* kRootType = "grep ' / ' /proc/mounts | cut -d' ' -f3";

INSTANTIATE_TEST_SUITE_P(
    , KataVariant,
    testing::Values(
        Variant{"9p",
                {{"hypervisor.qemu", "shared_fs", "\"virtio-9p\""}},
                "-device virtio-9p-pci",
                kRootType,
                "9p"},
        Variant{"virtiofs", {}, "-device vhost-user-fs-pci", kRootType, "virtiofs"},
        Variant{"blkimage",
                {{"hypervisor.qemu", "disable_image_nvdimm", "true"}},
                "root=/dev/vda1",
                "ls -d /sys/block/vda",
                "/sys/block/vda"},
        Variant{"bzimage",
                {{"hypervisor.qemu", "kernel", "\"/usr/share/kata-containers/vmlinuz.container\""}},
                "/vmlinuz",
                "uname -s",
                "Linux"},
        Variant{"iommu",
                {{"hypervisor.qemu", "enable_iommu", "true"}},
                "-device intel-iommu",
                "ls /sys/class/iommu",
                "dmar0"},
        Variant{"virtiomem",
                {{"hypervisor.qemu", "enable_virtio_mem", "true"}},
                // The shim adds the device when QEMU runs, so it is not on the command line. A
                // guest before Linux 5.16 cannot drive it (docs/limitations.md).
                "maxmem=",
                "ls /sys/bus/virtio/drivers/virtio_mem | grep -c ^virtio",
                "1"},
        Variant{"static",
                {{"runtime", "static_sandbox_resource_mgmt", "true"}},
                "-smp 1",
                "uname -s",
                "Linux"},
        Variant{"hostqemu",
                {{"hypervisor.qemu", "path", "\"/usr/bin/qemu-system-x86_64\""}},
                "/usr/bin/qemu-system-x86_64 ",
                "uname -s",
                "Linux"}),
    [](const auto& info) { return std::string(info.param.name); });

class KataPod : public KataTest {};

TEST_F(KataPod, SandboxCgroupOnlyPutsAllOfQemuIntoThePodsGroup) {
  KataConfiguration configuration({{"runtime", "sandbox_cgroup_only", "true"}});
  KataContainer container("lab-group", configuration.Flags());
  const std::string pid = std::to_string(container.Qemu());
  std::string groups = Trimmed(
      Shell("cat /proc/" + pid + "/task/*/cgroup | grep -E '^0:|:cpu' | cut -d: -f3 | sort -u"));
  EXPECT_EQ(groups.find("overhead"), std::string::npos) << groups;
  EXPECT_NE(groups, "/") << groups;
  container.End();
  ReportFact("all threads of QEMU are in " + groups);
}

TEST_F(KataPod, TwoContainersAndOneOfRuncBesideThem) {
  KataContainer first("lab-two", InPod("lab-two", "sandbox"));
  KataContainer second("lab-second", InPod("lab-two", "container"));
  const std::string boot = "cat /proc/sys/kernel/random/boot_id";
  EXPECT_EQ(first.Shell(boot), second.Shell(boot)) << "two kernels in one pod";
  const std::string of_runc = Shell(
      "ctr run --rm --runtime io.containerd.runc.v2 docker.io/lab/busybox:latest lab-runc "
      "/bin/cat /proc/sys/kernel/random/boot_id");
  EXPECT_EQ(of_runc, Shell(boot)) << "runc has another kernel than the node";
  EXPECT_NE(of_runc, first.Shell(boot));
  second.End();
  first.End();
}

TEST_F(KataPod, AMemoryLimitAddsMemory) {
  const char* total = "awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo";
  KataContainer pod("lab-memory", InPod("lab-memory", "sandbox"));
  const int before = std::stoi(pod.Shell(total));
  std::vector<std::string> flags = InPod("lab-memory", "container");
  flags.insert(flags.end(), {"--memory-limit", std::to_string(256 << 20)});
  KataContainer worker("lab-worker", flags);
  const int after = std::stoi(worker.Shell(total));
  EXPECT_EQ(after - before, 256) << before << " MiB, then " << after;
  worker.End();
  pod.End();
  ReportFact(std::to_string(before) + " MiB, and " + std::to_string(after) + " with the container");
}

TEST_F(KataPod, ABlockDeviceHasItsBytesOnBothSides) {
  TempDir dir;
  const std::string file = (dir / "disk").string();
  const std::string device =
      Trimmed(Shell("head -c 8388608 /dev/urandom >" + file + "; losetup --show -f " + file));
  {
    KataContainer container("lab-block", {"--device", device});
    EXPECT_EQ(Trimmed(container.Shell("md5sum <" + device)), Trimmed(Shell("md5sum <" + device)));
    container.Shell("echo written in the pod | dd of=" + device + " bs=512 seek=3 conv=sync,fsync");
    container.End();
  }
  EXPECT_EQ(Shell("dd if=" + file + " bs=512 skip=3 count=1 2>/dev/null | head -c 18"),
            "written in the pod");
  Shell("losetup -d " + device);
}

TEST_F(KataPod, KataRuntimeKnowsTheHostAndThePod) {
  Shell("modprobe -a vhost vhost_net vhost_vsock");
  const std::string check = Shell("kata-runtime check --no-network-checks 2>&1");
  EXPECT_NE(check.find("System is capable of running Kata Containers"), std::string::npos) << check;
  const std::string environment = Shell("kata-runtime env");
  EXPECT_NE(environment.find("Path = \"/usr/bin/qemu-system-x86_64-kata\""), std::string::npos)
      << environment;
  EXPECT_NE(environment.find("(stx-qemu"), std::string::npos) << environment;
  KataContainer container("lab-metrics");
  const std::string metrics = Shell("kata-runtime metrics lab-metrics");
  EXPECT_NE(metrics.find("kata_hypervisor_proc_status{item=\"vmrss\"}"), std::string::npos)
      << metrics.substr(0, 2000);
  container.End();
}

TEST_F(KataPod, WhatAPodCostsTheHost) {
  KataContainer container("lab-cost");
  const auto pss = [](const std::string& pattern) {
    return std::stoi(Shell("for p in $(pgrep -f -- '" + pattern +
                           "'); do awk '/^Pss:/ { print $2 }' /proc/$p/smaps_rollup; done | "
                           "awk '{ s += $1 } END { print int(s / 1024) }'"));
  };
  const int qemu = pss("-name sandbox-lab-cost "), shim = pss("shim-kata-v2 .*-id lab-cost"),
            daemon = pss("virtiofsd .*sandboxes/lab-cost|virtiofsd .*lab-cost");
  EXPECT_GT(qemu, 0);
  EXPECT_GT(shim, 0);
  EXPECT_GT(daemon, 0);
  const std::string ram =
      Trimmed(Shell("grep -A 5 'dev/shm\\|memfd' /proc/" + std::to_string(container.Qemu()) +
                    "/smaps | awk '/^Pss:/ { s += $2 } END { print int(s / 1024) }'"));
  ReportFact("PSS: QEMU " + std::to_string(qemu) + " MiB, of them guest RAM " + ram + "; shim " +
             std::to_string(shim) + ", virtiofsd " + std::to_string(daemon));
  container.End();
}

}  // namespace
}  // namespace stx
