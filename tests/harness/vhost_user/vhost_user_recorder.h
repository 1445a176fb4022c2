// SPDX-License-Identifier: GPL-2.0-or-later
// A vhost-user back-end that serves no ring. It speaks the protocol itself, records every message
// in order, and fails where a test asks for it. Use it to check what QEMU sends; for a back-end
// that moves data, see vhost_user_device.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/os.h"
#include "harness/vhost_user/vhost_user_message.h"

namespace stx {

namespace vhost_user {
/// Feature bits in addition to those of the device.
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

/// What the recorder does with a message.
enum class VhostUserFate {
  kServe,         ///< answer if an answer is expected
  kRefuse,        ///< answer NEED_REPLY with an error
  kDie,           ///< close the connection instead of answering
  kAnswerAndDie,  ///< stop reading, answer and close: the front-end's next write fails
};

/// Listens at once. Serves one connection at a time on its own thread.
class VhostUserRecorder {
 public:
  explicit VhostUserRecorder(const std::filesystem::path& socket,
                             VhostUserRecorderOptions options = {});
  ~VhostUserRecorder();
  VhostUserRecorder(const VhostUserRecorder&) = delete;
  VhostUserRecorder& operator=(const VhostUserRecorder&) = delete;

  /// From now on `fate` decides about each message, on the recorder's thread. Null serves all
  /// messages.
  void SetFate(std::function<VhostUserFate(const VhostUserMessage&)> fate);
  /// `reply` returns the raw bytes that are sent instead of the proper answer to a message, or
  /// nothing for the proper answer.
  void SetReply(std::function<std::optional<std::string>(const VhostUserMessage&)> reply);
  /// While false, connections wait unanswered in the listening socket. True at the start.
  void SetAccepting(bool accepting);

  /// All messages so far, of all connections, including everything that QEMU had written before the
  /// call.
  std::vector<VhostUserMessage> Messages();
  /// The messages after the first `count`.
  std::vector<VhostUserMessage> MessagesAfter(size_t count);
  /// Waits until `done` accepts Messages(); false if the deadline passes first.
  bool WaitUntil(const std::function<bool(const std::vector<VhostUserMessage>&)>& done,
                 const Deadline& deadline);
  /// Waits until these rings, and no others, were enabled on connection `number` or a later one;
  /// false if the deadline passes first.
  bool WaitRingsEnabled(const std::set<uint32_t>& rings, int number, const Deadline& deadline);
  /// The number of connections that were accepted.
  int connections();

 private:
  void Run();
  void ServeOne();
  void Answer(const VhostUserMessage& message, bool refuse);
  void Drop();

  VhostUserRecorderOptions options_;
  std::filesystem::path socket_;
  UniqueFd listener_, wake_;
  // Guards the members below. It is held from the first byte of a message until its answer is sent.
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
