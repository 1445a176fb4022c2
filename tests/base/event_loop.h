// SPDX-License-Identifier: GPL-2.0-or-later
// An epoll loop for a back-end's own thread, with one callback per descriptor. It is
// level-triggered and takes one event at a time, so a callback may close or unwatch any descriptor.
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
  /// Receives the EPOLL* bits that occurred, which may include EPOLLERR and EPOLLHUP.
  using Callback = std::function<void(uint32_t events)>;

  EventLoop();

  /// From now on calls `callback` for `events` of `fd`, and replaces an earlier callback of `fd`.
  /// Call Watch and Unwatch from the loop's thread, or before Run.
  void Watch(int fd, uint32_t events, Callback callback);
  /// Call it before `fd` is closed. Does nothing for a descriptor that is not watched.
  void Unwatch(int fd);

  /// Handles events until Quit. SIGPIPE is blocked in this thread.
  void Run();
  /// Handles one event; returns false if there was none within the timeout.
  bool Step(Milliseconds timeout);
  /// May be called from any thread.
  void Quit();

 private:
  bool Serve(int timeout_ms);

  UniqueFd epoll_, quit_;
  bool quitting_ = false;
  std::map<int, std::shared_ptr<Callback>> callbacks_;
};

}  // namespace stx
