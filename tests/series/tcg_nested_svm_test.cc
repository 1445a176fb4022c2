// SPDX-License-Identifier: GPL-2.0-or-later
// patches/tcg/tcg-nested-svm.patch: under TCG, a CPU's global interrupt flag (GIF) is what its own
// CLGI and STGI made it, whatever other CPUs load into their FPUs; and an interrupt that VMRUN
// injects is delivered once.

#include <gtest/gtest.h>

#include <cstddef>

#include "base/waiting.h"
#include "harness/guest_code/flat_guest.h"
#include "harness/host/threads.h"
#include "harness/qemu/qemu.h"

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

// Sends itself an interrupt while GIF is clear, and takes it after STGI, round and round.
constexpr uint8_t kGifRounds[] = {
    0xb9, 0x80, 0x00, 0x00, 0xc0,                                // 00 mov ecx, 0xc0000080   EFER
    0x0f, 0x32,                                                  // 05 rdmsr
    0x0d, 0x00, 0x10, 0x00, 0x00,                                // 07 or eax, 0x1000   SVME
    0x0f, 0x30,                                                  // 0c wrmsr
    0xfb,                                                        // 0e sti
    0xc7, 0x05, 0x0c, 0x20, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00,  // 0f next: mov [0x10200c], 0
    0x8b, 0x1d, 0x10, 0x20, 0x10, 0x00,                          // 19 mov ebx, [0x102010]
    0x0f, 0x01, 0xdd,                                            // 1f clgi
    // ICR: vector 0x40, self
    0xc7, 0x87, 0x00, 0x03, 0x00, 0x00, 0x40, 0x40, 0x04, 0x00,  // 22 mov [edi+0x300], 0x44040
    0xb9, 0x0a, 0x00, 0x00, 0x00,                                // 2c mov ecx, 10
    0x49,                                                        // 31 spin: dec ecx
    0x75, 0xfd,                                                  // 32 jne spin
    0xa1, 0x0c, 0x20, 0x10, 0x00,                                // 34 mov eax, [0x10200c]
    0x01, 0x05, 0x04, 0x20, 0x10, 0x00,        // 39 add [0x102004], eax   with GIF clear
    0x0f, 0x01, 0xdc,                          // 3f wait: stgi
    0xb9, 0xe8, 0x03, 0x00, 0x00,              // 42 mov ecx, 1000
    0x83, 0x3d, 0x0c, 0x20, 0x10, 0x00, 0x00,  // 47 poll: cmp dword [0x10200c], 0
    0x75, 0x0b,                                // 4e jne taken
    0x49,                                      // 50 dec ecx
    0x75, 0xf4,                                // 51 jne poll
    0xff, 0x05, 0x08, 0x20, 0x10, 0x00,        // 53 inc dword [0x102008]   lost
    0xeb, 0xe4,                                // 59 jmp wait
    0x3b, 0x1d, 0x10, 0x20, 0x10, 0x00,        // 5b taken: cmp ebx, [0x102010]
    0x74, 0xac,                                // 61 je next
    0xff, 0x05, 0x00, 0x20, 0x10, 0x00,  // 63 inc dword [0x102000]   the other CPU ran meanwhile
    0xeb, 0xa4,                          // 69 jmp next
};
constexpr uint8_t kGifHandler[] = {
    0xff, 0x05, 0x0c, 0x20, 0x10, 0x00,  // 00 inc dword [0x10200c]
    // end of interrupt
    0xc7, 0x87, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // 06 mov [edi+0xb0], 0
    0xcf,                                                        // 10 iret
};
// Counts in a cache line that the first CPU writes too: stores then wait in both CPUs, so that a
// change of the flags takes long enough to meet another.
constexpr uint8_t kLoadsFpu[] = {
    0xdb, 0xe3,                          // 00 fninit
    0xd9, 0x35, 0x00, 0x28, 0x10, 0x00,  // 02 fnstenv [0x102800]
    0xff, 0x05, 0x10, 0x20, 0x10, 0x00,  // 08 again: inc dword [0x102010]
    0xd9, 0x25, 0x00, 0x28, 0x10, 0x00,  // 0e fldenv [0x102800]
    0xeb, 0xf2,                          // 14 jmp again
};

TEST_F(TcgNestedSvm, GifIsNotChangedByAnotherCpuThatLoadsItsFpu) {
  if (UsableCpus() < 2) GTEST_SKIP() << "needs two CPUs that this process may use";
  constexpr uint32_t kRounds = 10000;  // without the patch, at least one in ten goes wrong
  FlatGuest guest(2);
  guest.Put(FlatGuest::kFirstCpu, kGifRounds);
  guest.Put(FlatGuest::kSecondCpu, kLoadsFpu);
  guest.Put(kHandler, kGifHandler);
  guest.SetHandler(kVector, kHandler);
  Qemu qemu(guest.Options());
  qemu.qmp();  // throws when it does not start

  GifReport report{};
  const bool ended = HoldsBefore(Deadline(kTimeout), [&] {
    report = guest.Report<GifReport>();
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

constexpr uint8_t kRunGuest[] = {
    0xb9, 0x80, 0x00, 0x00, 0xc0,  // 00 mov ecx, 0xc0000080   EFER
    0x0f, 0x32,                    // 05 rdmsr
    0x0d, 0x00, 0x10, 0x00, 0x00,  // 07 or eax, 0x1000   SVME
    0x0f, 0x30,                    // 0c wrmsr
    0xb9, 0x17, 0x01, 0x01, 0xc0,  // 0e mov ecx, 0xc0010117   VM_HSAVE_PA
    0x31, 0xd2,                    // 13 xor edx, edx
    0xb8, 0x00, 0x50, 0x10, 0x00,  // 15 mov eax, 0x105000
    0x0f, 0x30,                    // 1a wrmsr
    0xb8, 0x00, 0x40, 0x10, 0x00,  // 1c mov eax, 0x104000   VMCB
    0x0f, 0x01, 0xd8,              // 21 vmrun eax
    0x0f, 0x0b,                    // 24 ud2
};
constexpr uint8_t kGuestLoop[] = {
    0xeb, 0xfe,  // 00 jmp 00
};
constexpr uint8_t kInjectedHandler[] = {
    0xff, 0x05, 0x00, 0x20, 0x10, 0x00,  // 00 inc dword [0x102000]
    0xff, 0x05, 0x04, 0x20, 0x10, 0x00,  // 06 on: inc dword [0x102004]
    0xeb, 0xf8,                          // 0c jmp on
};

// What is used of a VMCB: AMD64 Architecture Programmer's Manual, volume 2, appendix B.
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

/// The flat protected mode that the host is in, with interrupts on, and kVector injected.
Vmcb FlatVmcb() {
  const Segment code{FlatGuest::kCodeSelector, 0xc9b, 0xffffffff, 0};
  const Segment data{FlatGuest::kDataSelector, 0xc93, 0xffffffff, 0};
  Vmcb vmcb{};
  vmcb.intercepts[4] = 1;  // VMRUN, which has to be
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
  guest.Put(FlatGuest::kFirstCpu, kRunGuest);
  guest.Put(kGuestCode, kGuestLoop);
  guest.Put(kHandler, kInjectedHandler);
  guest.SetHandler(kVector, kHandler);
  guest.Put(kVmcb, FlatVmcb());
  Qemu qemu(guest.Options());
  qemu.qmp();

  /// Waits until the handler counts on.
  const auto wait_counting = [&] {
    const uint32_t first = guest.Report<InjectionReport>().counter;
    InjectionReport report{};
    WaitUntil("the interrupt's handler runs", Deadline(kTimeout), [&] {
      report = guest.Report<InjectionReport>();
      return report.counter != first;
    });
    return report.delivered;
  };
  ASSERT_EQ(wait_counting(), 1u);
  // A CPU that is to stop leaves its loop without an interrupt. One that then delivers the old one
  // again may miss the stop.
  for (int i = 0; i < 10; ++i) {
    try {
      qemu.qmp().Execute("stop", nullptr, kStopTimeout);
    } catch (const std::runtime_error& error) {
      FAIL() << "the interrupt was delivered " << guest.Report<InjectionReport>().delivered
             << " times, and the CPU did not stop: " << error.what();
    }
    qemu.qmp().Execute("cont");
    ASSERT_EQ(wait_counting(), 1u) << "after stop and cont";
  }
}

}  // namespace
}  // namespace stx
