// SPDX-License-Identifier: GPL-2.0-or-later
// patches/tcg/tcg-memory-map-of-a-vcpu.patch: while one vCPU changes the memory map, what another
// vCPU reads from a device's register must come from that register.

#include <gtest/gtest.h>

#include <thread>

#include "harness/guest_code/flat_guest.h"
#include "harness/guest_code/guest_code.h"
#include "harness/host/threads.h"
#include "harness/qemu/qemu.h"

DECLARE_GUEST_CODE(reads_a_register);
DECLARE_GUEST_CODE(changes_the_map);

namespace stx {
namespace {

constexpr Milliseconds kTimeout{60000};
constexpr uint32_t kChanges = 200;

struct Report {
  uint32_t reads;    ///< blocks of 64 reads
  uint32_t changes;  ///< changes
  uint32_t wrong;    ///< blocks in which a read returned another value
};

TEST(TcgMemoryMap, ADeviceIsReadWhileAnotherVcpuChangesTheMap) {
  if (!HasTcg(QemuBinary())) GTEST_SKIP() << "$QEMU is built without TCG";
  if (CountUsableCpus() < 2) GTEST_SKIP() << "needs two CPUs that this process may use";
  FlatGuest guest(2);
  guest.Put(FlatGuest::kFirstCpu, GUEST_CODE(reads_a_register));
  guest.Put(FlatGuest::kSecondCpu, GUEST_CODE(changes_the_map));
  Qemu qemu(guest.MakeOptions());
  qemu.qmp();  // throws when it does not start

  Report report{};
  for (Deadline deadline(kTimeout); report.changes < kChanges;) {
    ASSERT_FALSE(deadline.Passed())
        << report.changes << " changes, " << report.reads << " blocks of reads";
    ASSERT_TRUE(qemu.process().Running()) << qemu.Report();
    std::this_thread::sleep_for(Milliseconds(20));
    report = guest.ReadReport<Report>();
    ASSERT_EQ(report.wrong, 0u) << "of " << report.reads << " blocks of reads";
  }
}

}  // namespace
}  // namespace stx
