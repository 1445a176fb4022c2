// SPDX-License-Identifier: GPL-2.0-or-later
// A virtio-net (virtio 1.2, section 5.1) and the other end of its wire. The wire carries frames
// without virtio-net headers, so nothing is offloaded.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/qemu/machine_test.h"
#include "harness/virtio/net_wire.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

class Net : public MachineTest {
 protected:
  static constexpr uint16_t kReceive = 0, kTransmit = 1, kControl = 2;
  static constexpr int kMtu = 3, kMacFeature = 5, kMergeable = 15, kStatus = 16, kCtrl = 17,
                       kCtrlRx = 18, kCtrlVlan = 19, kCtrlRxExtra = 20, kAnnounce = 21,
                       kMultiqueue = 22, kCtrlMac = 23, kHashReport = 57, kSpeedDuplex = 63;
  static constexpr uint16_t kLinkUp = 1, kMustAnnounce = 2;
  /// Classes and commands of the control queue (5.1.6.5).
  static constexpr uint8_t kRx = 0, kMac = 1, kVlan = 2, kAnnounceClass = 3, kMq = 4, kOffloads = 5;
  static constexpr uint8_t kPromiscuous = 0, kAllMulticast = 1, kAllUnicast = 2, kNoMulticast = 3,
                           kNoUnicast = 4, kNoBroadcast = 5;
  static constexpr uint8_t kAck = 0, kError = 1;
  static constexpr Milliseconds kWait{10000};
  static constexpr uint64_t Bits(std::initializer_list<int> features) {
    uint64_t bits = 0;
    for (int feature : features) bits |= virtio::Bit(feature);
    return bits;
  }
  using Address = std::array<uint8_t, 6>;
  static constexpr Address kOwn{0x52, 0x54, 0, 0, 0, 1}, kOther{0x52, 0x54, 0, 0, 0, 3},
      kListed{0x52, 0x54, 0, 0, 0, 2}, kListedToo{0x52, 0x54, 0, 0, 0, 0x12},
      kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, kGroup{1, 0, 0x5e, 0, 0, 2},
      kGroupToo{1, 0, 0x5e, 0, 0, 0x12}, kOtherGroup{1, 0, 0x5e, 0, 0, 3};
  static std::string Raw(const Address& address) { return {address.begin(), address.end()}; }
  static std::string Short(uint16_t value) { return {reinterpret_cast<char*>(&value), 2}; }
  static std::string Long(uint32_t value) { return {reinterpret_cast<char*>(&value), 4}; }
  /// An Ethernet frame; `tag` is that of IEEE 802.1Q.
  static std::string Frame(const Address& to, const std::string& payload, int tag = -1) {
    std::string frame = Raw(to) + Raw({0x52, 0x54, 0, 0, 9, 9});
    if (tag >= 0) frame += {'\x81', 0, static_cast<char>(tag >> 8), static_cast<char>(tag)};
    frame += "\x88\xb5" + payload;  // IEEE 802: local experimental
    if (frame.size() < 60) frame.resize(60);
    return frame;
  }

  void Start(const std::string& options = "") {
    StartMachine({"-netdev", wire.Netdev(), "-device",
                  "virtio-net-pci,id=nic,netdev=n,mac=52:54:00:00:00:01,disable-legacy=on,"
                  "romfile=,addr=5" +
                      options});
    device.emplace(*bus, bus->At(5));
  }
  /// Negotiates, and sets up the queues of so many pairs and the control queue, without buffers and
  /// DRIVER_OK.
  void Prepare(uint64_t features, uint16_t pairs = 1) {
    agreed = device->Negotiate(features);
    EXPECT_EQ(agreed & ~virtio::Bit(virtio::kFeatureVersion1), features) << "not offered";
    uint16_t count = 2 * pairs;
    if (features & virtio::Bit(kCtrl)) ++count;
    queues.clear();
    for (uint16_t i = 0; i < count; ++i) queues.push_back(device->SetUpQueue(i, *heap));
  }
  void StartDriver(uint64_t features) {
    Prepare(features);
    device->SetDriverOk();
    buffers.clear();
  }

  /// A receive buffer in pieces of these sizes.
  void Offer(const std::vector<uint32_t>& sizes) {
    std::vector<VirtqueueBuffer> chain;
    for (uint32_t size : sizes) {
      chain.push_back({heap->Allocate(size), size, true});
      qtest().MemSet(chain.back().address, size, 0xee);
    }
    buffers[queues[kReceive].Add(chain)] = chain;
    device->Notify(kReceive);
  }
  void OfferMany(int count, uint32_t size = 2048) {
    for (int i = 0; i < count; ++i) Offer({size});
  }
  std::string Content(uint16_t head, uint32_t written) {
    std::string bytes;
    for (const VirtqueueBuffer& buffer : buffers.at(head)) {
      const auto piece = qtest().MemRead(buffer.address, buffer.length);
      bytes.append(piece.begin(), piece.end());
    }
    buffers.erase(head);
    EXPECT_LE(written, bytes.size());
    return bytes.substr(0, written);
  }
  struct Received {
    std::string header, frame;
    std::vector<uint32_t> lengths;  // used of each buffer
  };
  Received Receive(size_t header = 12) {
    Received received;
    std::string bytes;
    uint16_t count = 1;
    for (uint16_t i = 0; i < count; ++i) {
      const DriverQueue::Used used = queues[kReceive].Wait(Deadline(kWait));
      received.lengths.push_back(used.written);
      bytes += Content(used.head, used.written);
      if (i == 0) {
        count = static_cast<uint16_t>(static_cast<uint8_t>(bytes.at(10)) |
                                      static_cast<uint8_t>(bytes.at(11)) << 8);
        if (count == 0 || count > 256) throw std::runtime_error("num_buffers is none");
      }
    }
    received.header = bytes.substr(0, header);
    received.frame = bytes.substr(header);
    return received;
  }
  /// Waits until the device has decided on all frames before: this one always passes.
  std::vector<std::string> ReceiveUntil(const std::string& last) {
    std::vector<std::string> frames;
    for (;;) {
      frames.push_back(Receive().frame);
      if (frames.back() == last) break;
    }
    frames.pop_back();
    return frames;
  }

  /// The frame goes out in buffers of these sizes, the header first; the rest in one more.
  void Transmit(const std::string& frame, const std::vector<uint32_t>& sizes = {}) {
    const std::string bytes = std::string(12, '\0') + frame;
    const uint64_t at = heap->Allocate(bytes.size());
    qtest().MemWrite(at, bytes.data(), bytes.size());
    std::vector<VirtqueueBuffer> chain;
    uint32_t done = 0;
    for (uint32_t size : sizes) {
      chain.push_back({at + done, size, false});
      done += size;
    }
    if (done < bytes.size())
      chain.push_back({at + done, static_cast<uint32_t>(bytes.size() - done), false});
    queues[kTransmit].Add(chain);
  }

  /// A command of the control queue; returns its acknowledgement.
  int Command(uint8_t of_class, uint8_t command, const std::string& data, uint32_t split = 0) {
    const std::string bytes =
        std::string{static_cast<char>(of_class), static_cast<char>(command)} + data;
    const uint64_t at = heap->Allocate(bytes.size()), ack = heap->Allocate(1);
    qtest().MemWrite(at, bytes.data(), bytes.size());
    qtest().WriteB(ack, 0xee);
    const auto size = static_cast<uint32_t>(bytes.size());
    std::vector<VirtqueueBuffer> chain;
    if (split) chain.push_back({at, split, false});
    chain.push_back({at + split, size - split, false});
    chain.push_back({ack, 1, true});
    queues[control].Add(chain);
    device->Notify(control);
    EXPECT_EQ(queues[control].Wait(Deadline(kWait)).written, 1u);
    return qtest().ReadB(ack);
  }
  int SetMode(uint8_t mode, bool on) { return Command(kRx, mode, std::string(1, on)); }
  uint16_t Status() { return device->ConfigW(6); }

  NetWire wire{dir};
  std::optional<VirtioPciDevice> device;
  uint64_t agreed = 0;
  std::vector<Virtqueue> queues;
  uint16_t control = kControl;  ///< the number of the control queue
  std::map<uint16_t, std::vector<VirtqueueBuffer>> buffers;
};

}  // namespace stx
