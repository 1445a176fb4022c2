// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vhost_user/net_loopback.h"

#include "base/iovec.h"

namespace stx {

void NetLoopback::HandleQueue(int) {
  while (auto sent = device_.Pop(kTransmit)) {
    auto buffer = device_.Pop(kReceive);
    if (!buffer) return device_.Unpop(kTransmit, *sent);
    std::string bytes(CountIovecBytes(sent->readable()), '\0');
    ReadIovec(sent->readable(), bytes.data(), bytes.size());
    bytes.replace(0, kNetHeader, std::string(kNetHeader, '\0'));
    const size_t n = WriteIovec(buffer->writable(), bytes.data(), bytes.size());
    device_.Push(kReceive, *buffer, static_cast<uint32_t>(n));
    device_.Push(kTransmit, *sent, 0);
    device_.Notify(kReceive);
    device_.Notify(kTransmit);
  }
}

}  // namespace stx
