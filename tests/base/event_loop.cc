// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/event_loop.h"

#include <signal.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

namespace stx {

EventLoop::EventLoop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), quit_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_ || !quit_) ThrowErrno("cannot make an event loop");
  Watch(quit_.get(), EPOLLIN, [this](uint32_t) { quitting_ = true; });
}

void EventLoop::Watch(int fd, uint32_t events, Callback callback) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  int operation = callbacks_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epoll_.get(), operation, fd, &event) < 0) ThrowErrno("epoll_ctl");
  callbacks_[fd] = std::make_shared<Callback>(std::move(callback));
}

void EventLoop::Unwatch(int fd) {
  if (callbacks_.erase(fd)) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::Run() {
  // If a peer dies between poll and write, the write must fail, not the process.
  sigset_t sigpipe;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &sigpipe, nullptr);

  while (!quitting_) Serve(-1);
}

bool EventLoop::Step(Milliseconds timeout) { return Serve(static_cast<int>(timeout.count())); }

bool EventLoop::Serve(int timeout_ms) {
  epoll_event event{};
  int n = epoll_wait(epoll_.get(), &event, 1, timeout_ms);
  if (n < 0 && errno != EINTR) ThrowErrno("epoll_wait");
  if (n <= 0) return false;
  std::shared_ptr<Callback> callback = callbacks_.at(event.data.fd);  // it may unwatch itself
  (*callback)(event.events);
  return true;
}

void EventLoop::Quit() { eventfd_write(quit_.get(), 1); }

}  // namespace stx
