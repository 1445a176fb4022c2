// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace stx {

std::optional<Tap> Tap::Make(const std::string& name, int queues, std::string* why_not, int mtu) {
  Tap tap;
  tap.name_ = name;
  std::string failed;
  // Only this thread moves to the new namespace, which the descriptor keeps alive afterwards.
  std::thread([&] {
    auto fail = [&](const char* what) { failed = std::string(what) + ": " + std::strerror(errno); };
    if (unshare(CLONE_NEWNET) < 0) return fail("unshare(CLONE_NEWNET)");
    tap.namespace_.Reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!tap.namespace_) return fail("/proc/thread-self/ns/net");
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    request.ifr_flags =
        static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0));
    for (int i = 0; i < queues; ++i) {
      UniqueFd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
      if (!fd || ioctl(fd.get(), TUNSETIFF, &request) < 0) return fail("/dev/net/tun");
      tap.fds_.push_back(std::move(fd));
    }
    UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    request.ifr_mtu = mtu;
    if (!control || ioctl(control.get(), SIOCSIFMTU, &request) < 0) return fail("SIOCSIFMTU");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(control.get(), SIOCSIFFLAGS, &request) < 0) return fail("SIOCSIFFLAGS");
  }).join();
  if (failed.empty()) return tap;
  *why_not = failed;
  return std::nullopt;
}

void Tap::AddAddress6(const std::string& address, unsigned prefix) const {
  // Like struct in6_ifreq of linux/ipv6.h, which conflicts with the C library's headers.
  struct {
    in6_addr address;
    uint32_t prefix;
    int index;
  } request{};
  request.prefix = prefix;
  if (inet_pton(AF_INET6, address.c_str(), &request.address) != 1)
    throw std::runtime_error(address + " is not an IPv6 address");
  int error = 0;
  std::thread([&] {
    UniqueFd control;
    if (setns(namespace_.get(), CLONE_NEWNET) == 0)
      control.Reset(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    request.index = static_cast<int>(if_nametoindex(name_.c_str()));
    if (!control || ioctl(control.get(), SIOCSIFADDR, &request) < 0) error = errno;
  }).join();
  errno = error;
  if (error) ThrowErrno("address " + address + " of " + name_);
}

std::vector<std::string> Tap::Enter() const {
  return {"nsenter",
          "--net=/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(namespace_.get())};
}

}  // namespace stx
