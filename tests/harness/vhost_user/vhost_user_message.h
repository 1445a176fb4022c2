// SPDX-License-Identifier: GPL-2.0-or-later
// One message from a vhost-user front-end (docs/interop/vhost-user.rst of the base, "Message
// Specification") as it arrived on the socket, with its fields decoded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stx {

/// The requests of the front-end that our tests name, with the numbers of the protocol.
enum class VhostUserRequest : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetLogBase = 6,
  kSetLogFd = 7,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kSendRarp = 19,
  kNetSetMtu = 20,
  kSetBackendReqFd = 21,
  kGetConfig = 24,
  kSetConfig = 25,
  kGetInflightFd = 31,
  kSetInflightFd = 32,
  kResetDevice = 34,
  kGetMaxMemSlots = 36,
  kAddMemReg = 37,
  kRemMemReg = 38,
  kSetStatus = 39,
  kGetStatus = 40,
};

/// "SET_MEM_TABLE"; a number for requests that have no name here.
std::string ToString(VhostUserRequest request);

/// "Memory region description"; all values are in bytes.
struct VhostUserRegion {
  uint64_t guest_address;
  uint64_t size;
  uint64_t user_address;
  uint64_t mmap_offset;
  bool operator==(const VhostUserRegion&) const = default;
  /// Whether [address, address + length), in the front-end's addresses, lies within the region.
  bool HoldsUser(uint64_t address, uint64_t length) const {
    return address >= user_address && address - user_address <= size &&
           length <= size - (address - user_address);
  }
};

/// "A vring address description". The addresses are the front-end's, except `log`, which is
/// guest-physical.
struct VhostUserRingAddresses {
  uint32_t index;
  uint32_t flags;  ///< bit 0: VHOST_VRING_F_LOG
  uint64_t descriptors;
  uint64_t used;
  uint64_t available;
  uint64_t log;
  bool operator==(const VhostUserRingAddresses&) const = default;
};

/// "A vring state description".
struct VhostUserRingState {
  uint32_t index;
  uint32_t value;
};

struct VhostUserMessage {
  static constexpr uint32_t kNeedReply = 8;

  VhostUserRequest request;
  uint32_t flags;
  std::string payload;
  int descriptors;  ///< the number of descriptors that came with it
  int connection;   ///< counted from 1

  bool needs_reply() const { return flags & kNeedReply; }
  // Each of these throws if the size of the payload does not fit.
  uint64_t U64() const;
  VhostUserRingState RingState() const;
  VhostUserRingAddresses RingAddresses() const;
  /// The regions of SET_MEM_TABLE, or the one region of ADD_MEM_REG and REM_MEM_REG.
  std::vector<VhostUserRegion> Regions() const;
  /// For the message of a failed case: "2 SET_VRING_ADDR ring 1".
  std::string ToString() const;
};

}  // namespace stx
