// SPDX-License-Identifier: GPL-2.0-or-later
// patches/perf: what the start of a machine costs. Instructions are counted by callgrind, which
// repeats to a fraction of a per cent; each limit lies between what the base needs and what ours
// does.

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bench/callgrind.h"
#include "bench/life.h"
#include "harness/guest_code/tiny_kernel.h"
#include "harness/host/memory_map.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

/// One start of a machine with the devices of a pod, up to `quit`, under callgrind.
class StartCost : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Lives::HasValgrind() || IsSanitized()) return;
    TempDir dir;
    QemuOptions options;
    options.binary = "/usr/bin/valgrind";
    options.first_args = {"--tool=callgrind", "-q",
                          "--callgrind-out-file=" + (dir / "profile").string(), QemuBinary()};
    options.args = {"-machine",
                    "q35,accel=tcg,nvdimm=on",
                    "-cpu",
                    "max",
                    "-m",
                    "256M,slots=10,maxmem=4G",
                    "-smp",
                    "2",
                    "-nodefaults",
                    "-nographic",
                    "-S",
                    "-device",
                    "pci-bridge,id=bridge,chassis_nr=1,addr=2,shpc=off",
                    "-device",
                    "virtio-serial-pci",
                    "-device",
                    "virtio-scsi-pci",
                    "-device",
                    "virtio-rng-pci",
                    "-device",
                    "virtio-net-pci",
                    "-object",
                    "memory-backend-ram,id=m,size=16M",
                    "-device",
                    "nvdimm,memdev=m"};
    Qemu qemu(std::move(options));
    qemu.qmp().Execute("quit");
    if (!qemu.process().Wait(Milliseconds(60000))) throw std::runtime_error(qemu.Report());
    profile_ = ParseCallgrind(ReadFile(dir / "profile"));
  }
  static void TearDownTestSuite() { profile_.reset(); }
  void SetUp() override {
    if (!profile_) GTEST_SKIP() << "valgrind is missing, or the build has sanitizers";
  }

  /// Millions of instructions in `function` and what it calls; none when it was never called.
  static double Millions(const std::string& function) {
    const auto& all = profile_->functions;
    const auto found = std::ranges::find(all, function, &CallgrindFunction::name);
    return found == all.end() ? 0 : static_cast<double>(found->inclusive) / 1e6;
  }

  static std::optional<CallgrindProfile> profile_;
};
std::optional<CallgrindProfile> StartCost::profile_;

TEST_F(StartCost, ClassesThatAreNotUsedAreNotInitialized) {
  EXPECT_LT(Millions("object_class_get_list"), 3.0);
}

TEST_F(StartCost, TopologyIsMadeForWhatAnAddressSpaceShows) {
  EXPECT_LT(Millions("memory_region_transaction_commit"), 6.0);
}

TEST_F(StartCost, PropertiesOfAnArrayAreNotSearchedFromTheFirst) {
  EXPECT_LT(Millions("qdev_connect_gpio_out_named"), 1.5);
}

TEST_F(StartCost, ObjectsOfATypeAreFoundWithoutLookingAtAllOthers) {
  EXPECT_LT(Millions("object_resolve_path_type"), 2.0);
}

TEST_F(StartCost, ClassPropertiesAreSearchedWhereThereAreSome) {
  EXPECT_LT(Millions("object_class_property_find"), 3.0);
}

TEST_F(StartCost, ConstantNamesOfAcpiAreNotFormatted) { EXPECT_LT(Millions("aml_name"), 1.3); }

TEST_F(StartCost, TermsOfAcpiAreAppendedWithoutACopy) { EXPECT_LT(Millions("aml_append"), 3.2); }

TEST_F(StartCost, ChildPropertiesHaveATypeThatIsNotFormatted) {
  EXPECT_LT(Millions("object_property_try_add_child"), 1.9);
}

TEST_F(StartCost, CpuModelsThatAreNotUsedAreNotInitialized) {
  EXPECT_LT(Millions("type_initialize_interface"), 1.2);
}

TEST_F(StartCost, BusesWithoutASelectorAreNotLookedFor) {
  EXPECT_LT(Millions("acpi_pcihp_reset"), 0.3);
}

TEST_F(StartCost, ACpuThatHasNotRunHasNoJumpCache) {
  EXPECT_LT(Millions("tcg_flush_jmp_cache"), 0.01);
}

/// A kernel of `size` bytes: the tiny one and a pattern.
void WriteKernel(const std::filesystem::path& path, size_t size) {
  WriteTinyBzImage(path);
  std::string image = ReadFile(path);
  for (uint32_t word = 0; image.size() < size; ++word)
    image.append(reinterpret_cast<const char*>(&word), sizeof(word));
  WriteFile(path, image);
}

class KernelImage : public testing::Test {
 protected:
  /// A machine that is about to run the kernel of that size.
  void Start(size_t size) {
    WriteKernel(dir / "kernel", size);
    Start();
  }
  /// One that is about to run `dir`/kernel.
  void Start() {
    qemu.reset();
    QemuOptions options;
    options.args = {"-accel",      "tcg",        "-machine", "q35",     "-m",          "256M",
                    "-nodefaults", "-nographic", "-S",       "-kernel", dir / "kernel"};
    qemu.emplace(std::move(options));
    qemu->qmp();
  }
  /// Bytes that only this process has, and that no file has.
  uint64_t Own() {
    uint64_t bytes = 0;
    for (const Mapping& mapping : ReadMappings(qemu->process().pid()))
      bytes += mapping.private_dirty;
    return bytes;
  }

  TempDir dir;
  std::optional<Qemu> qemu;
};

TEST_F(KernelImage, IsNoMemoryOfEachMachine) {
  Start(1 << 20);
  const uint64_t small = Own();
  Start(33 << 20);
  EXPECT_LT(Own(), small + (8 << 20)) << "for 32 MiB more of kernel";
}

TEST_F(KernelImage, ArrivesInTheGuest) {
  constexpr size_t kSize = 5 << 20, kSetUp = 2 * 512;
  constexpr uint64_t kLoad = 0x100000;
  Start(kSize + 3);  // which no page ends with
  qemu->qmp().Execute("cont");
  ASSERT_TRUE(WaitTinyKernel(qemu->qmp(), dir / "scratch"));
  const std::string file = ReadFile(dir / "kernel").substr(kSetUp);
  EXPECT_EQ(ReadGuestMemory(qemu->qmp(), kLoad, file.size(), dir / "scratch"), file);
}

// The tables have 128 KiB, and room for 2 MiB.
TEST_F(KernelImage, AsksForNoHugePageForAcpiTables) {
  Start(1 << 20);
  int small = 0;
  for (const Mapping& mapping : ReadMappings(qemu->process().pid())) {
    if (!mapping.name.empty() || mapping.size() != 2 << 20) continue;
    EXPECT_FALSE(mapping.flags.contains("hg")) << mapping.ToString();
    small += mapping.flags.contains("nh");
  }
  EXPECT_EQ(small, 1);
}

TEST_F(KernelImage, TouchesNoMemoryThatAcpiTablesHaveToGrowInto) {
  Start(1 << 20);
  for (const Mapping& mapping : ReadMappings(qemu->process().pid())) {
    if (!mapping.name.empty() || mapping.size() != 2 << 20) continue;
    EXPECT_LT(mapping.resident, 512 << 10) << mapping.ToString();
  }
}

/// Private memory of a machine with that many virtio devices.
uint64_t MemoryWithDevices(int devices) {
  QemuOptions options;
  options.args = {"-accel", "tcg",         "-machine",   "q35", "-m",
                  "16M",    "-nodefaults", "-nographic", "-S"};
  for (int i = 0; i < devices; ++i)
    options.args.insert(options.args.end(), {"-device", "virtio-rng-pci"});
  Qemu qemu(std::move(options));
  qemu.qmp();
  uint64_t bytes = 0;
  for (const Mapping& mapping : ReadMappings(qemu.process().pid())) bytes += mapping.private_dirty;
  return bytes;
}

TEST_F(KernelImage, AVirtioDeviceTouchesTheQueuesThatItHas) {
  constexpr int kMore = 16;
  const uint64_t few = MemoryWithDevices(1);
  EXPECT_LT(MemoryWithDevices(1 + kMore), few + kMore * (130 << 10))
      << "for " << kMore << " devices";
}

/// An ELF kernel whose one segment, as the tiny one's, is followed by 16 MiB of a pattern.
void WriteElfKernel(const std::filesystem::path& path) {
  WriteTinyVmlinux(path);
  std::string image = ReadFile(path);
  Elf64_Ehdr header;
  std::memcpy(&header, image.data(), sizeof(header));
  Elf64_Phdr load;
  std::memcpy(&load, &image[header.e_phoff], sizeof(load));
  ASSERT_EQ(load.p_type, static_cast<Elf64_Word>(PT_LOAD));
  // A copy of the segment at the end of the file, with the pattern.
  std::string segment = image.substr(load.p_offset, load.p_filesz);
  for (uint32_t word = 0; segment.size() < 16 << 20; ++word)
    segment.append(reinterpret_cast<const char*>(&word), sizeof(word));
  image.resize((image.size() + 0xfff) & ~size_t{0xfff});
  load.p_offset = image.size();
  load.p_filesz = load.p_memsz = segment.size();
  std::memcpy(&image[header.e_phoff], &load, sizeof(load));
  WriteFile(path, image + segment);
}

TEST_F(KernelImage, PagesOfAnElfKernelAreGivenBack) {
  WriteElfKernel(dir / "kernel");
  Start();
  uint64_t resident = 0;
  for (const Mapping& mapping : ReadMappings(qemu->process().pid()))
    if (mapping.name == dir / "kernel") resident += mapping.resident;
  EXPECT_LT(resident, 1 << 20) << "of 16 MiB of kernel";
}

TEST_F(KernelImage, AnElfKernelArrivesAfterEachReset) {
  constexpr uint64_t kLoad = 0x100000;
  WriteElfKernel(dir / "kernel");
  const std::string file = ReadFile(dir / "kernel");
  const std::string segment = file.substr(file.size() - (16 << 20));
  Start();
  for (int reset = 0; reset < 3; ++reset) {
    EXPECT_EQ(ReadGuestMemory(qemu->qmp(), kLoad, segment.size(), dir / "scratch"), segment);
    qemu->qmp().Execute("system_reset");
  }
}

TEST(Libpmem, IsLoadedWhenABackEndIsOnPersistentMemory) {
  TempDir dir;
  WriteFile(dir / "memory", std::string(1 << 20, 'm'));
  QemuOptions options;
  options.args = {"-machine", "none", "-nodefaults", "-nographic"};
  Qemu qemu(std::move(options));
  const auto loaded = [&] {
    const std::vector<Mapping> all = ReadMappings(qemu.process().pid());
    return std::ranges::any_of(all, [](const Mapping& mapping) {
      return mapping.name.find("/libpmem.so") != std::string::npos;
    });
  };
  const auto add = [&](const char* id, bool pmem) {
    qemu.qmp().Execute("object-add", {{"qom-type", "memory-backend-file"},
                                      {"id", id},
                                      {"size", 1 << 20},
                                      {"share", true},
                                      {"pmem", pmem},
                                      {"mem-path", (dir / "memory").string()}});
  };
  EXPECT_FALSE(loaded()) << "at the start";
  add("ordinary", false);
  EXPECT_FALSE(loaded()) << "for pmem=off";
  add("persistent", true);
  EXPECT_TRUE(loaded()) << "for pmem=on";
}

/// All types that a part of the schema names: builtin ones too, and "[T]" for a list of T.
void CollectTypes(const json& part, std::set<std::string>& types) {
  static const std::set<std::string> kOfTypes = {"arg-type", "ret-type", "element-type", "type"};
  for (const auto& [key, value] : part.items()) {
    if (value.is_structured()) CollectTypes(value, types);
    if (part.is_object() && kOfTypes.contains(key)) types.insert(value);
  }
}

TEST(Schema, IsWhole) {
  QemuOptions options;
  options.args = {"-machine", "none", "-nodefaults", "-nographic"};
  Qemu qemu(std::move(options));
  qemu.qmp().set_max_line(4 << 20);  // which no shim of a pod asks for
  std::set<std::string> commands, named, defined;
  for (const json& entry : qemu.qmp().Execute("query-qmp-schema")) {
    if (entry.at("meta-type") == "command") commands.insert(entry.at("name"));
    EXPECT_TRUE(defined.insert(entry.at("name")).second) << entry;
    CollectTypes(entry, named);
  }
  for (const json& command : qemu.qmp().Execute("query-commands"))
    EXPECT_EQ(commands.erase(command.at("name")), 1U) << command;
  EXPECT_EQ(commands, std::set<std::string>());
  EXPECT_GT(named.size(), 100U);
  for (const std::string& type : named) EXPECT_TRUE(defined.contains(type)) << type;
}

TEST(Schema, IsNoMemoryOfEachProcess) {
  if (IsSanitized()) GTEST_SKIP() << "the build has sanitizers";
  // A file that is not yet on the disk counts as memory of whoever maps it.
  const UniqueFd file(open(QemuBinary().c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file && fsync(file.get()) == 0);
  QemuOptions options;
  options.args = {"-machine", "none", "-nodefaults", "-nographic"};
  Qemu qemu(std::move(options));
  qemu.qmp();
  uint64_t own = 0;
  for (const Mapping& mapping : ReadMappings(qemu.process().pid()))
    if (mapping.name == std::filesystem::canonical(QemuBinary())) own += mapping.private_dirty;
  EXPECT_GT(own, 100U << 10) << "of the binary";
  EXPECT_LT(own, 800U << 10) << "of the binary";
}

}  // namespace
}  // namespace stx
