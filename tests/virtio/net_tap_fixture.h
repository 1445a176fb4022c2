// SPDX-License-Identifier: GPL-2.0-or-later
// A virtio-net on a tap, whose host end sends and receives frames with the headers of virtio-net,
// so that checksums and segmentation are offloaded in both directions.
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/waiting.h"
#include "harness/host/tap_host.h"
#include "virtio/net_fixture.h"

namespace stx {

class NetOnTap : public Net {
 protected:
  static constexpr uint16_t kPairs = 4;
  static constexpr int kCsum = 0, kGuestCsum = 1, kGuestOffloads = 2, kGuestTso4 = 7,
                       kHostTso4 = 11, kRss = 60, kRscExt = 61;
  static constexpr uint8_t kNeedsCsum = 1, kDataValid = 2, kRscInfo = 4;
  static constexpr uint8_t kGsoTcp4 = 1, kGsoTcp6 = 4;
  static constexpr Address kHost{0x52, 0x54, 0, 0, 9, 9};

  void SetUp() override {
    std::string why_not;
    tap = Tap::Make("tap0_offload", kPairs, &why_not);
    if (!tap) GTEST_SKIP() << why_not;
    RunInNamespace(*tap, [&] {
      host = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
      const int on = 1;
      sockaddr_ll address{};
      address.sll_family = AF_PACKET;
      address.sll_protocol = htons(ETH_P_ALL);
      address.sll_ifindex = static_cast<int>(if_nametoindex("tap0_offload"));
      if (!host || setsockopt(host.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0 ||
          bind(host.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        ThrowErrno("socket(AF_PACKET)");
    });
  }
  void StartOnTap(const std::string& options = "") {
    inherited.clear();
    std::string fds;
    for (const UniqueFd& fd : tap->fds()) {
      fds += (fds.empty() ? "" : ":") + std::to_string(4 + inherited.size());
      inherited.push_back(fd.get());
    }
    StartMachine({"-netdev", "tap,id=n,vhost=off,fds=" + fds, "-device",
                  "virtio-net-pci,id=nic,netdev=n,mac=52:54:00:00:00:01,disable-legacy=on,mq=on,"
                  "vectors=0,romfile=,addr=5" +
                      options});
    device.emplace(*bus, bus->At(5));
  }
  /// With all pairs that the card has if the driver negotiates them.
  void Prepare(uint64_t features) {
    const uint16_t pairs = features & virtio::Bit(kMultiqueue) ? kPairs : 1;
    control = 2 * pairs;
    Net::Prepare(features, pairs);
  }
  /// The driver begins, with `count` receive buffers in each queue.
  void Begin(int count = 64) {
    device->SetDriverOk();
    rooms.assign(control, {});
    for (uint16_t queue = 0; queue < control; queue += 2) {
      for (int i = 0; i < count; ++i) {
        const uint64_t at = heap->Allocate(kRoom);
        rooms[queue][queues[queue].Add({{at, kRoom, true}})] = at;
      }
      device->Notify(queue);
    }
  }
  void StartTapDriver(uint64_t features) {
    Prepare(features);
    Begin();
  }

  /// A header of 10 bytes (5.1.6).
  static std::string Header(uint8_t flags, uint8_t gso_type = 0, uint16_t header_length = 0,
                            uint16_t gso_size = 0, uint16_t csum_start = 0,
                            uint16_t csum_offset = 0) {
    return std::string{static_cast<char>(flags), static_cast<char>(gso_type)} +
           Short(header_length) + Short(gso_size) + Short(csum_start) + Short(csum_offset);
  }
  /// From the host to the guest.
  void SendFromHost(const std::string& frame, const std::string& header = std::string(10, '\0')) {
    const std::string bytes = header + frame;
    ASSERT_EQ(send(host.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()))
        << std::strerror(errno);
  }
  struct Delivered {
    uint16_t pair;
    std::string header, frame;
    uint8_t flags() const { return static_cast<uint8_t>(header[0]); }
    uint8_t gso() const { return static_cast<uint8_t>(header[1]); }
    /// The 16-bit field at this offset of the header.
    uint16_t Field(size_t at) const {
      uint16_t value;
      std::memcpy(&value, header.data() + at, 2);
      return value;
    }
  };
  /// The next frame that the guest receives from kHost, on any queue. The kernel sends some, too.
  Delivered Next(size_t header = 12) {
    for (const Deadline deadline(kWait);;) {
      for (uint16_t queue = 0; queue < control; queue += 2) {
        const auto used = queues[queue].Take();
        if (!used) continue;
        const auto bytes = qtest().MemRead(rooms[queue].at(used->head), used->written);
        Delivered got{static_cast<uint16_t>(queue / 2),
                      {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header)},
                      {bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end()}};
        const uint64_t at = rooms[queue][used->head];
        rooms[queue].erase(used->head);
        rooms[queue][queues[queue].Add({{at, kRoom, true}})] = at;
        device->Notify(queue);
        if (got.frame.substr(6, 6) == Raw(kHost)) return got;
      }
      if (deadline.Passed()) throw std::runtime_error("the guest gets no frame");
    }
  }
  /// Whether nothing comes although QEMU has read all that was sent: `marker`, sent last, does.
  void ExpectOnly(const std::string& marker) {
    SendFromHost(marker);
    EXPECT_TRUE(Next().frame == marker);
  }

  /// From the guest to the host, with this header.
  void SendFromGuest(const std::string& frame, const std::string& header, uint16_t pair = 0) {
    const std::string bytes = header + std::string(2, '\0') + frame;
    const uint64_t at = heap->Allocate(bytes.size());
    qtest().MemWrite(at, bytes.data(), bytes.size());
    const auto queue = static_cast<uint16_t>(2 * pair + 1);
    queues[queue].Add({{at, static_cast<uint32_t>(bytes.size()), false}});
    device->Notify(queue);
    queues[queue].Wait(Deadline(kWait));
  }
  /// The next frame of the guest, with its header of 10 bytes.
  Delivered NextAtHost() {
    for (const Deadline deadline(kWait);;) {
      if (!WaitFor(host.get(), POLLIN, deadline))
        throw std::runtime_error("the host gets no frame");
      std::string bytes(1 << 16, '\0');
      const ssize_t size = recv(host.get(), bytes.data(), bytes.size(), 0);
      if (size < 0) ThrowErrno("recv");
      bytes.resize(static_cast<size_t>(size));
      if (bytes.size() > 22 && bytes.substr(16, 6) == Raw(kOwn))
        return {0, bytes.substr(0, 10), bytes.substr(10)};
    }
  }

  static std::string Net16(size_t value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
  }
  static std::string Net32(uint64_t value) {
    return Net16(value >> 16 & 0xffff) + Net16(value & 0xffff);
  }
  /// The sum of RFC 1071, not complemented.
  static uint16_t Sum(const std::string& bytes) {
    uint32_t sum = 0;
    for (size_t i = 0; i < bytes.size(); ++i)
      sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[i]) << (i % 2 ? 0 : 8));
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
  }
  struct Flow {
    uint32_t from, to;
    uint16_t from_port, to_port;
  };
  static constexpr Flow kFlow{0x0a000001, 0x0a000002, 1000, 2000};
  static constexpr size_t kIp = 14, kTransport = kIp + 20;
  static constexpr uint8_t kTcp = 6, kUdp = 17;
  enum class Checksum { kWhole, kPartial, kWrong };
  /// IPv4 from the host to the guest; a partial checksum is the pseudo-header's.
  static std::string Ip(uint8_t protocol, const Flow& flow, const std::string& payload,
                        Checksum checksum = Checksum::kWhole, bool to_guest = true) {
    std::string transport = Net16(flow.from_port) + Net16(flow.to_port);
    const size_t length = payload.size() + (protocol == kUdp ? 8 : 20),
                 at = protocol == kUdp ? 6 : 16;
    if (protocol == kUdp)
      transport += Net16(length) + std::string(2, '\0');
    else
      transport += Net32(1) + Net32(1) + "\x50\x10" + Net16(0x100) + std::string(4, '\0');
    transport += payload;
    const std::string pseudo = Net32(flow.from) + Net32(flow.to) + Net16(protocol) + Net16(length);
    const uint16_t partial = Sum(pseudo);
    transport.replace(at, 2,
                      checksum == Checksum::kPartial ? Net16(partial)
                      : checksum == Checksum::kWrong ? Net16(0xdead)
                                                     : Net16(0xffff & ~Sum(pseudo + transport)));
    std::string ip = std::string("\x45\0", 2) + Net16(20 + length) + Net16(1) + Net16(0x4000) +
                     '\x40' + static_cast<char>(protocol) + std::string(2, '\0') +
                     Net32(flow.from) + Net32(flow.to);
    ip.replace(10, 2, Net16(0xffff & ~Sum(ip)));
    return (to_guest ? Raw(kOwn) + Raw(kHost) : Raw(kHost) + Raw(kOwn)) + Net16(0x0800) + ip +
           transport;
  }
  /// Whether the checksum of the IPv4 frame's TCP or UDP is right.
  static bool Valid(const std::string& frame) {
    const std::string transport = frame.substr(kTransport);
    const std::string pseudo =
        frame.substr(kIp + 12, 8) + '\0' + frame[kIp + 9] + Net16(transport.size());
    return Sum(pseudo + transport) == 0xffff;
  }

  std::optional<Tap> tap;
  UniqueFd host;
  static constexpr uint32_t kRoom = 4096;
  std::vector<std::map<uint16_t, uint64_t>> rooms;  ///< of each queue: head and buffer
};

}  // namespace stx
