// SPDX-License-Identifier: GPL-2.0-or-later
// Where guest memory comes from: the kernel's view of each back-end's mapping, NUMA, preallocation,
// huge pages, and the messages if the host cannot provide the memory.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <map>

#include "base/load.h"
#include "harness/guest_code/tiny_kernel.h"
#include "harness/host/huge_pages.h"
#include "harness/host/memory_map.h"
#include "harness/qemu/acpi_tables.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = 1 << 20, kSize = 64 * kMiB;

class Backend : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report() << "\n";
  }
  void Start(const std::string& object, const std::vector<std::string>& more = {}) {
    QemuOptions options;
    options.qtest = true;
    options.args = more;
    options.args.insert(options.args.end(), {"-machine", "q35,memory-backend=ram", "-m", "64M",
                                             "-nodefaults", "-object", object});
    qemu.emplace(std::move(options));
    qemu->qmp();
  }
  /// The guest's RAM among QEMU's mappings.
  Mapping Ram() {
    for (const Mapping& mapping : ReadMappings(qemu->process().pid()))
      if (mapping.size() == kSize) return mapping;
    throw std::runtime_error("no mapping of the size of the guest's RAM");
  }
  std::string Error(const std::string& object) {
    const RunResult result = RunQemu({"-machine", "q35,accel=tcg,memory-backend=ram", "-m", "64M",
                                      "-nodefaults", "-nographic", "-object", object});
    EXPECT_EQ(result.status.code, 1) << result.status.ToString();
    return result.err;
  }

  TempDir dir{"backend"};
  std::optional<Qemu> qemu;
};

struct Kind {
  const char* name;
  const char* object;
  bool shared, preallocated;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class BackendKind : public Backend, public testing::WithParamInterface<Kind> {};

TEST_P(BackendKind, IsMappedAsItWasAskedFor) {
  Covers({"1.1 shared-ram", "1.2 enable_mem_prealloc"});
  std::string object = std::string(GetParam().object) + ",id=ram,size=64M";
  if (object.find("file") != std::string::npos) object += ",mem-path=" + dir.path().string();
  Start(object);
  const Mapping ram = Ram();
  EXPECT_EQ(ram.permissions, GetParam().shared ? "rw-s" : "rw-p") << ram.ToString();
  if (GetParam().preallocated)
    EXPECT_EQ(ram.resident, kSize);
  else
    EXPECT_LT(ram.resident, kSize / 4);
  EXPECT_TRUE(fs::is_empty(dir.path())) << "a file was left in the folder";
  const json info = qemu->qmp().Execute("query-memdev")[0];
  EXPECT_EQ(info["size"], kSize);
  EXPECT_EQ(info["share"], GetParam().shared);
  EXPECT_EQ(info["prealloc"], GetParam().preallocated);
  qemu->qtest().MemWrite(48 * kMiB, "guest", 5);
  EXPECT_EQ(qemu->qtest().MemRead(48 * kMiB, 5), (std::vector<uint8_t>{'g', 'u', 'e', 's', 't'}));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BackendKind,
    testing::Values(Kind{"Ram", "memory-backend-ram", false, false},
                    Kind{"RamShared", "memory-backend-ram,share=on", true, false},
                    Kind{"RamPrealloc", "memory-backend-ram,prealloc=on", false, true},
                    Kind{"Memfd", "memory-backend-memfd", true, false},
                    Kind{"MemfdPrivate", "memory-backend-memfd,share=off", false, false},
                    Kind{"MemfdPrealloc", "memory-backend-memfd,prealloc=on,prealloc-threads=2",
                         true, true},
                    Kind{"File", "memory-backend-file,share=on", true, false},
                    Kind{"FilePrivate", "memory-backend-file", false, false},
                    Kind{"FilePrealloc", "memory-backend-file,share=on,prealloc=on", true, true}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(Backend, AFolderOfTheOperatorsHoldsTheRam) {
  Covers({"1.2 file_mem_backend"});
  Start("memory-backend-file,id=ram,size=64M,share=on,mem-path=" + dir.path().string());
  const Mapping ram = Ram();
  EXPECT_TRUE(ram.name.starts_with(dir.path().string())) << ram.ToString();
}

TEST_F(Backend, ATemplatesFileKeepsTheGuestsBytes) {
  Covers({"1.2 template-create", "1.2 template-clone"});
  const std::string object =
      "memory-backend-file,id=ram,size=64M,mem-path=" + (dir / "memory").string();
  Start(object + ",share=on");
  qemu->qtest().MemWrite(40 * kMiB, "template", 8);
  qemu.reset();
  EXPECT_EQ(ReadFile(dir / "memory").substr(40 * kMiB, 8), "template");
  Start(object);
  EXPECT_EQ(qemu->qtest().MemRead(40 * kMiB, 4), (std::vector<uint8_t>{'t', 'e', 'm', 'p'}));
  qemu->qtest().MemWrite(40 * kMiB, "clone...", 8);
  qemu.reset();
  EXPECT_EQ(ReadFile(dir / "memory").substr(40 * kMiB, 8), "template") << "a clone wrote into it";
}

TEST_F(Backend, PreallocationRunsInAThreadContext) {
  if (!HasObjectType("thread-context")) GTEST_SKIP() << "$QEMU has no thread-context";
  cpu_set_t mine;
  sched_getaffinity(0, sizeof(mine), &mine);
  int cpu = 0;
  while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &mine)) ++cpu;
  Start("memory-backend-ram,id=ram,size=64M,prealloc=on,prealloc-threads=2,prealloc-context=tc",
        {"-object", "thread-context,id=tc,cpu-affinity=" + std::to_string(cpu)});
  EXPECT_EQ(Ram().resident, kSize);
  const json affinity =
      qemu->qmp().Execute("qom-get", {{"path", "/objects/tc"}, {"property", "cpu-affinity"}});
  EXPECT_EQ(affinity, json::array({cpu}));
  EXPECT_NE(Error("memory-backend-ram,id=ram,size=64M,prealloc=on,prealloc-context=none")
                .find("'none' not found"),
            std::string::npos);
}

TEST_F(Backend, WhatTheHostCannotGiveIsSaid) {
  EXPECT_NE(Error("memory-backend-file,id=ram,size=64M,mem-path=/none/there").find("/none/there"),
            std::string::npos);
  EXPECT_NE(Error("memory-backend-file,id=ram,size=64M").find("'mem-path' is missing"),
            std::string::npos);
  EXPECT_NE(Error("memory-backend-ram,id=ram,size=0").find("size"), std::string::npos);
  EXPECT_NE(Error("memory-backend-ram,id=ram,size=32M").find("does not match"), std::string::npos);
}

TEST_F(Backend, AFileOfAnotherSizeIsRefusedOrLeftAsItIs) {
  const std::string object =
      "memory-backend-file,id=ram,size=64M,share=on,mem-path=" + (dir / "memory").string();
  WriteFile(dir / "memory", "short");
  EXPECT_NE(Error(object).find("backing store size 0x5 does not match"), std::string::npos);
  EXPECT_EQ(ReadFile(dir / "memory"), "short");
  WriteFile(dir / "memory", std::string(kSize + 4096, 'x'));
  Start(object);
  EXPECT_EQ(fs::file_size(dir / "memory"), kSize + 4096);
}

TEST_F(Backend, WithoutAHugetlbfsTheFolderHoldsOrdinaryPages) {
  Covers({"1.2 enable_hugepages"});
  // A path that does not exist becomes a file of the RAM's size, which is left behind. This happens
  // with /dev/hugepages if nothing is mounted there.
  const fs::path absent = dir / "hugepages";
  Start("memory-backend-file,id=ram,size=64M,share=on,mem-path=" + absent.string());
  EXPECT_TRUE(fs::is_regular_file(absent));
  EXPECT_EQ(fs::file_size(absent), kSize);
  EXPECT_FALSE(Ram().flags.contains("ht")) << "huge pages from nowhere";
  qemu.reset();
  EXPECT_TRUE(fs::exists(absent));
}

TEST_F(Backend, HugePagesOfAMountedHugetlbfsBackTheRam) {
  Covers({"1.2 enable_hugepages"});
  HugePages pages(static_cast<int>(kSize / HugePages::kSize));
  if (!pages.enough()) GTEST_SKIP() << "the machine has no 32 huge pages of 2 MiB to give";
  if (mount("none", dir.path().c_str(), "hugetlbfs", 0, "pagesize=2M") != 0)
    GTEST_SKIP() << "hugetlbfs cannot be mounted here: " << std::strerror(errno);
  const std::string object = "memory-backend-file,id=ram,size=64M,mem-path=" + dir.path().string();
  Start(object + ",share=on,prealloc=on");
  Mapping ram = Ram();
  EXPECT_TRUE(ram.flags.contains("ht")) << ram.ToString();
  EXPECT_EQ(ram.hugetlb, kSize);
  Start(object);  // as with 9p: neither shared nor preallocated
  ram = Ram();
  EXPECT_TRUE(ram.flags.contains("ht"));
  EXPECT_EQ(ram.permissions, "rw-p");
  qemu.reset();
  // More pages than there are: preallocation detects and reports it.
  const RunResult result = RunQemu(
      {"-machine", "q35,accel=tcg,memory-backend=ram", "-m", "1G", "-nodefaults", "-nographic",
       "-object",
       "memory-backend-file,id=ram,size=1G,share=on,prealloc=on,mem-path=" + dir.path().string()});
  umount(dir.path().c_str());
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("Cannot allocate memory"), std::string::npos) << result.err;
}

TEST_F(Backend, HugePagesOfAMemfdBackTheRam) {
  HugePages pages(static_cast<int>(kSize / HugePages::kSize));
  if (!pages.enough()) GTEST_SKIP() << "the machine has no 32 huge pages of 2 MiB to give";
  Start("memory-backend-memfd,id=ram,size=64M,hugetlb=on,hugetlbsize=2M,prealloc=on");
  EXPECT_EQ(Ram().hugetlb, kSize);
}

TEST_F(Backend, NumaNodesAreTheTablesThatTheGuestReads) {
  WriteTinyBzImage(dir / "kernel");
  QemuOptions options;
  options.qtest = options.running = true;
  options.args = {"-machine",
                  "q35",
                  "-m",
                  "128M",
                  "-smp",
                  "4",
                  "-nodefaults",
                  "-kernel",
                  dir / "kernel",
                  "-object",
                  "memory-backend-memfd,id=m0,size=32M,share=on",
                  "-numa",
                  "node,nodeid=0,cpus=0-1,memdev=m0",
                  "-object",
                  "memory-backend-memfd,id=m1,size=96M,share=on",
                  "-numa",
                  "node,nodeid=1,cpus=2-3,memdev=m1",
                  "-numa",
                  "dist,src=0,dst=1,val=33"};
  qemu.emplace(std::move(options));
  ASSERT_TRUE(WaitTinyKernel(qemu->qmp(), dir / "scratch"));
  const AcpiTables acpi(qemu->qtest());
  const std::string& srat = acpi.GetOnly("SRAT");
  std::map<uint32_t, uint64_t> memory;
  std::map<uint32_t, int> cpus;
  for (size_t at = 48; at < srat.size(); at += LoadAt<uint8_t>(srat, at + 1, "SRAT")) {
    const auto type = LoadAt<uint8_t>(srat, at, "SRAT");
    ASSERT_GT(LoadAt<uint8_t>(srat, at + 1, "SRAT"), 0);
    // Memory affinity (ACPI 6.4, 5.2.16.2), enabled; local APIC affinity (5.2.16.1).
    if (type == 1 && LoadAt<uint32_t>(srat, at + 28, "SRAT") & 1)
      memory[LoadAt<uint32_t>(srat, at + 2, "SRAT")] += LoadAt<uint64_t>(srat, at + 16, "SRAT");
    if (type == 0) ++cpus[LoadAt<uint8_t>(srat, at + 2, "SRAT")];
  }
  // 384 KiB below 1 MiB are not RAM.
  EXPECT_EQ(memory[0], 32 * kMiB - (384 << 10));
  EXPECT_EQ(memory[1], 96 * kMiB);
  EXPECT_EQ(cpus, (std::map<uint32_t, int>{{0, 2}, {1, 2}}));
  const std::string& slit = acpi.GetOnly("SLIT");
  ASSERT_EQ(LoadAt<uint64_t>(slit, 36, "SLIT"), 2u);
  EXPECT_EQ(slit.substr(44, 4), "\x0a\x21\x21\x0a");
  const json nodes = qemu->qmp().Execute("query-memdev");
  EXPECT_EQ(nodes.size(), 2u);
}

TEST_F(Backend, HostNodesBindTheMemory) {
  const RunResult probe =
      RunQemu({"-machine", "none,accel=tcg", "-nographic", "-object",
               "memory-backend-ram,id=ram,size=64M,host-nodes=0,policy=bind,prealloc-threads=0"});
  if (probe.err.find("NUMA node binding are not supported") != std::string::npos)
    GTEST_SKIP() << "$QEMU is built without libnuma";
  Start("memory-backend-ram,id=ram,size=64M,host-nodes=0,policy=bind");
  EXPECT_EQ(qemu->qmp().Execute("query-memdev")[0]["policy"], "bind");
  EXPECT_NE(
      ReadFile("/proc/" + std::to_string(qemu->process().pid()) + "/numa_maps").find("bind:0"),
      std::string::npos);
}

}  // namespace
}  // namespace stx
