// SPDX-License-Identifier: GPL-2.0-or-later
// The packets of a virtio socket device (virtio 1.2 section 5.10.6).
#pragma once

#include <bit>
#include <cstdint>

namespace stx {

constexpr uint64_t kVsockHostCid = 2;
constexpr int kVsockRxQueue = 0, kVsockTxQueue = 1;  // from the driver's point of view

enum VsockType : uint16_t { kVsockStream = 1 };

enum VsockOp : uint16_t {
  kVsockRequest = 1,
  kVsockResponse = 2,
  kVsockRst = 3,
  kVsockShutdown = 4,
  kVsockRw = 5,
  kVsockCreditUpdate = 6,
  kVsockCreditRequest = 7,
};

/// Flags of kVsockShutdown: the sender will not receive any more, or not send any more.
enum VsockShutdownFlags : uint32_t { kVsockNoReceive = 1, kVsockNoSend = 2 };

/// struct virtio_vsock_hdr: little-endian, followed by `len` bytes.
struct [[gnu::packed]] VsockHeader {
  uint64_t src_cid = 0, dst_cid = 0;
  uint32_t src_port = 0, dst_port = 0;
  uint32_t len = 0;
  uint16_t type = kVsockStream, op = 0;
  uint32_t flags = 0;
  uint32_t buf_alloc = 0, fwd_cnt = 0;
};
static_assert(sizeof(VsockHeader) == 44 && std::endian::native == std::endian::little);

}  // namespace stx
