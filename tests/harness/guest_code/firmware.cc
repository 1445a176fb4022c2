// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/guest_code/firmware.h"

namespace stx {

std::string MakeFirmware(std::string_view code) {
  constexpr size_t kSize = 0x10000, kResetVector = 0xfff0;
  std::string image(kSize, '\0');
  image.replace(0, code.size(), code);
  return image.replace(kResetVector, 5, std::string("\xea\0\0\0\xf0", 5));  // jmp F000:0000
}

}  // namespace stx
