// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-user back-ends with invalid answers: QEMU refuses the device with a message, or continues
// without it, and never crashes.

#include <algorithm>

#include "harness/qemu/machine_test.h"
#include "harness/vhost_user/vhost_user_recorder.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

using Request = VhostUserRequest;

std::string Frame(uint32_t request, uint32_t flags, uint32_t size, const std::string& payload) {
  std::string frame;
  for (uint32_t word : {request, flags, size}) frame.append(reinterpret_cast<char*>(&word), 4);
  return frame + payload;
}
std::string U64(uint64_t value) { return {reinterpret_cast<char*>(&value), 8}; }

/// An invalid answer to one request at the start.
struct Nonsense {
  const char* name;
  Request to;
  std::string raw;
  bool fatal;  ///< the start must fail; otherwise QEMU may continue
};
void PrintTo(const Nonsense& nonsense, std::ostream* out) { *out << nonsense.name; }

const uint32_t kFeatures = static_cast<uint32_t>(Request::kGetFeatures);
const uint32_t kQueues = static_cast<uint32_t>(Request::kGetQueueNum);
constexpr uint32_t kReply = 5;  // version 1, reply

class HostileBackendStart : public MachineTest, public testing::WithParamInterface<Nonsense> {};

TEST_P(HostileBackendStart, EndsInASentenceOrAMachineThatLives) {
  VhostUserRecorder backend(dir / "fs.sock");
  backend.SetReply([](const VhostUserMessage& message) -> std::optional<std::string> {
    if (message.request == GetParam().to) return GetParam().raw;
    return std::nullopt;
  });
  // If a back-end sends too little, it and QEMU would wait for each other, so it disconnects.
  backend.SetFate([](const VhostUserMessage& message) {
    return message.request == GetParam().to ? VhostUserFate::kAnswerAndDie : VhostUserFate::kServe;
  });
  const RunResult result = RunQemu(
      {"-machine", "q35,accel=tcg,memory-backend=ram", "-m", "64M", "-nodefaults", "-display",
       "none", "-object", "memory-backend-memfd,id=ram,size=64M,share=on", "-chardev",
       "socket,id=fs,path=" + (dir / "fs.sock").string(), "-device",
       "vhost-user-fs-pci,chardev=fs,tag=t,num-request-queues=4", "-S", "-monitor", "stdio"});
  EXPECT_EQ(result.status.signal, 0) << result.err;
  if (GetParam().fatal) {
    EXPECT_EQ(result.status.code, 1) << result.err;
    EXPECT_NE(result.err.find("qemu-system-x86_64"), std::string::npos) << "no message";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Answers, HostileBackendStart,
    testing::Values(
        Nonsense{"Nothing", Request::kGetFeatures, "", true},
        Nonsense{"HalfAHeader", Request::kGetFeatures, "\1\0\0", true},
        Nonsense{"TextOfAnotherProtocol", Request::kGetFeatures, "HTTP/1.1 400 Bad Request\r\n\r\n",
                 true},
        Nonsense{"AnotherRequest", Request::kGetFeatures, Frame(kQueues, kReply, 8, U64(1)), true},
        Nonsense{"NoReplyFlag", Request::kGetFeatures, Frame(kFeatures, 1, 8, U64(1)), true},
        Nonsense{"AnotherVersion", Request::kGetFeatures, Frame(kFeatures, 6, 8, U64(1)), true},
        Nonsense{"PayloadTooShort", Request::kGetFeatures, Frame(kFeatures, kReply, 4, "1234"),
                 true},
        Nonsense{"PayloadTooLong", Request::kGetFeatures,
                 Frame(kFeatures, kReply, 2000, std::string(2000, 'x')), true},
        Nonsense{"SizeOfFourGiB", Request::kGetFeatures, Frame(kFeatures, kReply, ~0U, U64(1)),
                 true},
        Nonsense{"LessThanItAnnounced", Request::kGetFeatures, Frame(kFeatures, kReply, 8, "123"),
                 true},
        Nonsense{"NoQueue", Request::kGetQueueNum, Frame(kQueues, kReply, 8, U64(0)), true},
        Nonsense{"FewerQueuesThanAskedFor", Request::kGetQueueNum,
                 Frame(kQueues, kReply, 8, U64(2)), true},
        Nonsense{"TooManyQueues", Request::kGetQueueNum, Frame(kQueues, kReply, 8, U64(~0ULL)),
                 true}),
    [](const auto& info) { return std::string(info.param.name); });

/// What happens to one request while a driver starts or stops.
struct Mishap {
  const char* name;
  Request at;
  VhostUserFate fate;
  std::string raw;  ///< instead of the answer, unless empty
};
void PrintTo(const Mishap& mishap, std::ostream* out) { *out << mishap.name; }

class HostileBackendWork : public MachineTest, public testing::WithParamInterface<Mishap> {};

TEST_P(HostileBackendWork, LeavesAMachineThatLives) {
  VhostUserRecorder backend(dir / "fs.sock");
  StartMachine({"-chardev", "socket,id=fs,path=" + (dir / "fs.sock").string(), "-device",
                "vhost-user-fs-pci,chardev=fs,tag=t,addr=5"});
  VirtioPciDevice device(*bus, bus->At(5));
  backend.SetFate([](const VhostUserMessage& message) {
    return message.request == GetParam().at ? GetParam().fate : VhostUserFate::kServe;
  });
  backend.SetReply([](const VhostUserMessage& message) -> std::optional<std::string> {
    if (message.request != GetParam().at || GetParam().raw.empty()) return std::nullopt;
    return GetParam().raw;
  });
  for (int round = 0; round < 2; ++round) {
    GuestHeap room(32 << 20, 32 << 20);
    device.Negotiate(0);
    for (uint16_t i = 0; i < 2; ++i) device.SetUpQueue(i, room);
    device.SetDriverOk();
    device.Notify(1);
    ExpectAlive();
    device.Reset();
    ExpectAlive();
  }
  EXPECT_TRUE(backend.WaitUntil(
      [](const std::vector<VhostUserMessage>& messages) {
        return std::any_of(messages.begin(), messages.end(), [](const VhostUserMessage& message) {
          return message.request == GetParam().at;
        });
      },
      Deadline(Milliseconds(5000))))
      << "the request never came: nothing was tried";
}

const uint32_t kBase = static_cast<uint32_t>(Request::kGetVringBase);

INSTANTIATE_TEST_SUITE_P(
    Requests, HostileBackendWork,
    testing::Values(Mishap{"DiesAtFeatures", Request::kSetFeatures, VhostUserFate::kDie, ""},
                    Mishap{"DiesAtMemory", Request::kSetMemTable, VhostUserFate::kDie, ""},
                    Mishap{"RefusesMemory", Request::kSetMemTable, VhostUserFate::kRefuse, ""},
                    Mishap{"DiesAtRingSize", Request::kSetVringNum, VhostUserFate::kDie, ""},
                    Mishap{"DiesAtRingAddresses", Request::kSetVringAddr, VhostUserFate::kDie, ""},
                    Mishap{"DiesAtKick", Request::kSetVringKick, VhostUserFate::kDie, ""},
                    Mishap{"DiesAtEnable", Request::kSetVringEnable, VhostUserFate::kDie, ""},
                    Mishap{"DiesAtTheEnd", Request::kGetVringBase, VhostUserFate::kDie, ""},
                    Mishap{"AnswersAnotherRequestAtTheEnd", Request::kGetVringBase,
                           VhostUserFate::kServe, Frame(kFeatures, kReply, 8, U64(7))},
                    Mishap{"RingStoppedAtAnImpossiblePlace", Request::kGetVringBase,
                           VhostUserFate::kServe,
                           Frame(kBase, kReply, 8, U64(0xffff'ffff'0000'0000))},
                    Mishap{"PayloadOfAnotherSizeAtTheEnd", Request::kGetVringBase,
                           VhostUserFate::kServe, Frame(kBase, kReply, 16, U64(0) + U64(0))}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace stx
