// SPDX-License-Identifier: GPL-2.0-or-later
// What the host and guestd say to each other, over vsock or a virtio-serial port: the host sends a
// request, the guest answers it, one at a time.
//
//   frame    = length body       length: u32, little-endian, bytes of body, at most kMaxFrame
//   body     = one CBOR item (RFC 8949), a map; file contents are CBOR byte strings
//   request  = {"op": NAME, "id": ANY, ...}
//   reply    = {"ok": true, "id": ANY, ...} or {"error": SENTENCE, "id": ANY}
//
// A reply carries its request's id: on a serial port one may come that a host before this one did
// not wait for.
//
// The operations and their fields are listed in guestd/ops.cc.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace stx {

using json = nlohmann::json;

/// Largest body, in bytes; a longer one ends the connection.
inline constexpr size_t kMaxFrame = 20u << 20;
/// The guest connects to this port of the host (CID 2), Kata's agent port.
inline constexpr unsigned kGuestPort = 1024;
/// Name of the virtio-serial port that guestd serves in a machine without vsock.
inline constexpr const char* kGuestSerialName = "stx.guestd";

/// `bytes` as a CBOR byte string.
json Bytes(std::string_view bytes);
/// The content of a CBOR byte string or text; throws when `value` is neither.
std::string BytesOf(const json& value);

/// One message as a frame; throws std::length_error when its body is over kMaxFrame.
std::string EncodeFrame(const json& message);

/// Puts a byte stream together to messages again.
class FrameDecoder {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole message, or nothing yet. Throws std::runtime_error for a length over kMaxFrame,
  /// a body that is not exactly one CBOR item, and one that is not a map: the stream is lost then.
  std::optional<json> Take();
  bool empty() const { return buffer_.empty(); }

 private:
  std::string buffer_;
};

}  // namespace stx
