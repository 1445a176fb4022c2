// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

namespace stx {

std::optional<LoopDevice> LoopDevice::Make(const std::filesystem::path& file,
                                           std::string* why_not) {
  const auto fail = [&](const std::string& what) -> std::optional<LoopDevice> {
    *why_not = what + ": " + std::strerror(errno);
    return std::nullopt;
  };
  UniqueFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return fail("/dev/loop-control");
  UniqueFd backing(open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (!backing) return fail(file.string());
  // Another process may take the free device first.
  for (int tries = 0; tries < 16; ++tries) {
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail("LOOP_CTL_GET_FREE");
    LoopDevice loop;
    loop.path_ = "/dev/loop" + std::to_string(number);
    loop.device_.Reset(open(loop.path_.c_str(), O_RDWR | O_CLOEXEC));
    if (!loop.device_) return fail(loop.path_.string());
    if (ioctl(loop.device_.get(), LOOP_SET_FD, backing.get()) == 0) return loop;
    const int error = errno;
    loop.device_.Reset();
    errno = error;
    if (error != EBUSY) return fail("LOOP_SET_FD");
  }
  return fail("LOOP_SET_FD");
}

LoopDevice::~LoopDevice() {
  // If the device is in use, the kernel detaches it when the last user closes it.
  if (device_) ioctl(device_.get(), LOOP_CLR_FD, 0);
}

}  // namespace stx
