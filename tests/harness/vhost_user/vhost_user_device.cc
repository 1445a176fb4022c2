// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vhost_user/vhost_user_device.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

extern "C" {
#define VIRTIO_RING_NO_LEGACY  // its inline functions are not C++
#include "libvhost-user.h"
}

namespace stx {

std::span<const iovec> VirtqueueChain::readable() const {
  return {element_->out_sg, element_->out_num};
}
std::span<const iovec> VirtqueueChain::writable() const {
  return {element_->in_sg, element_->in_num};
}
void VirtqueueChain::Free::operator()(VuVirtqElement* element) const { std::free(element); }

/// libvhost-user's callbacks receive only the VuDev, so it is the base class of this object.
class VhostUserDevice::Impl : private VuDev {
 public:
  Impl(const std::filesystem::path& path, int queues, VhostUserHandler& handler)
      : VuDev{},
        path_(path),
        queues_(queues),
        handler_(handler),
        listener_(ListenUnix(path)),
        again_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!again_fd_) ThrowErrno("eventfd");
    loop.Watch(again_fd_.get(), EPOLLIN, [this](uint32_t) { ServeAgain(); });
    WatchListener();
  }

  ~Impl() {
    Stop();
    unlink(path_.c_str());
  }

  void Stop() {
    loop.Quit();
    if (thread_.joinable()) thread_.join();
    if (connected_) Disconnect();
  }

  void Start() {
    thread_ = std::thread([this] { loop.Run(); });
  }

  std::string Broken() const {
    std::lock_guard lock(mutex_);
    return broken_reason_;
  }

  VuDev* dev() { return this; }
  bool Ready(int index) const {
    if (!connected_ || broken) return false;
    const VuVirtq& queue = vq[index];
    return queue.started && queue.enable && queue.vring.avail && queue.vring.num;
  }
  void ServeAgain(int index) {
    again_.insert(index);
    eventfd_write(again_fd_.get(), 1);
  }

  EventLoop loop;

 private:
  static Impl& From(VuDev* dev) { return *static_cast<Impl*>(dev); }

  void WatchListener() {
    loop.Watch(listener_.get(), EPOLLIN, [this](uint32_t) { Connect(); });
  }

  void Connect() {
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) return;
    // QEMU writes each message at once; half a message must not block the thread for ever.
    timeval timeout{5, 0};
    setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    if (!vu_init(this, static_cast<uint16_t>(queues_), connection.get(), OnPanic, ReadMessage,
                 SetWatch, RemoveWatch,
                 handler_.Config().empty() ? &kInterface : &kInterfaceWithConfig))
      throw std::bad_alloc();
    connection_fd_ = connection.Release();
    connected_ = true;
    loop.Unwatch(listener_.get());  // one QEMU at a time
    loop.Watch(connection_fd_, EPOLLIN, [this](uint32_t) { Dispatch(); });
  }

  void Dispatch() {
    protocol_error_ = false;
    if (!vu_dispatch(this) || protocol_error_) {
      Disconnect();
      WatchListener();
      return;
    }
    // SET_VRING_ENABLE may have made a queue usable after its kick had arrived.
    for (int i = 0; i < queues_; ++i)
      if (Ready(i)) handler_.HandleQueue(i);
  }

  void Disconnect() {
    loop.Unwatch(connection_fd_);
    vu_deinit(this);  // closes the connection
    connected_ = false;
    again_.clear();
    SetBroken("");
    handler_.Disconnected();
  }

  void ServeAgain() {
    eventfd_t ignored;
    eventfd_read(again_fd_.get(), &ignored);
    for (int index : std::exchange(again_, {}))
      if (Ready(index)) handler_.HandleQueue(index);
  }

  void SetBroken(const std::string& reason) {
    std::lock_guard lock(mutex_);
    broken_reason_ = reason;
  }

  static void OnPanic(VuDev* dev, const char* message) {
    From(dev).SetBroken(message ? message : "unknown");
  }

  /// Replaces libvhost-user's own function, which exits the process when the connection ends,
  /// asserts on a short message, and lets descriptors leak into children.
  static bool ReadMessage(VuDev*, int socket, VhostUserMsg* message) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(message->fds))];
    iovec header{message, VHOST_USER_HDR_SIZE};
    msghdr msg{};
    msg.msg_iov = &header;
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    msg.msg_controllen = sizeof(control);
    ssize_t n;
    do n = recvmsg(socket, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    message->fd_num = 0;
    for (cmsghdr* c = n > 0 ? CMSG_FIRSTHDR(&msg) : nullptr; c; c = CMSG_NXTHDR(&msg, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      size_t bytes = c->cmsg_len - CMSG_LEN(0);
      message->fd_num = static_cast<int>(bytes / sizeof(int));
      std::memcpy(message->fds, CMSG_DATA(c), bytes);
      break;
    }
    if (n == static_cast<ssize_t>(VHOST_USER_HDR_SIZE) &&
        message->size <= sizeof(message->payload)) {
      if (message->size == 0) return true;
      do n = recv(socket, &message->payload, message->size, MSG_WAITALL);
      while (n < 0 && errno == EINTR);
      if (n == static_cast<ssize_t>(message->size)) return true;
    }
    CloseAll(*message);
    return false;
  }

  static void CloseAll(const VhostUserMsg& message) {
    for (int i = 0; i < message.fd_num; ++i) close(message.fds[i]);
  }

  /// Refuses what libvhost-user does not check: indices past the end of its arrays, sizes by which
  /// it divides or which it allocates on its stack, and request 0, for which it would exit.
  bool Acceptable(const VhostUserMsg& message) const {
    const uint32_t index = message.payload.state.index, value = message.payload.state.num;
    const bool known = index < static_cast<uint32_t>(queues_);
    switch (message.request) {
      case VHOST_USER_NONE:
        return false;
      case VHOST_USER_SET_VRING_NUM:
        return known && value > 0 && value <= VIRTQUEUE_MAX_SIZE;
      case VHOST_USER_SET_VRING_BASE:
      case VHOST_USER_GET_VRING_BASE:
        return known;
      case VHOST_USER_SET_VRING_ADDR:
        return message.payload.addr.index < static_cast<uint32_t>(queues_);
      case VHOST_USER_SET_MEM_TABLE:
        return message.payload.memory.nregions == static_cast<uint32_t>(message.fd_num);
      default:
        return true;
    }
  }

  static int ProcessMessage(VuDev* dev, VhostUserMsg* message, int* /*do_reply*/) {
    Impl& self = From(dev);
    if (self.Acceptable(*message)) return 0;
    CloseAll(*message);
    self.protocol_error_ = true;
    return 1;
  }

  static void SetWatch(VuDev* dev, int fd, int condition, vu_watch_cb callback, void* data) {
    static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT);
    From(dev).loop.Watch(fd, static_cast<uint32_t>(condition),
                         [=](uint32_t events) { callback(dev, static_cast<int>(events), data); });
  }
  static void RemoveWatch(VuDev* dev, int fd) { From(dev).loop.Unwatch(fd); }

  static void OnKick(VuDev* dev, int index) {
    Impl& self = From(dev);
    if (self.Ready(index)) self.handler_.HandleQueue(index);
  }

  static void OnQueueStarted(VuDev* dev, int index, bool started) {
    Impl& self = From(dev);
    VuVirtq* queue = vu_get_queue(dev, index);
    vu_set_queue_handler(dev, queue, started ? OnKick : nullptr);
    if (!started) return;
    // libvhost-user keeps these from the previous driver. The old interrupt position could suppress
    // the first interrupt, and a complaint about the old ring would persist.
    queue->signalled_used_valid = false;
    dev->broken = false;
    self.SetBroken("");
    self.handler_.QueueStarted(index, queue->last_avail_idx == 0);
  }

  static uint64_t GetFeatures(VuDev* dev) { return From(dev).handler_.Features(); }
  static int GetConfig(VuDev* dev, uint8_t* config, uint32_t length) {
    std::span<const uint8_t> space = From(dev).handler_.Config();
    if (length > space.size()) return -1;
    std::copy_n(space.begin(), length, config);
    return 0;
  }
  static int SetConfig(VuDev*, const uint8_t*, uint32_t, uint32_t, uint32_t) { return 0; }

  // Without a configuration space the protocol feature is not offered, because QEMU would print a
  // warning about it.
  static constexpr VuDevIface kInterface = [] {
    VuDevIface interface {};
    interface.get_features = GetFeatures;
    interface.process_msg = ProcessMessage;
    interface.queue_set_started = OnQueueStarted;
    return interface;
  }();
  static constexpr VuDevIface kInterfaceWithConfig = [] {
    VuDevIface interface = kInterface;
    interface.get_config = GetConfig;
    interface.set_config = SetConfig;
    return interface;
  }();

  const std::filesystem::path path_;
  const int queues_;
  VhostUserHandler& handler_;
  UniqueFd listener_, again_fd_;
  int connection_fd_ = -1;  // owned by VuDev
  bool connected_ = false;
  bool protocol_error_ = false;
  std::set<int> again_;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::string broken_reason_;
};

VhostUserDevice::VhostUserDevice(const std::filesystem::path& socket, int queues,
                                 VhostUserHandler& handler)
    : impl_(std::make_unique<Impl>(socket, queues, handler)) {}
VhostUserDevice::~VhostUserDevice() = default;
void VhostUserDevice::Start() { impl_->Start(); }
void VhostUserDevice::Stop() { impl_->Stop(); }
std::string VhostUserDevice::Broken() const { return impl_->Broken(); }
EventLoop& VhostUserDevice::loop() { return impl_->loop; }
bool VhostUserDevice::Ready(int index) const { return impl_->Ready(index); }
void VhostUserDevice::ServeAgain(int index) { impl_->ServeAgain(index); }

std::optional<VirtqueueChain> VhostUserDevice::Pop(int index) {
  if (!Ready(index)) return std::nullopt;
  VuDev* dev = impl_->dev();
  VuVirtq* queue = vu_get_queue(dev, index);
  void* element = vu_queue_pop(dev, queue, sizeof(VuVirtqElement));
  if (!element && Ready(index)) {
    // From here on the driver is sure to kick. Chains that it added just before are taken here.
    vu_queue_set_notification(dev, queue, 1);
    element = vu_queue_pop(dev, queue, sizeof(VuVirtqElement));
  }
  if (!element) return std::nullopt;
  return VirtqueueChain(static_cast<VuVirtqElement*>(element));
}

void VhostUserDevice::Unpop(int index, const VirtqueueChain& chain) {
  VuDev* dev = impl_->dev();
  vu_queue_unpop(dev, vu_get_queue(dev, index), chain.element(), 0);
}

void VhostUserDevice::Push(int index, const VirtqueueChain& chain, uint32_t written) {
  VuDev* dev = impl_->dev();
  vu_queue_push(dev, vu_get_queue(dev, index), chain.element(), written);
}

void VhostUserDevice::Notify(int index) {
  VuDev* dev = impl_->dev();
  vu_queue_notify(dev, vu_get_queue(dev, index));
}

}  // namespace stx
