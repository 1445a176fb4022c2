// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vhost_user/vhost_user_recorder.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "base/waiting.h"

namespace stx {
namespace {

constexpr uint32_t kVersion = 1, kReply = 4;
constexpr size_t kMaxDescriptors = 32;
constexpr Milliseconds kMessageTimeout{5000};

struct Header {
  uint32_t request, flags, size;
};

/// Reads exactly `size` bytes. Descriptors that arrive with them are counted and closed. Returns
/// false if the front-end has disconnected.
bool ReadAll(int fd, void* data, size_t size, int& descriptors) {
  auto* at = static_cast<char*>(data);
  Deadline deadline(kMessageTimeout);
  while (size > 0) {
    if (!WaitFor(fd, POLLIN, deadline)) return false;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
    iovec vector{at, size};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (n <= 0) return false;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int received;
        std::memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        close(received);
        ++descriptors;
      }
    }
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

VhostUserRecorder::VhostUserRecorder(const std::filesystem::path& socket,
                                     VhostUserRecorderOptions options)
    : options_(options),
      socket_(socket),
      listener_(ListenUnix(socket)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) ThrowErrno("eventfd");
  thread_ = std::thread([this] { Run(); });
}

VhostUserRecorder::~VhostUserRecorder() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  eventfd_write(wake_.get(), 1);
  thread_.join();
  unlink(socket_.c_str());
}

void VhostUserRecorder::SetFate(std::function<VhostUserFate(const VhostUserMessage&)> fate) {
  std::lock_guard lock(mutex_);
  fate_ = std::move(fate);
}

void VhostUserRecorder::SetReply(
    std::function<std::optional<std::string>(const VhostUserMessage&)> reply) {
  std::lock_guard lock(mutex_);
  reply_ = std::move(reply);
}

void VhostUserRecorder::SetAccepting(bool accepting) {
  std::lock_guard lock(mutex_);
  accepting_ = accepting;
  eventfd_write(wake_.get(), 1);
}

int VhostUserRecorder::connections() {
  std::lock_guard lock(mutex_);
  return connections_;
}

std::vector<VhostUserMessage> VhostUserRecorder::Messages() {
  std::vector<VhostUserMessage> all;
  stx::WaitUntil("the recorder has taken all messages", Deadline(kMessageTimeout), [&] {
    std::lock_guard lock(mutex_);
    all = messages_;
    // While we hold the lock, no message is half served, so an empty socket means that all have
    // arrived.
    return !connection_ || !WaitFor(connection_.get(), POLLIN, Deadline(Milliseconds(0)));
  });
  return all;
}

std::vector<VhostUserMessage> VhostUserRecorder::MessagesAfter(size_t count) {
  std::vector<VhostUserMessage> messages = Messages();
  messages.erase(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count));
  return messages;
}

bool VhostUserRecorder::WaitUntil(
    const std::function<bool(const std::vector<VhostUserMessage>&)>& done,
    const Deadline& deadline) {
  return HoldsBefore(deadline, [&] { return done(Messages()); });
}

bool VhostUserRecorder::WaitRingsEnabled(const std::set<uint32_t>& rings, int number,
                                         const Deadline& deadline) {
  return WaitUntil(
      [&](const std::vector<VhostUserMessage>& messages) {
        std::set<uint32_t> enabled;
        for (const VhostUserMessage& m : messages)
          if (m.connection >= number && m.request == VhostUserRequest::kSetVringEnable &&
              m.RingState().value)
            enabled.insert(m.RingState().index);
        return enabled == rings;
      },
      deadline);
}

void VhostUserRecorder::Run() {
  for (;;) {
    pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {-1, POLLIN, 0}};
    {
      std::lock_guard lock(mutex_);
      if (stop_) return;
      if (connection_)
        fds[1].fd = connection_.get();
      else if (accepting_)
        fds[1].fd = listener_.get();
    }
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    eventfd_t ignored;
    if (fds[0].revents) eventfd_read(wake_.get(), &ignored);
    if (!fds[1].revents) continue;
    std::lock_guard lock(mutex_);
    if (connection_) {
      ServeOne();
    } else if (accepting_) {
      connection_.Reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (connection_) ++connections_;
    }
  }
}

void VhostUserRecorder::Drop() {
  connection_.Reset();
  agreed_protocol_features_ = 0;
}

void VhostUserRecorder::ServeOne() {
  Header header;
  int descriptors = 0;
  if (!ReadAll(connection_.get(), &header, sizeof(header), descriptors) || header.size > 65536)
    return Drop();
  std::string payload(header.size, '\0');
  if (!ReadAll(connection_.get(), payload.data(), payload.size(), descriptors)) return Drop();
  messages_.push_back({static_cast<VhostUserRequest>(header.request), header.flags,
                       std::move(payload), descriptors, connections_});
  const VhostUserMessage& message = messages_.back();
  if (message.request == VhostUserRequest::kSetProtocolFeatures)
    agreed_protocol_features_ = message.U64();

  const VhostUserFate fate = fate_ ? fate_(message) : VhostUserFate::kServe;
  if (fate == VhostUserFate::kDie) return Drop();
  if (fate == VhostUserFate::kAnswerAndDie) shutdown(connection_.get(), SHUT_RD);
  try {
    Answer(message, fate == VhostUserFate::kRefuse);
  } catch (const std::exception&) {
    return Drop();  // the front-end has disconnected
  }
  if (fate == VhostUserFate::kAnswerAndDie) Drop();
}

void VhostUserRecorder::Answer(const VhostUserMessage& message, bool refuse) {
  if (reply_)
    if (const auto raw = reply_(message)) return WriteAll(connection_.get(), *raw);
  std::string payload;
  const auto put = [&](uint64_t value) {
    payload.assign(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  switch (message.request) {
    case VhostUserRequest::kGetFeatures:
      put(options_.features);
      break;
    case VhostUserRequest::kGetProtocolFeatures:
      put(options_.protocol_features);
      break;
    case VhostUserRequest::kGetQueueNum:
      put(options_.queues);
      break;
    case VhostUserRequest::kGetMaxMemSlots:
      put(options_.memory_slots);
      break;
    case VhostUserRequest::kGetStatus:
      put(0);
      break;
    case VhostUserRequest::kGetVringBase:
      // The ring stops where it started, because we served nothing.
      payload = message.payload;
      break;
    case VhostUserRequest::kSetLogBase:
      if (!(agreed_protocol_features_ & vhost_user::kLogShmFd)) return;
      put(0);
      break;
    default:
      if (!message.needs_reply()) return;
      put(refuse ? 1 : 0);
  }
  const Header header{static_cast<uint32_t>(message.request), kVersion | kReply,
                      static_cast<uint32_t>(payload.size())};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  WriteAll(connection_.get(), bytes + payload);
}

}  // namespace stx
