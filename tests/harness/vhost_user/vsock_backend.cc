// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vhost_user/vsock_backend.h"

#include <cstring>

namespace stx {
namespace {

/// The number of chains taken from a queue before other queues get their turn.
constexpr int kBatch = 256;
/// If a guest provokes RSTs but gives no buffers for them, we stop reading from it after this many.
constexpr size_t kMaxReplies = 1024;
constexpr size_t kMaxPayload = 64 * 1024;

}  // namespace

VsockBackend::VsockBackend(const VsockBackendOptions& options)
    : device_(options.socket, 2, *this),
      mux_(device_.loop(), options.guest_cid, options.uds, [this] { Send(); }) {
  std::memcpy(config_.data(), &options.guest_cid, sizeof(options.guest_cid));
  device_.Start();
}

VsockBackend::~VsockBackend() { device_.Stop(); }

void VsockBackend::HandleQueue(int index) {
  if (index == kVsockTxQueue) Receive();
  Send();
}

void VsockBackend::QueueStarted(int index, bool fresh) {
  fresh_[static_cast<size_t>(index)] = fresh;
  if (!fresh_[kVsockRxQueue] || !fresh_[kVsockTxQueue]) return;
  fresh_ = {};
  mux_.Reset(true);
}

void VsockBackend::Disconnected() { mux_.Reset(false); }

void VsockBackend::Receive() {
  int taken = 0;
  receive_stopped_ = false;
  for (;; ++taken) {
    if (mux_.replies() >= kMaxReplies) {
      receive_stopped_ = true;
      break;
    }
    if (taken == kBatch) {
      device_.ServeAgain(kVsockTxQueue);
      break;
    }
    auto chain = device_.Pop(kVsockTxQueue);
    if (!chain) break;
    VsockHeader header;
    if (ReadIovec(chain->readable(), &header, sizeof(header)) == sizeof(header)) {
      auto payload = SliceIovec(chain->readable(), sizeof(header), header.len);
      if (CountIovecBytes(payload) < header.len)
        header.op = header.len = 0;  // and therefore answered with a RST
      mux_.Receive(header, payload);
    }
    device_.Push(kVsockTxQueue, *chain, 0);
  }
  if (taken > 0) device_.Notify(kVsockTxQueue);
}

void VsockBackend::Send() {
  int taken = 0;
  for (; mux_.HasOutput(); ++taken) {
    if (taken == kBatch) {
      device_.ServeAgain(kVsockRxQueue);
      break;
    }
    auto chain = device_.Pop(kVsockRxQueue);
    if (!chain) break;
    auto room = SliceIovec(chain->writable(), sizeof(VsockHeader), kMaxPayload);
    if (room.empty()) {  // nothing can ever be received into it
      device_.Push(kVsockRxQueue, *chain, 0);
      continue;
    }
    std::optional<VsockHeader> header = mux_.Send(room);
    if (!header) {
      device_.Unpop(kVsockRxQueue, *chain);
      break;
    }
    WriteIovec(chain->writable(), &*header, sizeof(*header));
    device_.Push(kVsockRxQueue, *chain, static_cast<uint32_t>(sizeof(*header)) + header->len);
  }
  if (taken > 0) device_.Notify(kVsockRxQueue);
  if (receive_stopped_ && mux_.replies() < kMaxReplies) device_.ServeAgain(kVsockTxQueue);
}

}  // namespace stx
