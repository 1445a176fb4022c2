// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vhost_user/vhost_user_message.h"

#include <cstring>
#include <stdexcept>

namespace stx {
namespace {

/// The T at `offset` of the payload. vhost-user uses the host's byte order.
template <typename T>
T At(const VhostUserMessage& message, size_t offset) {
  if (message.payload.size() < offset + sizeof(T))
    throw std::runtime_error(ToString(message.request) + " of only " +
                             std::to_string(message.payload.size()) + " bytes");
  T value;
  std::memcpy(&value, message.payload.data() + offset, sizeof(T));
  return value;
}

}  // namespace

std::string ToString(VhostUserRequest request) {
  switch (request) {
    case VhostUserRequest::kGetFeatures:
      return "GET_FEATURES";
    case VhostUserRequest::kSetFeatures:
      return "SET_FEATURES";
    case VhostUserRequest::kSetOwner:
      return "SET_OWNER";
    case VhostUserRequest::kResetOwner:
      return "RESET_OWNER";
    case VhostUserRequest::kSetMemTable:
      return "SET_MEM_TABLE";
    case VhostUserRequest::kSetLogBase:
      return "SET_LOG_BASE";
    case VhostUserRequest::kSetLogFd:
      return "SET_LOG_FD";
    case VhostUserRequest::kSetVringNum:
      return "SET_VRING_NUM";
    case VhostUserRequest::kSetVringAddr:
      return "SET_VRING_ADDR";
    case VhostUserRequest::kSetVringBase:
      return "SET_VRING_BASE";
    case VhostUserRequest::kGetVringBase:
      return "GET_VRING_BASE";
    case VhostUserRequest::kSetVringKick:
      return "SET_VRING_KICK";
    case VhostUserRequest::kSetVringCall:
      return "SET_VRING_CALL";
    case VhostUserRequest::kSetVringErr:
      return "SET_VRING_ERR";
    case VhostUserRequest::kGetProtocolFeatures:
      return "GET_PROTOCOL_FEATURES";
    case VhostUserRequest::kSetProtocolFeatures:
      return "SET_PROTOCOL_FEATURES";
    case VhostUserRequest::kGetQueueNum:
      return "GET_QUEUE_NUM";
    case VhostUserRequest::kSetVringEnable:
      return "SET_VRING_ENABLE";
    case VhostUserRequest::kSendRarp:
      return "SEND_RARP";
    case VhostUserRequest::kNetSetMtu:
      return "NET_SET_MTU";
    case VhostUserRequest::kSetBackendReqFd:
      return "SET_BACKEND_REQ_FD";
    case VhostUserRequest::kGetConfig:
      return "GET_CONFIG";
    case VhostUserRequest::kSetConfig:
      return "SET_CONFIG";
    case VhostUserRequest::kGetInflightFd:
      return "GET_INFLIGHT_FD";
    case VhostUserRequest::kSetInflightFd:
      return "SET_INFLIGHT_FD";
    case VhostUserRequest::kResetDevice:
      return "RESET_DEVICE";
    case VhostUserRequest::kGetMaxMemSlots:
      return "GET_MAX_MEM_SLOTS";
    case VhostUserRequest::kAddMemReg:
      return "ADD_MEM_REG";
    case VhostUserRequest::kRemMemReg:
      return "REM_MEM_REG";
    case VhostUserRequest::kSetStatus:
      return "SET_STATUS";
    case VhostUserRequest::kGetStatus:
      return "GET_STATUS";
  }
  return "request " + std::to_string(static_cast<uint32_t>(request));
}

uint64_t VhostUserMessage::U64() const { return At<uint64_t>(*this, 0); }

VhostUserRingState VhostUserMessage::RingState() const {
  return {At<uint32_t>(*this, 0), At<uint32_t>(*this, 4)};
}

VhostUserRingAddresses VhostUserMessage::RingAddresses() const {
  return {At<uint32_t>(*this, 0),  At<uint32_t>(*this, 4),  At<uint64_t>(*this, 8),
          At<uint64_t>(*this, 16), At<uint64_t>(*this, 24), At<uint64_t>(*this, 32)};
}

std::vector<VhostUserRegion> VhostUserMessage::Regions() const {
  // A table starts with a count and padding (32 bits each), a single region with 64 bits of
  // padding.
  const uint32_t count = request == VhostUserRequest::kSetMemTable ? At<uint32_t>(*this, 0) : 1;
  std::vector<VhostUserRegion> regions;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t at = 8 + 32ULL * i;
    regions.push_back({At<uint64_t>(*this, at), At<uint64_t>(*this, at + 8),
                       At<uint64_t>(*this, at + 16), At<uint64_t>(*this, at + 24)});
  }
  return regions;
}

std::string VhostUserMessage::ToString() const {
  std::string text = std::to_string(connection) + " " + stx::ToString(request);
  switch (request) {
    case VhostUserRequest::kSetVringNum:
    case VhostUserRequest::kSetVringAddr:
    case VhostUserRequest::kSetVringBase:
    case VhostUserRequest::kGetVringBase:
    case VhostUserRequest::kSetVringEnable:
      return text + " ring " + std::to_string(RingState().index);
    default:
      return text;
  }
}

}  // namespace stx
