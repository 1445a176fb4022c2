// SPDX-License-Identifier: GPL-2.0-or-later
// patches/tcg/tcg-code-written-meanwhile.patch: code that another CPU writes while TCG translates
// it is translated again; the translation of the old code does not stay.

#include <gtest/gtest.h>


#include "base/waiting.h"
#include "harness/guest_code/flat_guest.h"
#include "harness/host/threads.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

// VALUE of the function is aligned, so that it is written at once.
constexpr uint32_t kFunction = 0x104003, kNeighbour = 0x104f00;
constexpr Milliseconds kTimeout{60000};

struct Report {
  uint32_t begun, called, returned, written, done, in_time, stale;
};

// The second function of the page keeps the page one that has translations.
constexpr uint8_t kNeighbourCode[] = {
    0xc3,  // 00 ret
};
// When a round has begun, says so and calls the function, whose translation the writer has just
// ended. When the last value is written, calls it again: that value must come.
constexpr uint8_t kCaller[] = {
    0xbb, 0x03, 0x40, 0x10, 0x00,        // 00 mov ebx, 0x104003
    0xba, 0x00, 0x4f, 0x10, 0x00,        // 05 mov edx, 0x104f00
    0xbe, 0x01, 0x00, 0x00, 0x00,        // 0a mov esi, 1
    0x39, 0x35, 0x00, 0x20, 0x10, 0x00,  // 0f round: cmp [0x102000], esi   begun?
    0x75, 0xf8,                          // 15 jne round
    0xff, 0xd2,                          // 17 call edx
    0x89, 0x35, 0x04, 0x20, 0x10, 0x00,  // 19 mov [0x102004], esi   calls it
    0xff, 0xd3,                          // 1f call ebx
    0x89, 0x35, 0x08, 0x20, 0x10, 0x00,  // 21 mov [0x102008], esi   returned
    0x39, 0x35, 0x0c, 0x20, 0x10, 0x00,  // 27 wait: cmp [0x10200c], esi   written?
    0x75, 0xf8,                          // 2d jne wait
    0xff, 0xd3,                          // 2f call ebx
    0x39, 0xf0,                          // 31 cmp eax, esi
    0x74, 0x06,                          // 33 je good
    0xff, 0x05, 0x18, 0x20, 0x10, 0x00,  // 35 inc dword [0x102018]   stale
    0x89, 0x35, 0x10, 0x20, 0x10, 0x00,  // 3b good: mov [0x102010], esi   done
    0x46,                                // 41 inc esi
    0xeb, 0xcb,                          // 42 jmp round
};
// A round: writes a value; when the function is called, waits for a pseudo-random time, in which it
// is translated, and writes the last value. A write is in time when the call has not returned.
constexpr uint8_t kWriter[] = {
    0xbe, 0x01, 0x00, 0x00, 0x00,        // 00 mov esi, 1
    0x89, 0xf3,                          // 05 mov ebx, esi
    0x89, 0xf0,                          // 07 round: mov eax, esi
    0x0d, 0x00, 0x00, 0x00, 0x80,        // 09 or eax, 0x80000000
    0xa3, 0x04, 0x40, 0x10, 0x00,        // 0e mov [0x104004], eax   ends the function's translation
    0x89, 0x35, 0x00, 0x20, 0x10, 0x00,  // 13 mov [0x102000], esi   begun
    0x39, 0x35, 0x04, 0x20, 0x10, 0x00,  // 19 called: cmp [0x102004], esi   calls it?
    0x75, 0xf8,                          // 1f jne called
    0x69, 0xdb, 0x0d, 0x66, 0x19, 0x00,  // 21 imul ebx, ebx, 1664525
    0x81, 0xc3, 0x5f, 0xf3, 0x6e, 0x3c,  // 27 add ebx, 1013904223
    0x89, 0xd9,                          // 2d mov ecx, ebx
    0xc1, 0xe9, 0x14,                    // 2f shr ecx, 20
    0x81, 0xc1, 0xb8, 0x0b, 0x00, 0x00,  // 32 add ecx, 3000
    0x49,                                // 38 spin: dec ecx
    0x75, 0xfd,                          // 39 jne spin
    0x39, 0x35, 0x08, 0x20, 0x10, 0x00,  // 3b cmp [0x102008], esi   returned?
    0x74, 0x06,                          // 41 je late
    0xff, 0x05, 0x14, 0x20, 0x10, 0x00,  // 43 inc dword [0x102014]   in time
    0x89, 0x35, 0x04, 0x40, 0x10, 0x00,  // 49 late: mov [0x104004], esi
    0x89, 0x35, 0x0c, 0x20, 0x10, 0x00,  // 4f mov [0x10200c], esi   written
    0x39, 0x35, 0x10, 0x20, 0x10, 0x00,  // 55 wait: cmp [0x102010], esi   done?
    0x75, 0xf8,                          // 5b jne wait
    0x46,                                // 5d inc esi
    0xeb, 0xa7,                          // 5e jmp round
};

/// Returns VALUE, and takes long to translate: its first instruction is read long before the
/// translation is done.
std::string Function() {
  std::string code("\xb8\0\0\0\0", 5);  // mov eax, VALUE
  for (int i = 0; i < 128; ++i)
    code += std::string("\xff\x05\x20\x20\x10\0", 6);  // inc dword [0x102020]
  return code + "\xc3";                                // ret
}

TEST(TcgCodeWrittenMeanwhile, TheCodeThatWasWrittenLastIsWhatRuns) {
  if (!HasTcg(QemuBinary())) GTEST_SKIP() << "$QEMU is built without TCG";
  if (UsableCpus() < 2) GTEST_SKIP() << "needs two CPUs that this process may use";
  constexpr uint32_t kRounds = 50;  // without the patch, nearly all go wrong
  FlatGuest guest(2);
  guest.Put(FlatGuest::kFirstCpu, kCaller);
  guest.Put(FlatGuest::kSecondCpu, kWriter);
  guest.Put(kFunction, Function());
  guest.Put(kNeighbour, kNeighbourCode);
  Qemu qemu(guest.Options());
  qemu.qmp();  // throws when it does not start

  Report report{};
  const bool ended = HoldsBefore(Deadline(kTimeout), [&] {
    report = guest.Report<Report>();
    return report.in_time >= kRounds || report.stale;
  });
  EXPECT_TRUE(ended) << "the CPUs do not run side by side, or hang: " << report.done << " rounds, "
                     << report.in_time << " in time";
  EXPECT_EQ(report.stale, 0u) << "in " << report.in_time << " rounds";
}

}  // namespace
}  // namespace stx
