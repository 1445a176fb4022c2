// SPDX-License-Identifier: GPL-2.0-or-later
// One stream between the guest and a Unix socket of the host: flow control by credit, half close,
// end (virtio 1.2 sections 5.10.6.3 to 5.10.6.5). Knows nothing of queues and event loops.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/iovec.h"
#include "base/os.h"
#include "harness/vsock/vsock_packet.h"

namespace stx {

/// Both directions' byte counts. They are 32 bits wide and wrap.
class VsockCredit {
 public:
  /// What the guest may have on its way to us, in bytes; so also the most that a stream buffers.
  static constexpr uint32_t kBufAlloc = 256 * 1024;

  /// From every header of the guest.
  void Update(uint32_t peer_buf_alloc, uint32_t peer_fwd_cnt);
  /// Bytes that may be sent to the guest now.
  uint32_t Available() const;
  void Sent(uint32_t bytes) { sent_ += bytes; }

  /// False when the guest sends more than it may.
  bool Received(uint32_t bytes);
  /// Bytes that have left our buffer.
  void Forwarded(uint32_t bytes) { forwarded_ += bytes; }
  /// True when the guest should hear of freed space, before it stalls.
  bool UpdateDue() const { return forwarded_ - announced_ >= kBufAlloc / 4; }
  /// The credit fields of a header to the guest.
  void Announce(VsockHeader& header);

 private:
  uint32_t peer_buf_alloc_ = 0, peer_fwd_cnt_ = 0, sent_ = 0;
  uint32_t received_ = 0, forwarded_ = 0, announced_ = 0;
};

class VsockStream {
 public:
  enum class End {
    kNo,
    kSilent,  ///< over, and the guest knows
    kReset,   ///< over, and the guest must get a RST
  };

  /// The guest's REQUEST was accepted: `socket`, non-blocking, is connected to the host's listener.
  static VsockStream FromGuest(UniqueFd socket, const VsockHeader& request);
  /// A host's socket asks for the guest's port; `greeting` goes to it when the guest accepts.
  static VsockStream FromHost(UniqueFd socket, std::string greeting);

  int fd() const { return socket_.get(); }
  End end() const { return end_; }

  /// A packet of the guest for this stream, its `payload` exactly header.len bytes.
  void Receive(const VsockHeader& header, std::span<const iovec> payload);

  /// True when Send would have something, given room for payload.
  bool WantsToSend() const;
  /// The next packet to the guest: op, len, flags and credit filled in, payload of up to `room`
  /// written there. None when there was nothing after all.
  std::optional<VsockHeader> Send(std::span<const iovec> room);

  /// EPOLL* bits to watch the socket for; none when it must not be watched, since a hang-up that
  /// cannot be served yet would be reported for ever.
  std::optional<uint32_t> WantedEvents() const;
  void HandleEvents(uint32_t events);

  /// True while bytes of the guest wait for the host's socket; they are delivered even after end().
  bool Draining() const { return flushed_ < pending_.size(); }

 private:
  explicit VsockStream(UniqueFd socket) : socket_(std::move(socket)) {}
  void Open();
  void TakePayload(uint32_t length, std::span<const iovec> payload);
  void TakeShutdown(uint32_t flags);
  uint32_t ReadSocket(std::span<const iovec> room);
  void Flush();
  void HostStoppedReading();
  bool MayRead() const;
  uint32_t ShutdownFlags() const;

  UniqueFd socket_;
  VsockCredit credit_;
  End end_ = End::kNo;
  std::string greeting_;
  std::string pending_;  // from the guest, not yet taken by the socket
  size_t flushed_ = 0;   // bytes of pending_ that it has taken
  // What the guest is to be told.
  bool request_ = false, response_ = false, credit_update_ = false;
  bool credit_asked_ = false;  // since the guest's credit ran out
  bool open_ = false;          // both sides agreed
  bool readable_ = false;      // the socket may have bytes for the guest
  bool host_eof_ = false;      // the host sends no more
  bool host_deaf_ = false;     // the host reads no more
  uint32_t told_ = 0;          // ShutdownFlags that the guest knows
  uint32_t guest_shut_ = 0;
};

}  // namespace stx
