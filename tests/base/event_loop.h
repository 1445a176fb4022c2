// SPDX-License-Identifier: GPL-2.0-or-later
// An epoll loop for a back-end's own thread: descriptors with a callback each. Level-triggered, and
// one event is taken at a time, so a callback may close or forget any descriptor.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/os.h"

namespace stx {

class EventLoop {
 public:
  /// Gets the EPOLL* bits that came. EPOLLERR and EPOLLHUP come unasked for.
  using Callback = std::function<void(uint32_t events)>;

  EventLoop();

  /// Calls `callback` for `events` of `fd` from now on; replaces what was there for `fd`.
  /// Watch and Unwatch belong to the loop's thread, or come before Run.
  void Watch(int fd, uint32_t events, Callback callback);
  /// Must come before `fd` is closed; does nothing for a descriptor that is not watched.
  void Unwatch(int fd);

  /// Serves until Quit, with SIGPIPE blocked for this thread.
  void Run();
  /// Serves one event; false when none came in time.
  bool Step(Milliseconds timeout);
  /// From any thread.
  void Quit();

 private:
  bool Serve(int timeout_ms);

  UniqueFd epoll_, quit_;
  bool quitting_ = false;
  std::map<int, std::shared_ptr<Callback>> callbacks_;
};

}  // namespace stx
