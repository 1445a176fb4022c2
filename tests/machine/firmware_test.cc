// SPDX-License-Identifier: GPL-2.0-or-later
// Every machine type of the binary: its firmware starts a kernel and leaves the ACPI tables that a
// guest needs, also for hot-plug.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <sstream>

#include "base/load.h"
#include "harness/guest_code/tiny_kernel.h"
#include "harness/qemu/acpi_tables.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

/// The types of `qemu -machine help` that boot a kernel from x86 firmware.
std::vector<std::string> Machines() {
  std::vector<std::string> names;
  if (EnvOr("QEMU", "").empty()) return names;
  std::istringstream in(RunQemu({"-machine", "help"}).out);
  for (std::string line; std::getline(in, line);) {
    const std::string name = line.substr(0, line.find(' '));
    if (name == "q35" || name == "pc" || name == "microvm" || name.starts_with("pc-"))
      names.push_back(name);
  }
  return names;
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param == "pc" ? "pc-i440fx" : info.param;
  for (char& c : name)
    if (c == '-' || c == '.') c = '_';
  return name;
}

/// {7, 2} for "pc-q35-7.2". An alias is the newest version.
std::pair<int, int> Version(const std::string& machine) {
  int major = 999, minor = 0;
  const size_t at = machine.find_last_of('-');
  if (at != std::string::npos) std::sscanf(machine.c_str() + at, "-%d.%d", &major, &minor);
  return {major, minor};
}

class Firmware : public testing::TestWithParam<std::string> {
 protected:
  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report() << "\n";
  }

  bool microvm() const { return GetParam() == "microvm"; }
  bool q35() const { return GetParam().find("q35") != std::string::npos; }

  /// Leaves room for further CPUs and memory, and has a bridge for hot-plug.
  void Start() {
    WriteTinyBzImage(dir / "kernel");
    QemuOptions options;
    options.qtest = true;
    options.running = true;
    options.args = {"-machine",
                    GetParam(),
                    "-m",
                    "128M,slots=4,maxmem=2G",
                    "-nodefaults",
                    "-kernel",
                    dir / "kernel",
                    "-append",
                    "of " + GetParam(),
                    "-smp",
                    "2,sockets=4,cores=1,threads=1,maxcpus=4"};
    // Before 2.1, neither was possible: there was no memory hot-plug, and no room in the tables for
    // bridges.
    if (microvm() || Version(GetParam()) < std::pair(2, 1))
      options.args[3] = "128M";
    else
      options.args.insert(options.args.end(),
                          {"-device", "pci-bridge,id=bridge,chassis_nr=1,addr=2,shpc=off"});
    qemu.emplace(std::move(options));
    kernel = WaitTinyKernel(qemu->qmp(), dir / "scratch");
  }

  TempDir dir;
  std::optional<Qemu> qemu;
  std::optional<TinyKernelReport> kernel;
};

TEST_P(Firmware, StartsAKernelAndLeavesTheTables) {
  Covers({"4 machine-versions", "4 acpi"});
  if (microvm()) Covers({"4 microvm"});
  if (GetParam() == "q35") Covers({"4 machine-alias"});
  Start();
  ASSERT_TRUE(kernel) << "the kernel is not reached";
  EXPECT_EQ(kernel->command_line, "of " + GetParam());
  // The oldest types are deprecated and print that as a warning.
  EXPECT_TRUE(SplitStderr(qemu->process().Stderr()).errors.empty()) << qemu->process().Stderr();

  // Machines before 1.7 have SeaBIOS's own tables, which do not support hot-plugged CPUs and
  // memory. Memory hot-plug came with 2.1.
  if (!microvm() && Version(GetParam()) < std::pair(1, 7)) {
    MarkNotSeen({"4 acpi"});
    return;
  }
  AcpiTables tables(qemu->qtest());
  EXPECT_EQ(tables["FACP"].size(), 1u);
  // MADT: a processor's local APIC is type 0 with 8 bytes; bit 0 of its flags means enabled.
  const std::string& madt = tables.GetOnly("APIC");
  int enabled = 0, possible = 0;
  for (size_t at = 44; at + 2 <= madt.size() && madt[at + 1] > 0;
       at += static_cast<uint8_t>(madt[at + 1]))
    if (madt[at] == 0) {
      ++possible;
      enabled += madt.at(at + 4) & 1;
    }
  EXPECT_EQ(enabled, 2);
  EXPECT_EQ(possible, 4) << "CPUs to come have an entry that is off";
  EXPECT_EQ(tables["MCFG"].size(), q35() ? 1u : 0u);
  if (microvm()) return;
  EXPECT_EQ(tables["HPET"].size(), 1u);
  EXPECT_TRUE(tables.HasName("_E02")) << "no event handler for CPUs";
  EXPECT_TRUE(tables.HasName(Version(GetParam()) < std::pair(2, 7) ? "PRSC" : "CSCN"))
      << "no method that looks for CPUs";
  if (Version(GetParam()) >= std::pair(2, 1)) {
    EXPECT_TRUE(tables.HasName("_E03")) << "no event handler for memory";
    EXPECT_TRUE(tables.HasName("MSCN")) << "no method that looks for memory";
  }
  // On q35, ACPI handles hot-plug behind bridges since 6.1.
  if (!q35() || Version(GetParam()) >= std::pair(6, 1)) {
    EXPECT_TRUE(tables.HasName("_E01")) << "no event handler for PCI";
    EXPECT_TRUE(tables.HasName("BSEL")) << "no PCI bus that takes devices";
    EXPECT_TRUE(tables.HasName("PCEJ")) << "no method that ejects";
  } else {
    EXPECT_FALSE(tables.HasName("BSEL"));
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Firmware);
INSTANTIATE_TEST_SUITE_P(Machines, Firmware, testing::ValuesIn(Machines()), TestName);

TEST(Machines, OfTheContractAreThere) {
  Covers({"4 machine-alias", "4 microvm", "4 machine-versions"});
  const auto machines = Machines();
  for (const char* wanted : {"q35", "microvm", "pc-q35-6.1", "pc-q35-7.2"})
    EXPECT_NE(std::find(machines.begin(), machines.end(), wanted), machines.end()) << wanted;
  // A pod's binary has only q35. A host's binary has every type with which a guest may have been
  // started.
  if (EnvOr("PROFILE", "host") == "kata") return;
  for (const char* wanted : {"pc", "pc-i440fx-5.2", "pc-q35-5.2", "pc-i440fx-7.2"})
    EXPECT_NE(std::find(machines.begin(), machines.end(), wanted), machines.end()) << wanted;
}

// What a kernel learns about memory and CPUs on a machine with NUMA nodes. With -m maxmem=, the
// range for later memory is marked as hot-pluggable.
TEST(Acpi, TheRangeOfMemoryToComeIsMarked) {
  Covers({"4 acpi", "3 slots"});
  TempDir dir;
  WriteTinyBzImage(dir / "kernel");
  QemuOptions options;
  options.qtest = true;
  options.running = true;
  options.args = {"-machine",
                  "q35",
                  "-m",
                  "128M,slots=10,maxmem=4G",
                  "-nodefaults",
                  "-object",
                  "memory-backend-ram,id=dimm1,size=128M",
                  "-numa",
                  "node,memdev=dimm1",
                  "-kernel",
                  dir / "kernel"};
  Qemu qemu(std::move(options));
  ASSERT_TRUE(WaitTinyKernel(qemu.qmp(), dir / "scratch")) << qemu.Report();
  AcpiTables tables(qemu.qtest());
  // SRAT, type 1 with 40 bytes: base at 8, length at 16, flags at 28: enabled, hot-pluggable.
  const std::string& srat = tables.GetOnly("SRAT");
  uint64_t to_come = 0, now = 0;
  for (size_t at = 48; at + 2 <= srat.size() && srat[at + 1] > 0;
       at += static_cast<uint8_t>(srat[at + 1])) {
    if (srat[at] != 1) continue;
    const auto flags = LoadAt<uint32_t>(srat, at + 28, "SRAT");
    const auto length = LoadAt<uint64_t>(srat, at + 16, "SRAT");
    if (flags & 2)
      to_come += length;
    else if (flags & 1)
      now += length;
  }
  // Below 640 KiB and from 1 MiB; the hole in between belongs to no node.
  EXPECT_EQ(now, (128ULL << 20) - (384 << 10));
  EXPECT_GE(to_come, (4ULL << 30) - (128ULL << 20));
}

}  // namespace
}  // namespace stx
