#include "harness/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace stx {

std::optional<Tap> Tap::Make(const std::string& name, int queues, std::string* why_not) {
  Tap tap;
  std::string failed;
  // Only this thread moves to the new namespace, which the descriptor then keeps alive.
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
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!control || ioctl(control.get(), SIOCSIFFLAGS, &request) < 0) return fail("SIOCSIFFLAGS");
  }).join();
  if (failed.empty()) return tap;
  *why_not = failed;
  return std::nullopt;
}

}  // namespace stx
