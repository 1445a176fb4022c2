// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vsock/vsock_stream.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace stx {

void VsockCredit::Update(uint32_t peer_buf_alloc, uint32_t peer_fwd_cnt) {
  peer_buf_alloc_ = peer_buf_alloc;
  peer_fwd_cnt_ = peer_fwd_cnt;
}

uint32_t VsockCredit::Available() const {
  uint32_t on_the_way = sent_ - peer_fwd_cnt_;
  return on_the_way < peer_buf_alloc_ ? peer_buf_alloc_ - on_the_way : 0;
}

bool VsockCredit::Received(uint32_t bytes) {
  if (bytes > kBufAlloc - (received_ - forwarded_)) return false;
  received_ += bytes;
  return true;
}

void VsockCredit::Announce(VsockHeader& header) {
  header.buf_alloc = kBufAlloc;
  header.fwd_cnt = announced_ = forwarded_;
}

VsockStream VsockStream::FromGuest(UniqueFd socket, const VsockHeader& request) {
  VsockStream stream(std::move(socket));
  stream.credit_.Update(request.buf_alloc, request.fwd_cnt);
  stream.response_ = true;
  stream.Open();
  return stream;
}

VsockStream VsockStream::FromHost(UniqueFd socket, std::string greeting) {
  VsockStream stream(std::move(socket));
  stream.greeting_ = std::move(greeting);
  stream.request_ = true;
  return stream;
}

void VsockStream::Open() {
  open_ = true;
  readable_ = true;  // until a read says otherwise
}

void VsockStream::Receive(const VsockHeader& header, std::span<const iovec> payload) {
  credit_.Update(header.buf_alloc, header.fwd_cnt);
  if (credit_.Available() > 0) credit_asked_ = false;
  switch (header.op) {
    case kVsockResponse:
      if (open_ || request_) break;  // nobody asked for it
      Open();
      // It is short and the first data on this socket, so it fits unless the host has gone.
      if (send(fd(), greeting_.data(), greeting_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        HostStoppedReading();
      return;
    case kVsockRst:
      end_ = End::kSilent;
      return;
    case kVsockShutdown:
      if (!open_) break;
      return TakeShutdown(header.flags);
    case kVsockRw:
      if (!open_ || (guest_shut_ & kVsockNoSend) || !credit_.Received(header.len)) break;
      return TakePayload(header.len, payload);
    case kVsockCreditUpdate:
      return;
    case kVsockCreditRequest:
      credit_update_ = true;
      return;
  }
  end_ = End::kReset;
}

void VsockStream::TakeShutdown(uint32_t flags) {
  guest_shut_ |= flags & (kVsockNoReceive | kVsockNoSend);
  // A RST answers the guest's close. What the guest sent before is still delivered.
  if (guest_shut_ == (kVsockNoReceive | kVsockNoSend)) end_ = End::kReset;
  if (guest_shut_ & kVsockNoReceive) shutdown(fd(), SHUT_RD);
  if (guest_shut_ & kVsockNoSend) Flush();
}

void VsockStream::TakePayload(uint32_t length, std::span<const iovec> payload) {
  size_t taken = 0;
  if (!Draining()) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(payload.data());
    message.msg_iovlen = payload.size();
    ssize_t n = sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
      credit_.Forwarded(length);
      return HostStoppedReading();
    }
    taken = n > 0 ? static_cast<size_t>(n) : 0;
    credit_.Forwarded(static_cast<uint32_t>(taken));
  }
  if (taken == length) return;
  pending_.erase(0, std::exchange(flushed_, 0));
  for (const iovec& part : SliceIovec(payload, taken, length))
    pending_.append(static_cast<const char*>(part.iov_base), part.iov_len);
}

void VsockStream::Flush() {
  while (Draining()) {
    ssize_t n = send(fd(), pending_.data() + flushed_, pending_.size() - flushed_,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return HostStoppedReading();
    flushed_ += static_cast<size_t>(n);
    credit_.Forwarded(static_cast<uint32_t>(n));
  }
  flushed_ = 0;
  std::string().swap(pending_);  // frees its memory
  if (guest_shut_ & kVsockNoSend) shutdown(fd(), SHUT_WR);
}

void VsockStream::HostStoppedReading() {
  host_deaf_ = true;
  credit_.Forwarded(static_cast<uint32_t>(pending_.size() - flushed_));
  flushed_ = 0;
  pending_.clear();
}

bool VsockStream::MayRead() const {
  return open_ && readable_ && !host_eof_ && !(guest_shut_ & kVsockNoReceive);
}

uint32_t VsockStream::ShutdownFlags() const {
  return (host_eof_ ? kVsockNoSend : 0u) | (host_deaf_ ? kVsockNoReceive : 0u);
}

bool VsockStream::WantsToSend() const {
  if (end_ != End::kNo) return false;
  if (request_ || response_ || credit_update_) return true;
  if (!open_) return false;
  return credit_.UpdateDue() || ShutdownFlags() != told_ ||
         (MayRead() && (credit_.Available() > 0 || !credit_asked_));
}

uint32_t VsockStream::ReadSocket(std::span<const iovec> room) {
  std::vector<iovec> parts = SliceIovec(room, 0, credit_.Available());
  if (!MayRead() || parts.empty()) return 0;
  ssize_t n;
  do n = readv(fd(), parts.data(), static_cast<int>(parts.size()));
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    credit_.Sent(static_cast<uint32_t>(n));
    return static_cast<uint32_t>(n);
  }
  if (n < 0 && errno == EAGAIN) {
    readable_ = false;
    return 0;
  }
  host_eof_ = true;
  pollfd hang_up{fd(), 0, 0};  // closed, or only shut down for writing?
  if (n < 0 || poll(&hang_up, 1, 0) > 0) HostStoppedReading();
  return 0;
}

std::optional<VsockHeader> VsockStream::Send(std::span<const iovec> room) {
  VsockHeader header;
  if (end_ != End::kNo) return std::nullopt;
  if (request_) {
    request_ = false;
    header.op = kVsockRequest;
  } else if (response_) {
    response_ = false;
    header.op = kVsockResponse;
  } else if ((header.len = ReadSocket(room))) {
    header.op = kVsockRw;
  } else if (MayRead() && credit_.Available() == 0 && !credit_asked_) {
    credit_asked_ = true;
    header.op = kVsockCreditRequest;
  } else if (open_ && ShutdownFlags() != told_) {
    header.op = kVsockShutdown;
    header.flags = told_ = ShutdownFlags();
  } else if (credit_update_ || credit_.UpdateDue()) {
    header.op = kVsockCreditUpdate;
  } else {
    return std::nullopt;
  }
  credit_update_ = false;
  credit_.Announce(header);
  return header;
}

std::optional<uint32_t> VsockStream::WantedEvents() const {
  if (end_ != End::kNo) return Draining() ? std::optional<uint32_t>(EPOLLOUT) : std::nullopt;
  uint32_t events = Draining() ? EPOLLOUT : 0u;
  if (open_ && !readable_ && !host_eof_ && !(guest_shut_ & kVsockNoReceive)) events |= EPOLLIN;
  if (events == 0 && (host_deaf_ || MayRead())) return std::nullopt;
  return events;
}

void VsockStream::HandleEvents(uint32_t events) {
  bool hang_up = events & (EPOLLHUP | EPOLLERR);
  if (Draining() && (hang_up || (events & EPOLLOUT))) Flush();
  if (end_ != End::kNo) return;
  if (!open_) {
    if (hang_up) end_ = End::kReset;
    return;
  }
  if (hang_up || (events & EPOLLIN)) readable_ = true;
  if (hang_up && (host_eof_ || (guest_shut_ & kVsockNoReceive))) {
    host_eof_ = true;
    HostStoppedReading();
  }
}

}  // namespace stx
