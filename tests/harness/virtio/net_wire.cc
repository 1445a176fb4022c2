// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/net_wire.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <stdexcept>

namespace stx {
namespace {

sockaddr_un Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

}  // namespace

NetWire::NetWire(const TempDir& dir, const std::string& name)
    : ours_((dir / (name + ".ours")).string()), theirs_((dir / (name + ".qemu")).string()) {
  fd_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = Address(ours_);
  if (!fd_ || bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    ThrowErrno(ours_);
}

std::string NetWire::Netdev() const {
  return "dgram,id=n,local.type=unix,local.path=" + theirs_ +
         ",remote.type=unix,remote.path=" + ours_;
}

void NetWire::Send(const std::string& frame) {
  const sockaddr_un address = Address(theirs_);
  if (sendto(fd_.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&address),
             sizeof(address)) < 0)
    ThrowErrno(theirs_);
}

std::string NetWire::Receive() {
  if (!WaitFor(fd_.get(), POLLIN, Deadline(kWait))) throw std::runtime_error("no frame");
  return *Take();
}

std::optional<std::string> NetWire::Take() {
  std::string frame(65536, '\0');
  const ssize_t n = recv(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT);
  if (n < 0) return std::nullopt;
  frame.resize(static_cast<size_t>(n));
  return frame;
}

int NetWire::Sent() const {
  int bytes = 0;
  if (ioctl(fd_.get(), SIOCOUTQ, &bytes) != 0) ThrowErrno("SIOCOUTQ");
  return bytes;
}

}  // namespace stx
