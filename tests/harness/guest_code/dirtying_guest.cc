// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/guest_code/dirtying_guest.h"

#include <cstring>
#include <stdexcept>

#include "base/waiting.h"
#include "harness/guest_code/firmware.h"
#include "harness/guest_code/guest_code.h"

DECLARE_GUEST_CODE(dirtying);
extern "C" const char guest_dirtying_limit_end[];

namespace stx {
namespace {

constexpr uint32_t kMiB = 1 << 20;

}  // namespace

DirtyingGuest::DirtyingGuest(uint32_t end) : end_(end) {
  std::string image = MakeFirmware(GUEST_CODE(dirtying));
  std::memcpy(image.data() + (guest_dirtying_limit_end - guest_dirtying) - sizeof(end), &end,
              sizeof(end));
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
