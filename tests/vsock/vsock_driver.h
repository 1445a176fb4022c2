// SPDX-License-Identifier: GPL-2.0-or-later
// A vsock driver in the test (virtio 1.2, section 5.10): packets through the device's queues.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/qemu/guest_heap.h"
#include "harness/virtio/virtio_device.h"
#include "harness/vsock/vsock_packet.h"

namespace stx {

struct VsockPacket {
  VsockHeader header;
  std::string payload;
};

class VsockDriver {
 public:
  static constexpr uint16_t kDeviceType = 19;
  static constexpr uint32_t kMaxReceive = 4096;  ///< payload bytes of a receive buffer, as in Linux

  /// Resets and starts the device with `features` and queues on `heap`, and gives it receive
  /// buffers.
  VsockDriver(VirtioDevice& device, GuestHeap& heap, uint64_t cid, uint64_t features = 0);

  /// Sends a packet and waits until the device has taken it. CIDs and `len` are filled in if they
  /// are 0.
  void Send(VsockHeader header, const std::string& payload = {});
  /// Makes the device take a chain with these parts, however malformed.
  void SendRaw(const std::vector<std::string>& parts);
  /// The same without waiting; only one at a time.
  void Post(const std::vector<std::string>& parts);
  /// The next packet; its buffer is given to the device again. Unset if none arrives in time.
  std::optional<VsockPacket> Receive(Milliseconds timeout = Milliseconds(5000));

  VirtioDevice& device() { return device_; }
  Virtqueue& rx() { return rx_; }
  Virtqueue& tx() { return tx_; }
  GuestHeap& heap() { return heap_; }

 private:
  void GiveBuffer(uint64_t address);

  VirtioDevice& device_;
  GuestHeap& heap_;
  const uint64_t cid_;
  const uint64_t agreed_;  // features; declared before the queues
  Virtqueue rx_, tx_, events_;
  const uint64_t send_buffer_;
  std::map<uint16_t, uint64_t> receive_buffers_;  // by head
};

}  // namespace stx
