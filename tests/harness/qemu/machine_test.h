// SPDX-License-Identifier: GPL-2.0-or-later
// The fixture of most device suites: a machine that the test drives by qtest, and whose RAM is
// mapped into the test. A failed case prints QEMU's messages.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"

namespace stx {

class MachineTest : public testing::Test {
 protected:
  static constexpr uint64_t kRam = 256 << 20;
  /// The start of `heap`. The test itself may use the memory from 1 MiB up to here.
  static constexpr uint64_t kHeap = 16 << 20;

  /// Ends an earlier machine, if there is one. `args` follow -machine MACHINE, -m and -nodefaults.
  void StartMachine(const std::vector<std::string>& args, const std::string& machine = "q35",
                    const std::string& memory = "256M") {
    qemu.reset();
    UniqueFd file(memfd_create("guest-ram", MFD_CLOEXEC));
    if (!file || ftruncate(file.get(), kRam) != 0) ThrowErrno("memfd_create");
    void* at = mmap(nullptr, kRam, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (at == MAP_FAILED) ThrowErrno("mmap of guest RAM");
    Unmap();
    ram = {static_cast<uint8_t*>(at), kRam};
    QemuOptions options;
    options.qtest = true;
    for (int fd : inherited) options.Inherit(fd);
    options.spawn.environment = environment;
    // The file has no name, so nothing can be left behind.
    const std::string path =
        "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file.get());
    options.args = {"-machine",   machine + ",memory-backend=ram",
                    "-object",    "memory-backend-file,id=ram,size=256M,share=on,mem-path=" + path,
                    "-m",         memory,
                    "-nodefaults"};
    options.args.insert(options.args.end(), args.begin(), args.end());
    qemu.emplace(std::move(options));
    qemu->qmp();
    qemu->qtest().MapRam(ram);
    bus.emplace(qemu->qtest());
    heap.emplace(kHeap, kRam - kHeap);
  }
  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report() << "\n";
  }
  ~MachineTest() override {
    qemu.reset();
    Unmap();
  }

  QTest& qtest() { return qemu->qtest(); }
  Qmp& qmp() { return qemu->qmp(); }
  /// Checks that QEMU still serves its monitor.
  void ExpectAlive() {
    EXPECT_NO_THROW(qmp().Execute("query-status")) << qemu->Report();
    EXPECT_TRUE(qemu->process().Running());
  }

  TempDir dir{"device"};
  std::vector<int> inherited;            ///< by the next machine, as 4, 5 and so on
  std::vector<std::string> environment;  ///< of the next machine in addition, NAME=value
  std::span<uint8_t> ram;                ///< guest RAM, starting at address 0
  std::optional<Qemu> qemu;
  std::optional<PciBus> bus;
  std::optional<GuestHeap> heap;

 private:
  void Unmap() {
    if (!ram.empty()) munmap(ram.data(), ram.size());
    ram = {};
  }
};

}  // namespace stx
