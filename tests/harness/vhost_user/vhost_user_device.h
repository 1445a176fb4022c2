// SPDX-License-Identifier: GPL-2.0-or-later
// The device's side of vhost-user (docs/interop/vhost-user.rst of the base) for our back-ends, on
// the base's libvhost-user. It listens on a Unix socket, serves one QEMU at a time on its own
// thread, and accepts the next QEMU after the first has disconnected. QEMU's side is
//   -chardev socket,id=c,path=SOCKET -device vhost-user-...,chardev=c
// with shared guest memory (-object memory-backend-...,share=on).
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

/// One descriptor chain of a virtqueue (virtio 1.2, section 2.7): guest memory that the device
/// reads, followed by guest memory that it writes. The guest can change both at any time.
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

/// The back-end behind a VhostUserDevice. All calls are made on the device's thread.
class VhostUserHandler {
 public:
  virtual ~VhostUserHandler() = default;
  /// Device feature bits in addition to those that libvhost-user offers itself (VERSION_1,
  /// INDIRECT_DESC, EVENT_IDX, NOTIFY_ON_EMPTY).
  virtual uint64_t Features() const { return 0; }
  /// The device's configuration space; read-only for the driver.
  virtual std::span<const uint8_t> Config() const { return {}; }
  /// The driver kicked queue `index`, or the queue became usable. The handler takes all available
  /// chains.
  virtual void HandleQueue(int index) = 0;
  /// Queue `index` has started. `fresh` is true if it starts at position 0, for a driver that
  /// starts, and false if it continues at an old position, for example after the machine was
  /// paused.
  virtual void QueueStarted(int /*index*/, bool /*fresh*/) {}
  /// QEMU has disconnected; guest memory and all queues are gone.
  virtual void Disconnected() {}
};

class VhostUserDevice {
 public:
  /// Listens on `socket` at once, so that a QEMU may be started; serves it after Start. `handler`
  /// must outlive this object.
  VhostUserDevice(const std::filesystem::path& socket, int queues, VhostUserHandler& handler);
  /// Stops the thread and removes the socket.
  ~VhostUserDevice();
  void Start();
  /// Ends the thread and disconnects QEMU. The handler calls this before it destroys anything that
  /// it uses.
  void Stop();

  /// Why libvhost-user stopped serving the driver's queues (a malformed ring); reset when the
  /// driver starts again. Empty if all is well. May be called from any thread.
  std::string Broken() const;

  // Call the functions below on the device's thread, or before Start.

  EventLoop& loop();
  /// Whether queue `index` may be used.
  bool Ready(int index) const;
  /// The next chain of queue `index`; unset if the queue is empty or not ready.
  std::optional<VirtqueueChain> Pop(int index);
  /// Puts the chain that was popped last back into the queue.
  void Unpop(int index, const VirtqueueChain& chain);
  /// Returns a chain to the driver, with `written` bytes in its writable part.
  void Push(int index, const VirtqueueChain& chain, uint32_t written);
  /// Interrupts the driver, unless it has disabled interrupts.
  void Notify(int index);
  /// Arranges another call of HandleQueue(index) soon, for work that was postponed to let other
  /// queues run.
  void ServeAgain(int index);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stx
