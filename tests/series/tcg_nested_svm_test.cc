// SPDX-License-Identifier: GPL-2.0-or-later
// patches/tcg/tcg-nested-svm.patch: under TCG, only a CPU's own CLGI and STGI change its global
// interrupt flag (GIF), whatever other CPUs load into their FPUs; and an interrupt that VMRUN
// injects is delivered once.

#include <gtest/gtest.h>

#include <cstddef>

#include "base/waiting.h"
#include "harness/guest_code/flat_guest.h"
#include "harness/guest_code/guest_code.h"
#include "harness/host/threads.h"
#include "harness/qemu/qemu.h"

DECLARE_GUEST_CODE(gif_rounds);
DECLARE_GUEST_CODE(gif_handler);
DECLARE_GUEST_CODE(loads_fpu);
DECLARE_GUEST_CODE(run_guest);
DECLARE_GUEST_CODE(guest_loop);
DECLARE_GUEST_CODE(injected_handler);

namespace stx {
namespace {

constexpr uint8_t kVector = 0x40;
constexpr uint32_t kHandler = 0x100800;
constexpr Milliseconds kTimeout{60000}, kStopTimeout{5000};

class TcgNestedSvm : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasTcg(QemuBinary())) GTEST_SKIP() << "$QEMU is built without TCG";
  }
};

// GIF.

struct GifReport {
  uint32_t rounds;  // in which the other CPU ran too
  uint32_t taken_with_gif_clear, not_taken_with_gif_set, taken, fpu_loads;
};

TEST_F(TcgNestedSvm, GifIsNotChangedByAnotherCpuThatLoadsItsFpu) {
  if (CountUsableCpus() < 2) GTEST_SKIP() << "needs two CPUs that this process may use";
  constexpr uint32_t kRounds = 10000;  // without the patch, at least one in ten fails
  FlatGuest guest(2);
  guest.Put(FlatGuest::kFirstCpu, GUEST_CODE(gif_rounds));
  guest.Put(FlatGuest::kSecondCpu, GUEST_CODE(loads_fpu));
  guest.Put(kHandler, GUEST_CODE(gif_handler));
  guest.SetHandler(kVector, kHandler);
  Qemu qemu(guest.MakeOptions());
  qemu.qmp();  // throws when it does not start

  GifReport report{};
  const bool ended = HoldsBefore(Deadline(kTimeout), [&] {
    report = guest.ReadReport<GifReport>();
    return report.rounds >= kRounds || report.taken_with_gif_clear || report.not_taken_with_gif_set;
  });
  EXPECT_TRUE(ended) << "the CPUs do not run side by side, or hang: " << report.rounds
                     << " rounds, " << report.fpu_loads << " FPU loads";
  EXPECT_EQ(report.taken_with_gif_clear, 0u) << "in " << report.rounds << " rounds";
  EXPECT_EQ(report.not_taken_with_gif_set, 0u) << "in " << report.rounds << " rounds";
}

// An injected interrupt.

constexpr uint32_t kVmcb = 0x104000, kGuestCode = 0x100400, kGuestStack = 0x140000;

struct InjectionReport {
  uint32_t delivered, counter;
};

// The fields of a VMCB that are used: AMD64 Architecture Programmer's Manual, volume 2, appendix B.
struct Segment {
  uint16_t selector, attributes;
  uint32_t limit;
  uint64_t base;
};
struct Vmcb {
  uint32_t intercepts[5];  // 000
  uint8_t unused_1[0x44];
  uint32_t asid;  // 058
  uint8_t unused_2[0x4c];
  uint64_t event_injection;  // 0a8
  uint8_t unused_3[0x350];
  Segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;  // 400
  uint8_t unused_4[0x30];
  uint64_t efer;  // 4d0
  uint8_t unused_5[0x70];
  uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;  // 548
  uint8_t unused_6[0x58];
  uint64_t rsp;  // 5d8
};
static_assert(offsetof(Vmcb, asid) == 0x58 && offsetof(Vmcb, event_injection) == 0xa8 &&
              offsetof(Vmcb, es) == 0x400 && offsetof(Vmcb, efer) == 0x4d0 &&
              offsetof(Vmcb, cr4) == 0x548 && offsetof(Vmcb, rsp) == 0x5d8);

/// The flat protected mode in which the host runs, with interrupts on and kVector injected.
Vmcb FlatVmcb() {
  const Segment code{FlatGuest::kCodeSelector, 0xc9b, 0xffffffff, 0};
  const Segment data{FlatGuest::kDataSelector, 0xc93, 0xffffffff, 0};
  Vmcb vmcb{};
  vmcb.intercepts[4] = 1;  // VMRUN, which is mandatory
  vmcb.asid = 1;
  vmcb.event_injection = 1u << 31 | kVector;  // valid, external interrupt
  vmcb.cs = code;
  vmcb.es = vmcb.ss = vmcb.ds = data;
  vmcb.gdtr = {0, 0, FlatGuest::kGdtLimit, FlatGuest::kGdt};
  vmcb.idtr = {0, 0, FlatGuest::kIdtLimit, FlatGuest::kIdt};
  vmcb.efer = 0x1000;  // SVME
  vmcb.cr0 = 0x11;     // PE, ET
  vmcb.dr6 = 0xffff0ff0;
  vmcb.dr7 = 0x400;
  vmcb.rflags = 0x202;  // IF
  vmcb.rip = kGuestCode;
  vmcb.rsp = kGuestStack;
  return vmcb;
}

TEST_F(TcgNestedSvm, AnInjectedInterruptIsDeliveredOnce) {
  FlatGuest guest(1);
  guest.Put(FlatGuest::kFirstCpu, GUEST_CODE(run_guest));
  guest.Put(kGuestCode, GUEST_CODE(guest_loop));
  guest.Put(kHandler, GUEST_CODE(injected_handler));
  guest.SetHandler(kVector, kHandler);
  guest.Put(kVmcb, FlatVmcb());
  Qemu qemu(guest.MakeOptions());
  qemu.qmp();

  /// Waits until the handler continues to count.
  const auto wait_counting = [&] {
    const uint32_t first = guest.ReadReport<InjectionReport>().counter;
    InjectionReport report{};
    WaitUntil("the interrupt's handler runs", Deadline(kTimeout), [&] {
      report = guest.ReadReport<InjectionReport>();
      return report.counter != first;
    });
    return report.delivered;
  };
  ASSERT_EQ(wait_counting(), 1u);
  // A CPU that is told to stop leaves its loop without an interrupt. A CPU that then delivers the
  // old interrupt again may miss the request.
  for (int i = 0; i < 10; ++i) {
    try {
      qemu.qmp().Execute("stop", nullptr, kStopTimeout);
    } catch (const std::runtime_error& error) {
      FAIL() << "the interrupt was delivered " << guest.ReadReport<InjectionReport>().delivered
             << " times, and the CPU did not stop: " << error.what();
    }
    qemu.qmp().Execute("cont");
    ASSERT_EQ(wait_counting(), 1u) << "after stop and cont";
  }
}

}  // namespace
}  // namespace stx
