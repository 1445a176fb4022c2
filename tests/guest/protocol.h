// SPDX-License-Identifier: GPL-2.0-or-later
// The protocol between the host and guestd, over vsock or a virtio-serial port: the host sends a
// request, and the guest answers it, one at a time.
//
//   frame    = length body       length: u32, little-endian, bytes of body, at most kMaxFrame
//   body     = one CBOR item (RFC 8949), a map; file contents are CBOR byte strings
//   request  = {"op": NAME, "id": ANY, ...}
//   reply    = {"ok": true, "id": ANY, ...} or {"error": MESSAGE, "id": ANY}
//
// A reply carries the id of its request, because on a serial port a reply may arrive for which a
// previous host did not wait.
//
// guestd/ops.cc lists the operations and their fields.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace stx {

using json = nlohmann::json;

/// The maximum size of a body in bytes; a larger one ends the connection.
inline constexpr size_t kMaxFrame = 20u << 20;
/// The guest connects to this port of the host (CID 2), which is the port of Kata's agent.
inline constexpr unsigned kGuestPort = 1024;
/// The name of the virtio-serial port that guestd serves in a machine without vsock.
inline constexpr const char* kGuestSerialName = "stx.guestd";

/// `bytes` as a CBOR byte string.
json MakeBytes(std::string_view bytes);
/// The content of a CBOR byte string or text; throws if `value` is neither.
std::string GetBytes(const json& value);

/// One message as a frame. Throws std::length_error if its body exceeds kMaxFrame.
std::string EncodeFrame(const json& message);

/// Reassembles messages from a byte stream.
class FrameDecoder {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  /// The next complete message, or nothing yet. Throws std::runtime_error for a length over
  /// kMaxFrame and for a body that is not exactly one CBOR map; the stream is then unusable.
  std::optional<json> Take();
  bool empty() const { return buffer_.empty(); }

 private:
  std::string buffer_;
};

}  // namespace stx
