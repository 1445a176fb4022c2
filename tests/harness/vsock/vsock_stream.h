// SPDX-License-Identifier: GPL-2.0-or-later
// One stream between the guest and a Unix socket of the host: credit-based flow control, half
// close, and close (virtio 1.2, sections 5.10.6.3 to 5.10.6.5). It does not depend on queues or
// event loops.
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

/// The byte counts of both directions. They are 32 bits wide and wrap.
class VsockCredit {
 public:
  /// The number of bytes that the guest may have in flight to us, and therefore the most that a
  /// stream buffers.
  static constexpr uint32_t kBufAlloc = 256 * 1024;

  /// Takes the credit fields of each header from the guest.
  void Update(uint32_t peer_buf_alloc, uint32_t peer_fwd_cnt);
  /// The number of bytes that may be sent to the guest now.
  uint32_t Available() const;
  void Sent(uint32_t bytes) { sent_ += bytes; }

  /// False if the guest sends more than it may.
  bool Received(uint32_t bytes);
  /// `bytes` have left our buffer.
  void Forwarded(uint32_t bytes) { forwarded_ += bytes; }
  /// True if the guest should be told about free space before it stalls.
  bool UpdateDue() const { return forwarded_ - announced_ >= kBufAlloc / 4; }
  /// Fills in the credit fields of a header to the guest.
  void Announce(VsockHeader& header);

 private:
  uint32_t peer_buf_alloc_ = 0, peer_fwd_cnt_ = 0, sent_ = 0;
  uint32_t received_ = 0, forwarded_ = 0, announced_ = 0;
};

class VsockStream {
 public:
  enum class End {
    kNo,
    kSilent,  ///< closed, and the guest knows
    kReset,   ///< closed, and the guest has to receive a RST
  };

  /// The guest's REQUEST was accepted; `socket` is non-blocking and connected to the host's
  /// listener.
  static VsockStream FromGuest(UniqueFd socket, const VsockHeader& request);
  /// A host's socket requests the guest's port. `greeting` is sent to the host when the guest
  /// accepts.
  static VsockStream FromHost(UniqueFd socket, std::string greeting);

  int fd() const { return socket_.get(); }
  End end() const { return end_; }

  /// Takes a packet from the guest for this stream; `payload` has exactly header.len bytes.
  void Receive(const VsockHeader& header, std::span<const iovec> payload);

  /// True if Send would return a packet, given room for payload.
  bool WantsToSend() const;
  /// The next packet to the guest, with op, len, flags and credit filled in and up to `room` bytes
  /// of payload. Unset if there was nothing to send.
  std::optional<VsockHeader> Send(std::span<const iovec> room);

  /// The EPOLL* bits to watch the socket for. Unset if it must not be watched, because a hang-up
  /// that cannot be handled yet would be reported for ever.
  std::optional<uint32_t> WantedEvents() const;
  void HandleEvents(uint32_t events);

  /// True while bytes from the guest wait for the host's socket. They are delivered even after
  /// end().
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
  std::string pending_;  // from the guest, not yet written to the socket
  size_t flushed_ = 0;   // bytes of pending_ that were written
  // What has to be sent to the guest.
  bool request_ = false, response_ = false, credit_update_ = false;
  bool credit_asked_ = false;  // since the guest's credit ran out
  bool open_ = false;          // both sides agreed
  bool readable_ = false;      // the socket may have bytes for the guest
  bool host_eof_ = false;      // the host will not send any more
  bool host_deaf_ = false;     // the host will not read any more
  uint32_t told_ = 0;          // ShutdownFlags that were sent to the guest
  uint32_t guest_shut_ = 0;
};

}  // namespace stx
