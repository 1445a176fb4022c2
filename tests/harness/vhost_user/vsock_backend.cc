// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vhost_user/vsock_backend.h"

#include <cstring>

namespace stx {
namespace {

/// Chains taken from a queue before others get their turn.
constexpr int kBatch = 256;
/// A guest that provokes RSTs and gives no buffers for them is not listened to beyond this many.
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
      device_.Again(kVsockTxQueue);
      break;
    }
    auto chain = device_.Pop(kVsockTxQueue);
    if (!chain) break;
    VsockHeader header;
    if (IovecRead(chain->readable(), &header, sizeof(header)) == sizeof(header)) {
      auto payload = IovecSlice(chain->readable(), sizeof(header), header.len);
      if (IovecSize(payload) < header.len) header.op = header.len = 0;  // so answered by a RST
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
      device_.Again(kVsockRxQueue);
      break;
    }
    auto chain = device_.Pop(kVsockRxQueue);
    if (!chain) break;
    auto room = IovecSlice(chain->writable(), sizeof(VsockHeader), kMaxPayload);
    if (room.empty()) {  // nothing can ever be received in it
      device_.Push(kVsockRxQueue, *chain, 0);
      continue;
    }
    std::optional<VsockHeader> header = mux_.Send(room);
    if (!header) {
      device_.Unpop(kVsockRxQueue, *chain);
      break;
    }
    IovecWrite(chain->writable(), &*header, sizeof(*header));
    device_.Push(kVsockRxQueue, *chain, static_cast<uint32_t>(sizeof(*header)) + header->len);
  }
  if (taken > 0) device_.Notify(kVsockRxQueue);
  if (receive_stopped_ && mux_.replies() < kMaxReplies) device_.Again(kVsockTxQueue);
}

}  // namespace stx
