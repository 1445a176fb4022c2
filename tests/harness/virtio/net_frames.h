// SPDX-License-Identifier: GPL-2.0-or-later
// Ethernet frames of a guest that speaks just enough IPv4 and IPv6 to talk to a Linux host
// (harness/host/tap_host.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace stx {

using Mac = std::array<uint8_t, 6>;

/// The guest's addresses are 10.0.0.2 and fd00::2.
inline constexpr Mac kGuestMac{0x02, 0, 0xca, 0xfe, 0, 1};
inline constexpr char kGuestMacText[] = "02:00:ca:fe:00:01";

/// "Who has 10.0.0.1?"
std::string MakeArpRequest();
/// The host's MAC address, if the frame answers that request.
std::optional<Mac> ParseArpAnswer(const std::string& frame);
/// "Who has fd00::1?" (RFC 4861), and the MAC address in the answer.
std::string MakeNeighbourSolicitation();
std::optional<Mac> ParseNeighbourAdvertisement(const std::string& frame);

/// A datagram from the guest's `port` to the host's.
std::string MakeUdpFrame(const Mac& host, uint16_t port, uint16_t host_port,
                         const std::string& payload);
/// The payload, if the frame is UDP to the guest's `port`.
std::optional<std::string> ParseUdpPayload(const std::string& frame, uint16_t port);
/// An ICMPv6 echo request, and the payload of the reply.
std::string MakePing6(const Mac& host, const std::string& payload);
std::optional<std::string> ParsePong6(const std::string& frame);

}  // namespace stx
