// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/console_driver.h"

namespace stx {
namespace {

constexpr uint16_t kToGuest = 0, kFromGuest = 1;
constexpr uint32_t kInBuffer = 64;

}  // namespace

ConsoleDriver::ConsoleDriver(PciBus& bus, uint8_t slot, GuestHeap& heap)
    : device_(bus, bus.At(slot)),
      to_guest_((device_.Negotiate(0), device_.SetUpQueue(kToGuest, heap))),
      from_guest_(device_.SetUpQueue(kFromGuest, heap)),
      out_(heap.Allocate(kLargest)),
      in_(heap.Allocate(kInBuffer)) {
  device_.SetDriverOk();
}

void ConsoleDriver::Print(const std::string& text) {
  device_.qtest().MemWrite(out_, text.data(), text.size());
  from_guest_.Add({{out_, static_cast<uint32_t>(text.size()), false}});
  device_.Notify(kFromGuest);
}

void ConsoleDriver::WaitPrinted() { from_guest_.Wait(Deadline(kWait)); }

std::string ConsoleDriver::Read(size_t size) {
  std::string text;
  while (text.size() < size) {
    to_guest_.Add({{in_, kInBuffer, true}});
    device_.Notify(kToGuest);
    const uint32_t written = to_guest_.Wait(Deadline(kWait)).written;
    const auto bytes = device_.qtest().MemRead(in_, written);
    text.append(bytes.begin(), bytes.end());
  }
  return text;
}

}  // namespace stx
