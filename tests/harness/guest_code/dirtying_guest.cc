// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/guest_code/dirtying_guest.h"

#include <cstring>
#include <stdexcept>

#include "base/waiting.h"
#include "harness/guest_code/firmware.h"

namespace stx {
namespace {

constexpr size_t kEndField = 0x33;
constexpr uint32_t kMiB = 1 << 20;

// Runs at F000:0000. Offsets are on the left; jumps and the GDT depend on them.
constexpr uint8_t kCode[] = {
    0xfa,                                            // 00 cli
    0xe4, 0x92,                                      // 01 in al, 0x92
    0x0c, 0x02,                                      // 03 or al, 2         A20 on
    0xe6, 0x92,                                      // 05 out 0x92, al
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0x53, 0x00,        // 07 lgdt cs:[0x53]
    0x0f, 0x20, 0xc0,                                // 0e mov eax, cr0
    0x0c, 0x01,                                      // 11 or al, 1         protected mode
    0x0f, 0x22, 0xc0,                                // 13 mov cr0, eax
    0x66, 0xea, 0x1e, 0x00, 0x0f, 0x00, 0x08, 0x00,  // 16 jmp 08:000f001e
    0x66, 0xb8, 0x10, 0x00,                          // 1e mov ax, 0x10
    0x8e, 0xd8,                                      // 22 mov ds, ax
    0xbf, 0x00, 0x00, 0x10, 0x00,                    // 24 mov edi, 1 MiB   a round
    0xfe, 0x07,                                      // 29 inc byte [edi]   a page
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,              // 2b add edi, 4096
    0x81, 0xff, 0x00, 0x00, 0x00, 0x00,              // 31 cmp edi, END
    0x72, 0xf0,                                      // 37 jb 29
    0xeb, 0xe9,                                      // 39 jmp 24
    0,    0,    0,    0,    0,    0,    0,    0,     // 3b GDT: null
    0xff, 0xff, 0,    0,    0,    0x9a, 0xcf, 0,     // 43 08: flat code
    0xff, 0xff, 0,    0,    0,    0x92, 0xcf, 0,     // 4b 10: flat data
    0x17, 0x00, 0x3b, 0x00, 0x0f, 0x00,              // 53 GDT limit and address
};

}  // namespace

DirtyingGuest::DirtyingGuest(uint32_t end) : end_(end) {
  std::string image = Firmware({reinterpret_cast<const char*>(kCode), sizeof(kCode)});
  std::memcpy(image.data() + kEndField, &end, sizeof(end));
  WriteFile(dir_ / "firmware", image);
}

std::vector<std::string> DirtyingGuest::args() const {
  return {"-machine",
          "pc",
          "-m",
          std::to_string((end_ + kMiB - 1) / kMiB),
          "-nodefaults",
          "-display",
          "none",
          "-bios",
          (dir_ / "firmware").string()};
}

void DirtyingGuest::WaitRunning(Qmp& qmp) {
  const std::string look = "xp /1bx 0x100000";
  const std::string first = qmp.Hmp(look);
  WaitUntil("the guest writes", Deadline(Milliseconds(20000)),
            [&] { return qmp.Hmp(look) != first; });
}

}  // namespace stx
