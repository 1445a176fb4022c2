// SPDX-License-Identifier: GPL-2.0-or-later
// A vhost-user back-end that serves no ring: it speaks the protocol's frames itself, keeps every
// message in order, and fails where a test wants it to. For what QEMU says; a back-end that moves
// data is vhost_user_device.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/os.h"
#include "harness/vhost_user/vhost_user_message.h"

namespace stx {

namespace vhost_user {
/// Feature bits beside the device's own.
inline constexpr uint64_t kLogAll = 1ULL << 26, kProtocolFeatures = 1ULL << 30,
                          kVersion1 = 1ULL << 32;
/// Protocol feature bits.
inline constexpr uint64_t kMultiQueue = 1ULL << 0, kLogShmFd = 1ULL << 1, kReplyAck = 1ULL << 3,
                          kBackendRequests = 1ULL << 5, kConfigureMemSlots = 1ULL << 15;
}  // namespace vhost_user

struct VhostUserRecorderOptions {
  uint64_t features = vhost_user::kVersion1 | vhost_user::kProtocolFeatures;
  uint64_t protocol_features = vhost_user::kMultiQueue | vhost_user::kReplyAck;
  /// Answers to GET_QUEUE_NUM and GET_MAX_MEM_SLOTS.
  uint64_t queues = 16;
  uint64_t memory_slots = 32;
};

/// How the recorder treats one message.
enum class VhostUserFate {
  kServe,         ///< answer what wants an answer
  kRefuse,        ///< answer NEED_REPLY with an error
  kDie,           ///< close the connection instead of answering
  kAnswerAndDie,  ///< stop reading, answer, close: the front-end's next write finds nobody
};

/// Listens at once; serves one connection at a time on a thread of its own.
class VhostUserRecorder {
 public:
  explicit VhostUserRecorder(const std::filesystem::path& socket,
                             VhostUserRecorderOptions options = {});
  ~VhostUserRecorder();
  VhostUserRecorder(const VhostUserRecorder&) = delete;
  VhostUserRecorder& operator=(const VhostUserRecorder&) = delete;

  /// Decides about each message from now on, on the recorder's thread; null serves all.
  void SetFate(std::function<VhostUserFate(const VhostUserMessage&)> fate);
  /// Raw bytes to send instead of the answer to a message that is served; none for the right one.
  void SetReply(std::function<std::optional<std::string>(const VhostUserMessage&)> reply);
  /// While false, connections wait in the listening socket unanswered. True at the start.
  void SetAccepting(bool accepting);

  /// All messages so far, of all connections. What QEMU had written before the call is in it.
  std::vector<VhostUserMessage> Messages();
  /// Those after the first `count`.
  std::vector<VhostUserMessage> MessagesAfter(size_t count);
  /// Waits until `done` accepts Messages(); false when it did not before the deadline.
  bool WaitUntil(const std::function<bool(const std::vector<VhostUserMessage>&)>& done,
                 const Deadline& deadline);
  /// How many connections were accepted.
  int connections();

 private:
  void Run();
  void ServeOne();
  void Answer(const VhostUserMessage& message, bool refuse);
  void Drop();

  VhostUserRecorderOptions options_;
  std::filesystem::path socket_;
  UniqueFd listener_, wake_;
  // Guards the rest; held from the first byte of a message to its answer.
  std::mutex mutex_;
  UniqueFd connection_;
  std::vector<VhostUserMessage> messages_;
  std::function<VhostUserFate(const VhostUserMessage&)> fate_;
  std::function<std::optional<std::string>(const VhostUserMessage&)> reply_;
  uint64_t agreed_protocol_features_ = 0;
  int connections_ = 0;
  bool accepting_ = true, stop_ = false;
  std::thread thread_;
};

}  // namespace stx
