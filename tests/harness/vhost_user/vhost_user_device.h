// SPDX-License-Identifier: GPL-2.0-or-later
// The device end of vhost-user (docs/interop/vhost-user.rst of the base) for our back-ends, on the
// base's libvhost-user: listens on a Unix socket, serves one QEMU at a time on a thread of its own,
// and takes the next one when the first is gone. QEMU's side is
//   -chardev socket,id=c,path=SOCKET -device vhost-user-...,chardev=c
// with guest memory that is shared (-object memory-backend-...,share=on).
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/event_loop.h"

struct VuVirtqElement;

namespace stx {

/// One descriptor chain of a virtqueue (virtio 1.2 section 2.7): guest memory that the device
/// reads, then guest memory that it writes. The guest can change both at any time.
class VirtqueueChain {
 public:
  explicit VirtqueueChain(VuVirtqElement* element) : element_(element) {}
  std::span<const iovec> readable() const;
  std::span<const iovec> writable() const;
  VuVirtqElement* element() const { return element_.get(); }

 private:
  struct Free {
    void operator()(VuVirtqElement* element) const;
  };
  std::unique_ptr<VuVirtqElement, Free> element_;
};

/// What makes a back-end of a VhostUserDevice. All calls come on the device's thread.
class VhostUserHandler {
 public:
  virtual ~VhostUserHandler() = default;
  /// Device feature bits beside those that libvhost-user brings itself (VERSION_1, INDIRECT_DESC,
  /// EVENT_IDX, NOTIFY_ON_EMPTY).
  virtual uint64_t Features() const { return 0; }
  /// The device's configuration space; read-only for the driver.
  virtual std::span<const uint8_t> Config() const { return {}; }
  /// The driver kicked queue `index`, or it became usable. Take everything there is.
  virtual void HandleQueue(int index) = 0;
  /// Queue `index` was given to us. `fresh`: at position 0, so by a driver that starts, unlike
  /// after the machine was paused, when it goes on at the old position.
  virtual void QueueStarted(int /*index*/, bool /*fresh*/) {}
  /// QEMU is gone, and with it guest memory and all queues.
  virtual void Disconnected() {}
};

class VhostUserDevice {
 public:
  /// Listens on `socket` at once, so that a QEMU may be started; serves after Start. `handler` must
  /// outlive this object.
  VhostUserDevice(const std::filesystem::path& socket, int queues, VhostUserHandler& handler);
  /// Stops and removes the socket.
  ~VhostUserDevice();
  void Start();
  /// Ends the thread and drops QEMU; the handler calls this before anything that it uses goes.
  void Stop();

  /// Why libvhost-user stopped serving the driver's queues (a malformed ring), until the driver
  /// starts anew; empty when all is well. From any thread.
  std::string Broken() const;

  // The rest is for the device's thread, or before Start.

  EventLoop& loop();
  /// True when queue `index` may be used.
  bool Ready(int index) const;
  /// The next chain of queue `index`; none when it is empty or not ready.
  std::optional<VirtqueueChain> Pop(int index);
  /// Puts the chain that was popped last back.
  void Unpop(int index, const VirtqueueChain& chain);
  /// Gives a chain back to the driver with `written` bytes in its writable part.
  void Push(int index, const VirtqueueChain& chain, uint32_t written);
  /// Interrupts the driver, unless it asked not to be.
  void Notify(int index);
  /// Has HandleQueue(index) called again soon: for work that was left to let others run.
  void Again(int index);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stx
