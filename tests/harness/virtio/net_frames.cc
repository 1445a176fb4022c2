// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/net_frames.h"

#include <algorithm>
#include <cstring>

namespace stx {
namespace {

constexpr uint8_t kUdp = 17, kIcmp6 = 58;
constexpr uint8_t kSolicitation = 135, kAdvertisement = 136, kEchoRequest = 128, kEchoReply = 129;
const std::string kGuest4("\x0a\0\0\x02", 4), kHost4("\x0a\0\0\x01", 4);
const std::string kGuest6("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", 16),
    kHost6("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16),
    kSolicited("\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff\0\0\x01", 16);

std::string Text(const Mac& mac) { return {mac.begin(), mac.end()}; }
std::string Be16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
uint16_t U16(const std::string& bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes.at(at)) << 8 |
                               static_cast<uint8_t>(bytes.at(at + 1)));
}

/// RFC 1071.
std::string ComputeChecksum(std::string bytes) {
  if (bytes.size() % 2) bytes += '\0';
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) sum += U16(bytes, i);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return Be16(~sum & 0xffff);
}

std::string MakeEthernet(const Mac& to, uint16_t type, const std::string& payload) {
  std::string frame = Text(to) + Text(kGuestMac) + Be16(type) + payload;
  frame.resize(std::max<size_t>(frame.size(), 60));
  return frame;
}

std::string MakeIcmp6(const Mac& to, const std::string& to_ip, uint8_t type,
                      const std::string& body) {
  std::string message = std::string{static_cast<char>(type), 0, 0, 0} + body;
  const std::string pseudo =
      kGuest6 + to_ip + std::string(2, '\0') + Be16(message.size()) + std::string("\0\0\0\x3a", 4);
  message.replace(2, 2, ComputeChecksum(pseudo + message));
  return MakeEthernet(to, 0x86dd,
                      std::string("\x60\0\0\0", 4) + Be16(message.size()) +
                          std::string{static_cast<char>(kIcmp6), '\xff'} + kGuest6 + to_ip +
                          message);
}

/// The ICMPv6 message of that type, if it is addressed to the guest.
std::optional<std::string> ParseIcmp6(const std::string& frame, uint8_t type) {
  if (frame.size() < 62 || U16(frame, 12) != 0x86dd || frame[20] != kIcmp6 ||
      static_cast<uint8_t>(frame[54]) != type || frame.compare(38, 16, kGuest6) != 0)
    return std::nullopt;
  return frame.substr(54, U16(frame, 18));
}

Mac ReadMac(const std::string& frame, size_t at) {
  Mac mac;
  std::memcpy(mac.data(), frame.data() + at, mac.size());
  return mac;
}

}  // namespace

std::string MakeArpRequest() {
  return MakeEthernet({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x0806,
                      std::string("\0\x01\x08\0\x06\x04\0\x01", 8) + Text(kGuestMac) + kGuest4 +
                          std::string(6, '\0') + kHost4);
}

std::optional<Mac> ParseArpAnswer(const std::string& frame) {
  if (frame.size() < 42 || U16(frame, 12) != 0x0806 || U16(frame, 20) != 2) return std::nullopt;
  if (frame.compare(28, 4, kHost4) != 0) return std::nullopt;
  return ReadMac(frame, 22);
}

std::string MakeNeighbourSolicitation() {
  return MakeIcmp6({0x33, 0x33, 0xff, 0, 0, 1}, kSolicited, kSolicitation,
                   std::string(4, '\0') + kHost6 + "\x01\x01" + Text(kGuestMac));
}

std::optional<Mac> ParseNeighbourAdvertisement(const std::string& frame) {
  const auto message = ParseIcmp6(frame, kAdvertisement);
  if (!message || message->size() < 32 || message->compare(8, 16, kHost6) != 0) return std::nullopt;
  return ReadMac(*message, 26);
}

std::string MakeUdpFrame(const Mac& host, uint16_t port, uint16_t host_port,
                         const std::string& payload) {
  // No checksum; IPv4 allows zero.
  const std::string udp =
      Be16(port) + Be16(host_port) + Be16(8 + payload.size()) + std::string(2, '\0') + payload;
  std::string ip = std::string("\x45\0", 2) + Be16(20 + udp.size()) +
                   std::string("\0\0\0\0\x40", 5) + static_cast<char>(kUdp) + std::string(2, '\0') +
                   kGuest4 + kHost4;
  ip.replace(10, 2, ComputeChecksum(ip));
  return MakeEthernet(host, 0x0800, ip + udp);
}

std::optional<std::string> ParseUdpPayload(const std::string& frame, uint16_t port) {
  if (frame.size() < 42 || U16(frame, 12) != 0x0800 || frame[23] != kUdp || U16(frame, 36) != port)
    return std::nullopt;
  return frame.substr(42, U16(frame, 38) - 8u);
}

std::string MakePing6(const Mac& host, const std::string& payload) {
  return MakeIcmp6(host, kHost6, kEchoRequest, std::string("\x12\x34\0\x01", 4) + payload);
}

std::optional<std::string> ParsePong6(const std::string& frame) {
  const auto message = ParseIcmp6(frame, kEchoReply);
  if (!message) return std::nullopt;
  return message->substr(8);
}

}  // namespace stx
