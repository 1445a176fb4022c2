// SPDX-License-Identifier: GPL-2.0-or-later
#include "vsock/vsock_driver.h"

#include <algorithm>
#include <stdexcept>

#include "base/waiting.h"

namespace stx {
namespace {

constexpr uint64_t kSendBuffer = 128 * 1024;
constexpr int kReceiveBuffers = 32;

}  // namespace

VsockDriver::VsockDriver(VirtioDevice& device, GuestHeap& heap, uint64_t cid, uint64_t features)
    : device_(device),
      heap_(heap),
      cid_(cid),
      agreed_(device.Negotiate(features)),
      rx_(device.SetUpQueue(0, heap)),
      tx_(device.SetUpQueue(1, heap)),
      events_(device.SetUpQueue(2, heap)),
      send_buffer_(heap.Allocate(kSendBuffer)) {
  device.SetDriverOk();
  for (int i = 0; i < kReceiveBuffers; ++i)
    GiveBuffer(heap.Allocate(sizeof(VsockHeader) + kMaxReceive));
  device.Notify(kVsockRxQueue);
}

void VsockDriver::GiveBuffer(uint64_t address) {
  // Header and payload are separate buffers, as in Linux.
  uint16_t head = rx_.Add(
      {{address, sizeof(VsockHeader), true}, {address + sizeof(VsockHeader), kMaxReceive, true}});
  receive_buffers_[head] = address;
}

void VsockDriver::Send(VsockHeader header, const std::string& payload) {
  if (header.src_cid == 0) header.src_cid = cid_;
  if (header.dst_cid == 0) header.dst_cid = kVsockHostCid;
  if (header.len == 0) header.len = static_cast<uint32_t>(payload.size());
  std::vector<std::string> parts{{reinterpret_cast<const char*>(&header), sizeof(header)}};
  if (!payload.empty()) parts.push_back(payload);
  SendRaw(parts);
}

void VsockDriver::SendRaw(const std::vector<std::string>& parts) {
  Post(parts);
  tx_.Wait(Deadline(Milliseconds(5000)));
}

void VsockDriver::Post(const std::vector<std::string>& parts) {
  std::vector<VirtqueueBuffer> chain;
  uint64_t at = send_buffer_;
  for (const std::string& part : parts) {
    if (at + part.size() > send_buffer_ + kSendBuffer) throw std::length_error("packet too large");
    device_.qtest().MemWrite(at, part.data(), part.size());
    chain.push_back({at, static_cast<uint32_t>(part.size()), false});
    at += part.size();
  }
  tx_.Add(chain);
  device_.Notify(kVsockTxQueue);
}

std::optional<VsockPacket> VsockDriver::Receive(Milliseconds timeout) {
  constexpr Milliseconds kPause{1};
  std::optional<Virtqueue::Used> used;
  if (!HoldsBefore(
          Deadline(timeout), [&] { return (used = rx_.Take()).has_value(); }, kPause))
    return std::nullopt;
  uint64_t address = receive_buffers_.at(used->head);
  receive_buffers_.erase(used->head);
  std::vector<uint8_t> bytes = device_.qtest().MemRead(address, used->written);
  VsockPacket packet;
  if (bytes.size() < sizeof(packet.header)) throw std::runtime_error("half a header was received");
  std::copy_n(bytes.begin(), sizeof(packet.header), reinterpret_cast<uint8_t*>(&packet.header));
  packet.payload.assign(bytes.begin() + sizeof(packet.header), bytes.end());
  if (packet.header.len != packet.payload.size())
    throw std::runtime_error("the header's length is not that of the packet");
  GiveBuffer(address);
  device_.Notify(kVsockRxQueue);
  return packet;
}

}  // namespace stx
