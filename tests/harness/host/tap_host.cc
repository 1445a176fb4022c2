// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/host/tap_host.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <functional>
#include <thread>

namespace stx {
namespace {

const std::string kHost4("\x0a\0\0\x01", 4), kHost6("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);

/// Sends RTM_NEWADDR without duplicate address detection, so that the address can be used at once.
void AddAddress(unsigned index, int family, const std::string& address, uint8_t prefix) {
  struct {
    nlmsghdr header;
    ifaddrmsg message;
    char attributes[64];
  } request{};
  request.header.nlmsg_type = RTM_NEWADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof(ifaddrmsg));
  request.message = {static_cast<uint8_t>(family), prefix, IFA_F_NODAD, RT_SCOPE_UNIVERSE, index};
  auto* attribute = reinterpret_cast<rtattr*>(request.attributes);
  attribute->rta_type = IFA_LOCAL;
  attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(address.size()));
  std::memcpy(RTA_DATA(attribute), address.data(), address.size());
  request.header.nlmsg_len += RTA_SPACE(address.size());
  UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } answer{};
  if (!netlink || send(netlink.get(), &request, request.header.nlmsg_len, 0) < 0 ||
      recv(netlink.get(), &answer, sizeof(answer), 0) < 0)
    ThrowErrno("netlink");
  if (answer.error.error) {
    errno = -answer.error.error;
    ThrowErrno("the address of the tap");
  }
}

}  // namespace

void RunInNamespace(const Tap& tap, const std::function<void()>& work) {
  std::exception_ptr failed;
  std::thread([&] {
    try {
      if (setns(tap.network_namespace(), CLONE_NEWNET) < 0) ThrowErrno("setns");
      work();
    } catch (...) {
      failed = std::current_exception();
    }
  }).join();
  if (failed) std::rethrow_exception(failed);
}

void AddHostAddresses(const Tap& tap) {
  RunInNamespace(tap, [&] {
    const unsigned index = if_nametoindex(tap.name().c_str());
    if (!index) ThrowErrno(tap.name());
    AddAddress(index, AF_INET, kHost4, 24);
    AddAddress(index, AF_INET6, kHost6, 64);
  });
}

UniqueFd BindHostUdp(const Tap& tap, uint16_t port) {
  UniqueFd fd;
  RunInNamespace(tap, [&] {
    fd.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, kHost4.data(), 4);
    if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0)
      ThrowErrno("a UDP socket");
  });
  return fd;
}

}  // namespace stx
