// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/protocol.h"

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace stx {

namespace {

constexpr size_t kHeader = 4;

std::string TooLong(size_t length) {
  return "a frame of " + std::to_string(length) + " bytes, over the limit of " +
         std::to_string(kMaxFrame);
}

}  // namespace

json MakeBytes(std::string_view bytes) {
  return json::binary(std::vector<uint8_t>(bytes.begin(), bytes.end()));
}

std::string GetBytes(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_binary()) throw std::runtime_error("a byte string was expected");
  const auto& bytes = value.get_binary();
  return {bytes.begin(), bytes.end()};
}

std::string EncodeFrame(const json& message) {
  std::string frame(kHeader, '\0');
  json::to_cbor(message, nlohmann::detail::output_adapter<char>(frame));
  size_t length = frame.size() - kHeader;
  if (length > kMaxFrame) throw std::length_error(TooLong(length));
  for (size_t i = 0; i < kHeader; i++) frame[i] = static_cast<char>(length >> (8 * i));
  return frame;
}

std::optional<json> FrameDecoder::Take() {
  if (buffer_.size() < kHeader) return std::nullopt;
  size_t length = 0;
  for (size_t i = 0; i < kHeader; i++)
    length |= static_cast<size_t>(static_cast<uint8_t>(buffer_[i])) << (8 * i);
  // Refuse it before the body arrives, so that garbage cannot make the reader wait for gigabytes.
  if (length > kMaxFrame) throw std::runtime_error(TooLong(length));
  if (buffer_.size() < kHeader + length) return std::nullopt;
  auto body = std::string_view(buffer_).substr(kHeader, length);
  json message = json::from_cbor(body.begin(), body.end(), true, false);
  if (message.is_discarded()) throw std::runtime_error("a frame that is not one CBOR item");
  if (!message.is_object()) throw std::runtime_error("a frame that is not a CBOR map");
  buffer_.erase(0, kHeader + length);
  return message;
}

}  // namespace stx
