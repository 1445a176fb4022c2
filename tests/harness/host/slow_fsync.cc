// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/slow_fsync.h"

#include <algorithm>
#include <stdexcept>

#include "base/waiting.h"

namespace stx {

SlowFsync::SlowFsync() {
  if (EnvOr("SLOW_FSYNC", "").empty()) throw std::runtime_error("SLOW_FSYNC is not set");
  WriteFile(dir_ / "log", "");
  Release();
}

std::vector<std::string> SlowFsync::Environment() const {
  return {"LD_PRELOAD=" + EnvOr("SLOW_FSYNC", ""), "FSYNC_GATE=" + dir_.path().string(),
          // A sanitizer wants to be the first library otherwise.
          "ASAN_OPTIONS=" + EnvOr("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"};
}

void SlowFsync::Hold() { std::filesystem::remove(dir_ / "open"); }
void SlowFsync::Release() { WriteFile(dir_ / "open", ""); }
void SlowFsync::Fail() { WriteFile(dir_ / "fail", ""); }
void SlowFsync::Succeed() { std::filesystem::remove(dir_ / "fail"); }

void SlowFsync::WaitBegun(size_t calls) const {
  WaitUntil("call " + std::to_string(calls) + " of fsync", Deadline(Milliseconds(10000)),
            [&] { return Begun() >= calls; });
}

size_t SlowFsync::Count(char what) const {
  const std::string log = ReadFile(dir_ / "log");
  return static_cast<size_t>(std::count(log.begin(), log.end(), what));
}

}  // namespace stx
