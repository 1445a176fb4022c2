// mem-lock-guest-ram.patch (WRO 8): -overcommit mem-lock=on locks the used part of the guest's RAM
// blocks and nothing else of QEMU; a lock that fails is an error where memory is added.

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "harness/huge_pages.h"
#include "harness/memory_map.h"
#include "harness/qemu.h"

namespace stx {
namespace {

constexpr uint64_t kKiB = 1 << 10, kMiB = 1 << 20;
constexpr uint64_t kRam = 64 * kMiB;

/// A root child without it is bound to RLIMIT_MEMLOCK as everybody else is.
bool DropIpcLock() { return prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK) == 0; }

QemuOptions Machine(const std::string& mem_lock, const std::vector<std::string>& more = {}) {
  QemuOptions options;
  options.qtest = true;
  options.args = {"-M", "q35", "-m", "64M,slots=4,maxmem=2G"};
  if (!mem_lock.empty())
    options.args.insert(options.args.end(), {"-overcommit", "mem-lock=" + mem_lock});
  options.args.insert(options.args.end(), more.begin(), more.end());
  return options;
}

QemuOptions Limited(QemuOptions options, uint64_t limit) {
  options.spawn.memlock_limit = limit;
  options.spawn.before_exec = DropIpcLock;
  return options;
}

struct Block {
  std::string name;
  uint64_t page_size, used, total;
};

/// HMP "info ramblock": all RAM blocks of the guest.
std::vector<Block> RamBlocks(Qemu& qemu) {
  std::vector<Block> blocks;
  std::istringstream in(qemu.qmp().Hmp("info ramblock"));
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    // Name (empty for blocks that do not migrate), page size and unit, offset, used, total.
    if (fields.size() < 5) continue;
    const size_t n = fields.size();
    blocks.push_back(
        {n > 5 ? fields[0] : "", fields[n - 4] == "MiB" ? HugePages::kSize : uint64_t{4096},
         std::stoull(fields[n - 2], nullptr, 16), std::stoull(fields[n - 1], nullptr, 16)});
  }
  return blocks;
}

Block BlockNamed(Qemu& qemu, const std::string& name) {
  for (const Block& block : RamBlocks(qemu))
    if (block.name == name) return block;
  throw std::runtime_error("no RAM block " + name);
}

std::string ToString(const std::vector<Mapping>& mappings) {
  std::string text;
  for (const Mapping& mapping : mappings) text += mapping.ToString() + "\n";
  return text;
}

/// Locked is each RAM block's used part, as a mapping of its own (a guard page follows every
/// block), resident as a whole; and nothing else. Huge pages count as locked when they are there:
/// the kernel never marks them.
void ExpectGuestRamLockedAndOnlyIt(Qemu& qemu) {
  std::vector<uint64_t> want, got, huge_want, huge_got;
  for (const Block& block : RamBlocks(qemu))
    (block.page_size > 4096 ? huge_want : want).push_back(block.used);
  for (const Mapping& mapping : ReadMappings(qemu.process().pid())) {
    SCOPED_TRACE(mapping.ToString());
    if (mapping.flags.contains("ht")) huge_got.push_back(mapping.hugetlb);
    if (!mapping.is_locked()) continue;
    EXPECT_FALSE(mapping.is_code());
    EXPECT_NE(mapping.name, "[heap]");
    EXPECT_NE(mapping.name, "[stack]");
    EXPECT_EQ(mapping.resident, mapping.size());
    got.push_back(mapping.size());
  }
  for (auto* sizes : {&want, &got, &huge_want, &huge_got}) std::sort(sizes->begin(), sizes->end());
  EXPECT_EQ(got, want) << qemu.qmp().Hmp("info ramblock")
                       << ToString(LockedMappings(qemu.process().pid()));
  EXPECT_EQ(huge_got, huge_want);
  uint64_t sum = 0;
  for (uint64_t size : want) sum += size;
  EXPECT_EQ(StatusSize(qemu.process().pid(), "VmLck"), sum);
}

uint64_t Locked(Qemu& qemu) { return StatusSize(qemu.process().pid(), "VmLck"); }

/// What a start with mem-lock=on locks, where nothing limits it.
uint64_t LockedAtStart(const std::vector<std::string>& more = {}) {
  Qemu qemu(Machine("on", more));
  qemu.qmp();
  return Locked(qemu);
}

TEST(MemLockGuestRam, LocksGuestRamAndOnlyIt) {
  Qemu qemu(Machine("on"));
  ExpectGuestRamLockedAndOnlyIt(qemu);
  EXPECT_GE(Locked(qemu), kRam);
}

TEST(MemLockGuestRam, OffAndTheDefaultLockNothing) {
  for (const char* value : {"off", ""}) {
    Qemu qemu(Machine(value));
    qemu.qmp();
    EXPECT_EQ(Locked(qemu), 0U) << value;
  }
}

TEST(MemLockGuestRam, AllLocksTheWholeProcess) {
  Qemu qemu(Machine("all"));
  qemu.qmp();
  const auto locked = LockedMappings(qemu.process().pid());
  EXPECT_TRUE(std::any_of(locked.begin(), locked.end(), [](const auto& m) { return m.is_code(); }));
  EXPECT_TRUE(
      std::any_of(locked.begin(), locked.end(), [](const auto& m) { return m.name == "[heap]"; }));
  qemu.qmp().Execute("object-add",
                     {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 32 * kMiB}});
  const auto later = LockedMappings(qemu.process().pid());
  EXPECT_TRUE(
      std::any_of(later.begin(), later.end(), [](const auto& m) { return m.size() == 32 * kMiB; }));
}

TEST(MemLockGuestRam, ASecondOvercommitOptionDoesNotResetIt) {
  Qemu qemu(Machine("on", {"-overcommit", "cpu-pm=on"}));
  qemu.qmp();
  EXPECT_GE(Locked(qemu), kRam);
}

TEST(MemLockGuestRam, AnythingElseIsAnError) {
  RunResult result = RunQemu({"-overcommit", "mem-lock=guest"});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("'on', 'off' or 'all'"), std::string::npos) << result.err;
}

TEST(MemLockGuestRam, LeavesTheTailOfResizeableBlocksAlone) {
  Qemu qemu(Machine("on"));
  const Block tables = BlockNamed(qemu, "/rom@etc/acpi/tables");
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

class BackEnds : public testing::TestWithParam<BackEnd> {
 protected:
  void SetUp() override {
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

/// The mapping of the back-end: the only one of its size in these machines.
Mapping MappingOfBackEnd(Qemu& qemu) {
  for (const Mapping& mapping : ReadMappings(qemu.process().pid()))
    if (mapping.size() == 32 * kMiB) return mapping;
  throw std::runtime_error("no mapping of the back-end\n" + qemu.Report());
}

TEST_P(BackEnds, AreLockedAndMappedAsWithoutLock) {
  Qemu unlocked(Machine("", Arguments()));
  unlocked.qmp();
  const Mapping plain = MappingOfBackEnd(unlocked);
  unlocked.process().Kill();

  Qemu qemu(Machine("on", Arguments()));
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

TEST(MemLockGuestRam, LocksAPluggedDimmAndFreesItWithTheBackEnd) {
  Qemu qemu(Machine("on"));
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
  Deadline deadline(Milliseconds(5000));  // blocks are freed by RCU
  while (Locked(qemu) != before + 32 * kMiB && !deadline.Passed()) usleep(2000);
  EXPECT_EQ(Locked(qemu), before + 32 * kMiB);
}

TEST(MemLockGuestRam, ALimitThatFitsGuestRamIsEnough) {
  Qemu qemu(Limited(Machine("on"), LockedAtStart() + 64 * kKiB));
  ExpectGuestRamLockedAndOnlyIt(qemu);
  // QEMU's own memory may still grow: 64 KiB of limit are left.
  for (int i = 0; i < 50; ++i)
    qemu.qmp().Execute("object-add", {{"qom-type", "iothread"}, {"id", "t" + std::to_string(i)}});
}

TEST(MemLockGuestRam, ATooSmallLimitStopsTheStartWithBlockSizeAndLimit) {
  QemuOptions options = Limited(Machine("on"), 16 * kMiB);
  Qemu qemu(std::move(options));
  auto status = qemu.process().Wait(Milliseconds(10000));
  ASSERT_TRUE(status) << qemu.Report();
  EXPECT_EQ(status->code, 1);
  const std::string err = qemu.process().Stderr();
  EXPECT_NE(err.find("'pc.ram'"), std::string::npos) << err;
  EXPECT_NE(err.find("67108864 bytes"), std::string::npos) << err;
  EXPECT_NE(err.find("RLIMIT_MEMLOCK is 16777216 bytes"), std::string::npos) << err;
}

TEST(MemLockGuestRam, ATooSmallLimitRefusesAHotPlugAndLeavesNothingBehind) {
  const uint64_t limit = LockedAtStart() + 16 * kMiB;
  Qemu qemu(Limited(Machine("on"), limit));
  qemu.qmp();
  const uint64_t before = Locked(qemu);
  const size_t backends = qemu.qmp().Execute("query-memdev").size();
  try {
    qemu.qmp().Execute("object-add",
                       {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 32 * kMiB}});
    FAIL() << "the back-end was accepted";
  } catch (const QmpError& error) {
    EXPECT_NE(error.desc().find("/objects/m"), std::string::npos) << error.desc();
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
  Deadline deadline(Milliseconds(5000));
  while (mapped() && !deadline.Passed()) usleep(2000);
  EXPECT_FALSE(mapped());
  EXPECT_EQ(Locked(qemu), before);
  // The id is free, and what fits is plugged.
  qemu.qmp().Execute("object-add",
                     {{"qom-type", "memory-backend-ram"}, {"id", "m"}, {"size", 16 * kMiB}});
  qemu.qmp().Execute("device_add", {{"driver", "pc-dimm"}, {"id", "d"}, {"memdev", "m"}});
  ExpectGuestRamLockedAndOnlyIt(qemu);
}

TEST(MemLockGuestRam, ATooSmallLimitRefusesADeviceWhoseOptionRomDoesNotFit) {
  TempDir dir("rom");
  WriteFile(dir / "rom", std::string(256 * kKiB, '\x55'));
  const std::vector<std::string> port{"-device", "pcie-root-port,id=port,chassis=1"};
  Qemu qemu(Limited(Machine("on", port), LockedAtStart(port) + 64 * kKiB));
  const json device{{"driver", "virtio-net-pci"},
                    {"id", "net"},
                    {"bus", "port"},
                    {"romfile", (dir / "rom").string()}};
  try {
    qemu.qmp().Execute("device_add", device);
    FAIL() << "the device was accepted";
  } catch (const QmpError& error) {
    EXPECT_NE(error.desc().find("262144 bytes"), std::string::npos) << error.desc();
    EXPECT_NE(error.desc().find("RLIMIT_MEMLOCK"), std::string::npos) << error.desc();
  }
  ExpectGuestRamLockedAndOnlyIt(qemu);
  EXPECT_THROW(qemu.qmp().Execute("qom-list", {{"path", "/machine/peripheral/net"}}), QmpError);
}

TEST(MemLockGuestRam, VirtioMemIsRefusedWithEitherValue) {
  for (const char* value : {"on", "all"}) {
    Qemu qemu(Machine(value, {"-object", "memory-backend-ram,id=m,size=128M", "-device",
                              "virtio-mem-pci,memdev=m,requested-size=0"}));
    auto status = qemu.process().Wait(Milliseconds(10000));
    ASSERT_TRUE(status) << qemu.Report();
    EXPECT_EQ(status->code, 1);
    EXPECT_NE(qemu.process().Stderr().find("Incompatible with mlock"), std::string::npos);
  }
}

}  // namespace
}  // namespace stx
