// SPDX-License-Identifier: GPL-2.0-or-later
// A table of what can go wrong with one message to a vhost-user back-end, in each moment of a
// device's life at which that message is sent: the connection is closed instead of an answer, the
// answer is cut short or claims to be long, it is an error, or it is late. The guest and the
// monitor go on, and the device works again: on the next connection, or for the next driver.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "harness/qemu/machine_test.h"
#include "harness/qemu/migration.h"
#include "harness/vhost_user/vhost_user_recorder.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

using Request = VhostUserRequest;
using Messages = std::vector<VhostUserMessage>;

constexpr uint64_t kMiB = 1 << 20;
constexpr Milliseconds kReconnect{30000};

enum class Moment { kStart, kDriver, kReset, kPlug, kMigration };
enum class Fault { kClosed, kShort, kLong, kRefused, kLate };

const char* Name(Moment moment) {
  switch (moment) {
    case Moment::kStart:
      return "AtTheStart";
    case Moment::kDriver:
      return "WhenADriverStarts";
    case Moment::kReset:
      return "WhenADriverResets";
    case Moment::kPlug:
      return "WhenMemoryIsPlugged";
    case Moment::kMigration:
      return "WhenAMigrationStarts";
  }
  return "";
}
const char* Name(Fault fault) {
  switch (fault) {
    case Fault::kClosed:
      return "closed";
    case Fault::kShort:
      return "short";
    case Fault::kLong:
      return "long";
    case Fault::kRefused:
      return "refused";
    case Fault::kLate:
      return "late";
  }
  return "";
}
/// The connection is gone afterwards.
bool Ends(Fault fault) { return fault <= Fault::kLong; }

struct Row {
  Moment moment;
  Request request;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << Name(row.moment) << " " << ToString(row.request);
}

class BackendFaults : public MachineTest, public testing::WithParamInterface<Row> {
 protected:
  void StartRecorder() {
    VhostUserRecorderOptions options;
    options.features |= vhost_user::kLogAll;
    options.protocol_features |= vhost_user::kLogShmFd;
    recorder.emplace(dir / "vhost.sock", options);
  }
  void StartNet() {
    StartMachine({"-m", "slots=8,maxmem=4G", "-chardev",
                  "socket,id=c,reconnect=1,path=" + (dir / "vhost.sock").string(), "-netdev",
                  "vhost-user,id=n,chardev=c", "-device",
                  "virtio-net-pci,netdev=n,disable-legacy=on,addr=5,romfile="});
    device.emplace(*bus, bus->At(5));
  }
  void StartDriver() {
    device->Negotiate(0);
    for (uint16_t i = 0; i < 2; ++i) device->SetUpQueue(i, *heap);
    device->SetDriverOk();
  }
  /// Waits until both rings run on the back-end's connection `number` or a later one.
  bool WaitRingsEnabled(int number) {
    return recorder->WaitRingsEnabled({0, 1}, number, Deadline(kReconnect));
  }
  /// The next such message meets this fault.
  void Arm(Request request, Fault fault) {
    hit = false;
    // The recorder asks for the fate of a message and then, on the same thread, for its reply.
    auto cut = std::make_shared<bool>(false);
    recorder->SetFate([=, this](const VhostUserMessage& m) {
      if (m.request != request || hit) return VhostUserFate::kServe;
      hit = true;
      switch (fault) {
        case Fault::kClosed:
          return VhostUserFate::kDie;
        case Fault::kShort:
        case Fault::kLong:
          *cut = true;
          return VhostUserFate::kAnswerAndDie;
        case Fault::kRefused:
          return VhostUserFate::kRefuse;
        case Fault::kLate:
          std::this_thread::sleep_for(Milliseconds(300));
      }
      return VhostUserFate::kServe;
    });
    recorder->SetReply([=](const VhostUserMessage&) -> std::optional<std::string> {
      if (!std::exchange(*cut, false)) return {};
      // A header (request, flags: version 1 and a reply, size) without all that it announces.
      const uint32_t header[] = {static_cast<uint32_t>(request), 5,
                                 fault == Fault::kShort ? 8u : 0x10000u};
      return std::string(reinterpret_cast<const char*>(header), sizeof(header)) + "\1\2\3";
    });
  }
  void Disarm() {
    recorder->SetFate(nullptr);
    recorder->SetReply(nullptr);
  }
  void ExpectGuestRuns() {
    EXPECT_EQ(qmp().Execute("query-status")["status"], "running");
    qtest().WriteQ(8 * kMiB, 0x0123456789abcdef);
    EXPECT_EQ(qtest().ReadQ(8 * kMiB), 0x0123456789abcdef);
  }
  void PlugMemory(int number) {
    const std::string id = "m" + std::to_string(number);
    qmp().Execute(
        "object-add",
        {{"qom-type", "memory-backend-memfd"}, {"id", id}, {"size", 128 * kMiB}, {"share", true}});
    qmp().Execute("device_add",
                  {{"driver", "pc-dimm"}, {"id", "d" + std::to_string(number)}, {"memdev", id}});
  }
  /// What happens in the moment; `number` counts the faults of the case.
  void Live(Moment moment, int number) {
    switch (moment) {
      case Moment::kStart:
        StartNet();
        break;
      case Moment::kDriver:
        StartDriver();
        break;
      case Moment::kReset:
        device->Reset();
        break;
      case Moment::kPlug:
        PlugMemory(number);
        break;
      case Moment::kMigration:
        EXPECT_EQ(MigrateToNobody(qmp())["status"], "failed");
        break;
    }
  }

  std::optional<VhostUserRecorder> recorder;
  std::optional<VirtioPciDevice> device;
  std::atomic<bool> hit = false;
};

TEST_P(BackendFaults, OfOneMessageLeaveAGuestThatRunsAndADeviceThatWorks) {
  const auto [moment, request] = GetParam();
  const bool running = moment >= Moment::kReset;
  int number = 0;
  for (Fault fault : {Fault::kClosed, Fault::kShort, Fault::kLong, Fault::kRefused, Fault::kLate}) {
    // A migration that a fault does not end goes on without an end.
    if (moment == Moment::kMigration && !Ends(fault)) continue;
    SCOPED_TRACE(Name(fault));
    if (moment == Moment::kStart) recorder.reset();
    if (!recorder) {
      StartRecorder();
      if (moment != Moment::kStart) StartNet();
    }
    if (moment != Moment::kStart) device->Reset();
    if (running) {
      StartDriver();
      ASSERT_TRUE(WaitRingsEnabled(recorder->connections()));
    }
    const int connections = recorder->connections();
    Arm(request, fault);
    Live(moment, number++);
    EXPECT_TRUE(
        recorder->WaitUntil([&](const Messages&) { return hit.load(); }, Deadline(kReconnect)))
        << "the message is not sent in this moment";
    ExpectGuestRuns();
    Disarm();
    if (HasFailure()) return;

    // A driver that is not told of anything finds its device at work on the next connection; one
    // that starts anew finds it so in any case.
    if (Ends(fault) && moment >= Moment::kDriver && moment != Moment::kReset) {
      EXPECT_TRUE(WaitRingsEnabled(connections + 1));
    }
    device->Reset();
    const int last = recorder->connections();
    const size_t before = recorder->Messages().size();
    StartDriver();
    EXPECT_TRUE(recorder->WaitUntil(
        [&](const Messages& messages) {
          return std::count_if(messages.begin() + static_cast<std::ptrdiff_t>(before),
                               messages.end(), [&](const VhostUserMessage& m) {
                                 return m.connection >= last &&
                                        m.request == Request::kSetVringEnable &&
                                        m.RingState().value;
                               }) >= 2;
        },
        Deadline(kReconnect)));
    ExpectGuestRuns();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, BackendFaults,
    testing::Values(
        Row{Moment::kStart, Request::kGetFeatures},
        Row{Moment::kStart, Request::kGetProtocolFeatures},
        Row{Moment::kStart, Request::kSetProtocolFeatures},
        Row{Moment::kStart, Request::kGetQueueNum}, Row{Moment::kStart, Request::kSetOwner},
        Row{Moment::kDriver, Request::kSetFeatures}, Row{Moment::kDriver, Request::kSetMemTable},
        Row{Moment::kDriver, Request::kSetVringNum}, Row{Moment::kDriver, Request::kSetVringBase},
        Row{Moment::kDriver, Request::kSetVringAddr}, Row{Moment::kDriver, Request::kSetVringKick},
        Row{Moment::kDriver, Request::kSetVringCall},
        Row{Moment::kDriver, Request::kSetVringEnable},
        Row{Moment::kReset, Request::kSetVringEnable}, Row{Moment::kReset, Request::kGetVringBase},
        Row{Moment::kPlug, Request::kSetMemTable}, Row{Moment::kMigration, Request::kSetLogBase},
        Row{Moment::kMigration, Request::kSetFeatures},
        Row{Moment::kMigration, Request::kSetVringAddr}),
    [](const auto& row) {
      return std::string(Name(row.param.moment)) + "_" + ToString(row.param.request);
    });

}  // namespace
}  // namespace stx
