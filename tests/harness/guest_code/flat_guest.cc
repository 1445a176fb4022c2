// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/guest_code/flat_guest.h"

#include <stdexcept>

#include "base/load.h"
#include "harness/guest_code/firmware.h"

namespace stx {
namespace {

constexpr size_t kRam = 0x1000;  // what is copied to FlatGuest::kBegin
constexpr size_t kOthersField = 0x7e;
constexpr uint32_t kNoHandler = 0xf009a, kNoHandlerCount = FlatGuest::kReport + 0xffc;
constexpr int kVectors = 256;
constexpr size_t kRamSize = 4 << 20;
constexpr char kRamFile[] = "ram";

// Runs at F000:0000, on the first CPU from reset, on the second from its start-up IPI.
constexpr uint8_t kStart[] = {
    0xfa,                                            // 00 cli
    0xe4, 0x92,                                      // 01 in al, 0x92
    0x0c, 0x02,                                      // 03 or al, 2   A20 on
    0xe6, 0x92,                                      // 05 out 0x92, al
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0xbc, 0x00,        // 07 lgdtd cs:[0xbc]
    0x2e, 0x66, 0x0f, 0x01, 0x1e, 0xc2, 0x00,        // 0e lidtd cs:[0xc2]
    0x0f, 0x20, 0xc0,                                // 15 mov eax, cr0
    0x0c, 0x01,                                      // 18 or al, 1   protected mode
    0x0f, 0x22, 0xc0,                                // 1a mov cr0, eax
    0x66, 0xea, 0x25, 0x00, 0x0f, 0x00, 0x08, 0x00,  // 1d jmp 08:000f0025
    0x66, 0xb8, 0x10, 0x00,                          // 25 mov ax, 0x10
    0x8e, 0xd8,                                      // 29 mov ds, ax
    0x8e, 0xc0,                                      // 2b mov es, ax
    0x8e, 0xd0,                                      // 2d mov ss, ax
    0xb0, 0xff,                                      // 2f mov al, 0xff   mask the PICs
    0xe6, 0x21,                                      // 31 out 0x21, al
    0xe6, 0xa1,                                      // 33 out 0xa1, al
    0xb9, 0x1b, 0x00, 0x00, 0x00,                    // 35 mov ecx, 0x1b   APIC_BASE
    0x0f, 0x32,                                      // 3a rdmsr
    0xf6, 0xc4, 0x01,                                // 3c test ah, 1   BSP?
    0x74, 0x47,                                      // 3f je other
    0xbe, 0x00, 0x10, 0x0f, 0x00,                    // 41 mov esi, 0xf1000
    0xbf, 0x00, 0x00, 0x10, 0x00,                    // 46 mov edi, 0x100000
    0xb9, 0x00, 0x38, 0x00, 0x00,                    // 4b mov ecx, 0x3800
    0xf3, 0xa5,                                      // 50 rep movsd
    0xbc, 0x00, 0x00, 0x12, 0x00,                    // 52 mov esp, 0x120000
    0xbf, 0x00, 0x00, 0xe0, 0xfe,                    // 57 mov edi, 0xfee00000   the local APIC
    // its spurious vector register: enabled, vector 0xff
    0xc7, 0x87, 0xf0, 0x00, 0x00, 0x00, 0xff, 0x01, 0x00, 0x00,  // 5c mov [edi+0xf0], 0x1ff
    // ICR: start-up at f000:0000, to all others
    0xc7, 0x87, 0x00, 0x03, 0x00, 0x00, 0xf0, 0x46, 0x0c,
    0x00,                                            // 66 sipi: mov [edi+0x300], 0xc46f0
    0xb9, 0x00, 0x00, 0x10, 0x00,                    // 70 mov ecx, 0x100000
    0x49,                                            // 75 later: dec ecx
    0x75, 0xfd,                                      // 76 jne later
    0x80, 0x3d, 0xf8, 0x2f, 0x10, 0x00, 0x01,        // 78 cmp byte [0x102ff8], 1   OTHERS
    0x75, 0xe5,                                      // 7f jne sipi
    0xea, 0x00, 0x00, 0x10, 0x00, 0x08, 0x00,        // 81 jmp 0x08:0x100000
    0xbc, 0x00, 0x00, 0x13, 0x00,                    // 88 mov esp, 0x130000
    0xfe, 0x05, 0xf8, 0x2f, 0x10, 0x00,              // 8d inc byte [0x102ff8]
    0xea, 0x00, 0x10, 0x10, 0x00, 0x08, 0x00,        // 93 jmp 0x08:0x101000
    0xff, 0x05, 0xfc, 0x2f, 0x10, 0x00,              // 9a inc dword [0x102ffc]   no handler
    0xfa,                                            // a0 stop: cli
    0xf4,                                            // a1 hlt
    0xeb, 0xfc,                                      // a2 jmp stop
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // a4 GDT: null
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xcf, 0x00,  // ac 08: flat code
    0xff, 0xff, 0x00, 0x00, 0x00, 0x93, 0xcf, 0x00,  // b4 10: flat data
    0x17, 0x00,                                      // bc gdtr
    0xa4, 0x00, 0x0f, 0x00,                          // be .long 0xf00a4
    0xff, 0x07,                                      // c2 idtr
    0x00, 0x30, 0x10, 0x00,                          // c4 .long 0x103000
};

}  // namespace

FlatGuest::FlatGuest(uint8_t cpus)
    : cpus_(cpus), image_(Firmware({reinterpret_cast<const char*>(kStart), sizeof(kStart)})) {
  image_[kOthersField] = static_cast<char>(cpus - 1);
  for (int vector = 0; vector < kVectors; ++vector)
    SetHandler(static_cast<uint8_t>(vector), kNoHandler);
}

void FlatGuest::Put(uint32_t address, std::string_view bytes) {
  if (address < kBegin || address > kEnd || bytes.size() > kEnd - address)
    throw std::runtime_error("not the guest's RAM: " + std::to_string(address));
  image_.replace(kRam + address - kBegin, bytes.size(), bytes);
}

void FlatGuest::SetHandler(uint8_t vector, uint32_t handler) {
  const struct {
    uint16_t low, selector, type, high;
  } gate{static_cast<uint16_t>(handler), kCodeSelector, 0x8e00,
         static_cast<uint16_t>(handler >> 16)};
  Put(kIdt + vector * sizeof(gate), gate);
}

QemuOptions FlatGuest::Options() {
  WriteFile(dir_ / "firmware", image_);
  WriteFile(dir_ / kRamFile, std::string(kRamSize, '\0'));
  QemuOptions options;
  options.args = {
      "-machine",
      "q35,memory-backend=ram",
      "-object",
      "memory-backend-file,id=ram,share=on,size=4M,mem-path=" + (dir_ / kRamFile).string(),
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      "max",
      "-smp",
      std::to_string(cpus_),
      "-m",
      "4",
      "-nodefaults",
      "-display",
      "none",
      "-bios",
      (dir_ / "firmware").string()};
  return options;
}

std::string FlatGuest::ReportPage() const {
  const std::string page = ReadFile(dir_ / kRamFile).substr(kReport, kReportSize);
  if (LoadAt<uint32_t>(page, kNoHandlerCount - kReport, "the report") != 0)
    throw std::runtime_error("the guest got an interrupt or exception that has no handler");
  return page;
}

}  // namespace stx
