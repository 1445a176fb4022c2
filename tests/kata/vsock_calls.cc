// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/vsock_calls.h"

#include <poll.h>
#include <sys/socket.h>
// After sys/socket.h, because it needs sockaddr.
#include <linux/vm_sockets.h>

namespace stx {

VsockCalls::VsockCalls() {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = VMADDR_PORT_ANY;
  socklen_t length = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  listener_.Reset(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener_ || bind(listener_.get(), any, length) < 0 || listen(listener_.get(), 128) < 0 ||
      getsockname(listener_.get(), any, &length) < 0)
    ThrowErrno("cannot listen on a vsock port");
  port_ = address.svm_port;
}

std::optional<UniqueFd> VsockCalls::Take(uint64_t cid, const Deadline& deadline) {
  for (;;) {
    while (WaitFor(listener_.get(), POLLIN, Deadline(Milliseconds(0)))) {
      sockaddr_vm guest{};
      socklen_t length = sizeof(guest);
      UniqueFd call(
          accept4(listener_.get(), reinterpret_cast<sockaddr*>(&guest), &length, SOCK_CLOEXEC));
      if (call) calls_[guest.svm_cid] = std::move(call);
    }
    if (auto call = calls_.extract(cid)) return std::move(call.mapped());
    if (!WaitFor(listener_.get(), POLLIN, deadline)) return std::nullopt;
  }
}

}  // namespace stx
