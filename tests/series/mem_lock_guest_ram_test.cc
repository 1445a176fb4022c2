// SPDX-License-Identifier: GPL-2.0-or-later
// mem-lock-guest-ram.patch (WRO 8): -overcommit mem-lock=on locks the used part of the guest's RAM
// blocks and nothing else of QEMU. A lock that fails is an error of the operation that adds memory.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "base/waiting.h"
#include "harness/host/huge_pages.h"
#include "series/mem_lock_machines.h"

namespace stx {
namespace {

TEST_F(MemLockGuestRam, LocksGuestRamAndOnlyIt) {
  Qemu qemu(MakeMachine("on"));
  ExpectGuestRamLockedAndOnlyIt(qemu);
  EXPECT_GE(Locked(qemu), kRam);
}

TEST_F(MemLockGuestRam, OffAndTheDefaultLockNothing) {
  for (const char* value : {"off", ""}) {
    Qemu qemu(MakeMachine(value));
    qemu.qmp();
    EXPECT_EQ(Locked(qemu), 0U) << value;
  }
}

TEST_F(MemLockGuestRam, AllLocksTheWholeProcess) {
  Qemu qemu(MakeMachine("all"));
  qemu.qmp();
  const auto locked = ReadLockedMappings(qemu.process().pid());
  EXPECT_TRUE(std::any_of(locked.begin(), locked.end(), [](const auto& m) { return m.is_code(); }));
  EXPECT_TRUE(
      std::any_of(locked.begin(), locked.end(), [](const auto& m) { return m.name == "[heap]"; }));
  qemu.qmp().Execute("object-add",
                     {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 32 * kMiB}});
  const auto later = ReadLockedMappings(qemu.process().pid());
  EXPECT_TRUE(
      std::any_of(later.begin(), later.end(), [](const auto& m) { return m.size() == 32 * kMiB; }));
}

TEST_F(MemLockGuestRam, ASecondOvercommitOptionDoesNotResetIt) {
  Qemu qemu(MakeMachine("on", {"-overcommit", "cpu-pm=on"}));
  qemu.qmp();
  EXPECT_GE(Locked(qemu), kRam);
}

TEST_F(MemLockGuestRam, AnythingElseIsAnError) {
  RunResult result = RunQemu({"-overcommit", "mem-lock=guest"});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("'on', 'off' or 'all'"), std::string::npos) << result.err;
}

TEST_F(MemLockGuestRam, LeavesTheTailOfResizeableBlocksAlone) {
  Qemu qemu(MakeMachine("on"));
  const RamBlock tables = FindRamBlock(qemu.qmp(), "/rom@etc/acpi/tables");
  ASSERT_LT(tables.used, tables.total);
  ExpectGuestRamLockedAndOnlyIt(qemu);
}

// ---- back-ends ----------------------------------------------------------------------------------

struct BackEnd {
  const char* name;
  const char* object;  // FILE stands for a file of 32 MiB
  bool nvdimm = false;
  bool huge = false;
};

void PrintTo(const BackEnd& backend, std::ostream* out) { *out << backend.name; }

class BackEnds : public MemLockGuestRam, public testing::WithParamInterface<BackEnd> {
 protected:
  void SetUp() override {
    MemLockGuestRam::SetUp();
    if (IsSkipped()) return;
    if (GetParam().huge && !pages_.enough())
      GTEST_SKIP() << "this machine has no " << kHugePages << " huge pages to reserve";
    std::filesystem::path file = dir_ / "image";
    WriteFile(file, "image");
    std::filesystem::resize_file(file, kSize);
    object_ = GetParam().object;
    if (size_t at = object_.find("FILE"); at != std::string::npos)
      object_.replace(at, 4, file.string());
    object_ += ",id=mem,size=32M";
  }

  std::vector<std::string> Arguments() const {
    if (GetParam().nvdimm)
      return {"-M",
              "nvdimm=on",
              "-object",
              object_,
              "-device",
              object_.find("readonly") != std::string::npos ? "nvdimm,memdev=mem,id=nv,unarmed=on"
                                                            : "nvdimm,memdev=mem,id=nv"};
    return {"-object", object_, "-device", "pc-dimm,memdev=mem"};
  }

  static constexpr uint64_t kSize = 32 * kMiB;
  static constexpr int kHugePages = 16;
  TempDir dir_{"backend"};
  HugePages pages_{GetParam().huge ? kHugePages : 0};
  std::string object_;
};

/// The mapping of the back-end, which is the only one of its size in these machines.
Mapping MappingOfBackEnd(Qemu& qemu) {
  for (const Mapping& mapping : ReadMappings(qemu.process().pid()))
    if (mapping.size() == 32 * kMiB) return mapping;
  throw std::runtime_error("no mapping of the back-end\n" + qemu.Report());
}

TEST_P(BackEnds, AreLockedAndMappedAsWithoutLock) {
  Qemu unlocked(MakeMachine("", Arguments()));
  unlocked.qmp();
  const Mapping plain = MappingOfBackEnd(unlocked);
  unlocked.process().Kill();

  Qemu qemu(MakeMachine("on", Arguments()));
  ExpectGuestRamLockedAndOnlyIt(qemu);
  Mapping locked = MappingOfBackEnd(qemu);
  EXPECT_EQ(locked.permissions, plain.permissions);
  EXPECT_EQ(locked.offset, plain.offset);
  if (!GetParam().huge) {
    EXPECT_TRUE(locked.flags.erase("lo"));
  }
  EXPECT_EQ(locked.flags, plain.flags);
}

INSTANTIATE_TEST_SUITE_P(
    MemLockGuestRam, BackEnds,
    testing::Values(
        BackEnd{"Ram", "memory-backend-ram"}, BackEnd{"RamShared", "memory-backend-ram,share=on"},
        BackEnd{"RamWithoutReserve", "memory-backend-ram,reserve=off"},
        BackEnd{"FilePrivate", "memory-backend-file,mem-path=FILE"},
        BackEnd{"FileShared", "memory-backend-file,mem-path=FILE,share=on"},
        BackEnd{"Memfd", "memory-backend-memfd,share=on"},
        BackEnd{"MemfdHuge", "memory-backend-memfd,hugetlb=on,hugetlbsize=2M", false, true},
        BackEnd{"Nvdimm", "memory-backend-file,mem-path=FILE,share=on", true},
        BackEnd{"NvdimmPmem", "memory-backend-file,mem-path=FILE,share=on,pmem=on", true},
        BackEnd{"NvdimmReadOnlyShared", "memory-backend-file,mem-path=FILE,share=on,readonly=on",
                true},
        BackEnd{"NvdimmReadOnlyPrivate", "memory-backend-file,mem-path=FILE,readonly=on", true}),
    [](const auto& info) { return info.param.name; });

// ---- hot-plug and limits ------------------------------------------------------------------------

TEST_F(MemLockGuestRam, LocksAPluggedDimmAndFreesItWithTheBackEnd) {
  Qemu qemu(MakeMachine("on"));
  qemu.qmp();
  const uint64_t before = Locked(qemu);
  qemu.qmp().Execute("object-add",
                     {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 32 * kMiB}});
  EXPECT_EQ(Locked(qemu), before + 32 * kMiB);
  qemu.qmp().Execute("device_add", {{"driver", "pc-dimm"}, {"id", "d"}, {"memdev", "m"}});
  ExpectGuestRamLockedAndOnlyIt(qemu);
  qemu.qmp().Execute("object-add",
                     {{"qom-type", "memory-backend-ram"}, {"id", "n"}, {"size", 16 * kMiB}});
  qemu.qmp().Execute("object-del", {{"id", "n"}});
  WaitUntil("RCU frees the block", Deadline(Milliseconds(5000)),
            [&] { return Locked(qemu) == before + 32 * kMiB; });
}

TEST_F(MemLockLimit, ThatFitsGuestRamIsEnough) {
  Qemu qemu(Limited(SmallMachine("on"), SmallMachineBlocks() + 64 * kKiB));
  ExpectGuestRamLockedAndOnlyIt(qemu);
  // QEMU's own memory may grow beyond the 64 KiB that are left of the limit.
  for (int i = 0; i < 50; ++i)
    qemu.qmp().Execute("object-add", {{"qom-type", "iothread"}, {"id", "t" + std::to_string(i)}});
}

TEST_F(MemLockLimit, ThatIsTooSmallStopsTheStartWithBlockSizeAndLimit) {
  Qemu qemu(Limited(SmallMachine("on"), kMiB));
  auto status = qemu.process().Wait(Milliseconds(10000));
  ASSERT_TRUE(status) << qemu.Report();
  EXPECT_EQ(status->code, 1);
  const std::string err = qemu.process().Stderr();
  EXPECT_NE(err.find("'pc.ram'"), std::string::npos) << err;
  EXPECT_NE(err.find("2097152 bytes"), std::string::npos) << err;
  EXPECT_NE(err.find("RLIMIT_MEMLOCK is 1048576 bytes"), std::string::npos) << err;
}

TEST_F(MemLockLimit, ThatIsTooSmallRefusesAHotPlugAndLeavesNothingBehind) {
  const uint64_t limit = SmallMachineBlocks() + 2 * kMiB + 64 * kKiB;
  ASSERT_LE(limit, kSmallLimit);
  Qemu qemu(Limited(SmallMachine("on"), limit));
  qemu.qmp();
  const uint64_t before = Locked(qemu);
  const size_t backends = qemu.qmp().Execute("query-memdev").size();
  try {
    qemu.qmp().Execute("object-add",
                       {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 32 * kMiB}});
    FAIL() << "the back-end was accepted";
  } catch (const QmpError& error) {
    EXPECT_NE(error.desc().find("'m'"), std::string::npos) << error.desc();
    EXPECT_NE(error.desc().find("33554432 bytes"), std::string::npos) << error.desc();
    EXPECT_NE(error.desc().find("RLIMIT_MEMLOCK is " + std::to_string(limit) + " bytes"),
              std::string::npos)
        << error.desc();
  }
  EXPECT_EQ(qemu.qmp().Execute("query-memdev").size(), backends);
  const auto mapped = [&] {
    const auto mappings = ReadMappings(qemu.process().pid());
    return std::any_of(mappings.begin(), mappings.end(),
                       [](const Mapping& m) { return m.size() == 32 * kMiB; });
  };
  WaitUntil("RCU frees the block", Deadline(Milliseconds(5000)), [&] { return !mapped(); });
  EXPECT_EQ(Locked(qemu), before);
  // The id is free, and what fits can be plugged.
  qemu.qmp().Execute("object-add",
                     {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 2 * kMiB}});
  qemu.qmp().Execute("device_add", {{"driver", "pc-dimm"}, {"id", "d"}, {"memdev", "m"}});
  ExpectGuestRamLockedAndOnlyIt(qemu);
}

TEST_F(MemLockLimit, ThatIsTooSmallRefusesADeviceWithAnOptionRom) {
  TempDir dir("rom");
  WriteFile(dir / "rom", std::string(256 * kKiB, '\x55'));
  const std::vector<std::string> port{"-device", "pcie-root-port,id=rp,chassis=1"};
  Qemu qemu(Limited(SmallMachine("on", port), SmallMachineBlocks(port) + 64 * kKiB));
  try {
    qemu.qmp().Execute("device_add", {{"driver", "virtio-net-pci"},
                                      {"id", "net"},
                                      {"bus", "rp"},
                                      {"romfile", (dir / "rom").string()}});
    FAIL() << "the device was accepted";
  } catch (const QmpError& error) {
    EXPECT_NE(error.desc().find("262144 bytes"), std::string::npos) << error.desc();
    EXPECT_NE(error.desc().find("RLIMIT_MEMLOCK"), std::string::npos) << error.desc();
  }
  ExpectGuestRamLockedAndOnlyIt(qemu);
  EXPECT_THROW(qemu.qmp().Execute("qom-list", {{"path", "/machine/peripheral/net"}}), QmpError);
}

TEST_F(MemLockGuestRam, VirtioMemIsRefusedWithEitherValue) {
  for (const char* value : {"on", "all"}) {
    Qemu qemu(MakeMachine(value, {"-object", "memory-backend-ram,id=m,size=128M", "-device",
                                  "virtio-mem-pci,memdev=m,requested-size=0"}));
    // With "all" the kernel faults in all of QEMU first.
    auto status = qemu.process().Wait(Milliseconds(120000));
    ASSERT_TRUE(status) << qemu.Report();
    EXPECT_EQ(status->code, 1);
    EXPECT_NE(qemu.process().Stderr().find("Incompatible with mlock"), std::string::npos);
  }
}

}  // namespace
}  // namespace stx
