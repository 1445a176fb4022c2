// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/host_tsc.h"

#include <x86intrin.h>

#include "base/os.h"

namespace stx {

long MeasureHostTscKhz() {
  auto start = Clock::now();
  unsigned long long first = __rdtsc();
  Clock::time_point end;
  do {
    end = Clock::now();
  } while (end - start < Milliseconds(10));
  unsigned long long ticks = __rdtsc() - first;
  auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(end - start).count();
  return static_cast<long>(ticks * 1000 / static_cast<unsigned long long>(microseconds));
}

std::string MakeTcgClockParameter() {
  return "tsc_early_khz=" + std::to_string(MeasureHostTscKhz());
}

}  // namespace stx
