// SPDX-License-Identifier: GPL-2.0-or-later
// A vhost-user back-end that disconnects, refuses or does not answer while QEMU waits for it. The
// guest survives, a migration fails with a message, the monitor answers, and the device works when
// the back-end is back.
//   LogStart        vhost-log-start-failure.patch
//   Silent          vhost-user-silent-back-end.patch
//   FailedRealize   vhost-failed-realize.patch

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <iostream>

#include "harness/qemu/device_types.h"
#include "harness/qemu/guest_heap.h"
#include "harness/qemu/migration.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_recorder.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

using Request = VhostUserRequest;
using Messages = std::vector<VhostUserMessage>;

constexpr uint64_t kMiB = 1 << 20;
constexpr Milliseconds kReconnect{30000};

/// A machine with room for DIMMs and, unless a test plugs its own, a virtio-net on a recorder.
class VhostUserFaults : public testing::Test {
 protected:
  void StartQemu(const std::vector<std::string>& args) {
    QemuOptions options;
    options.qtest = true;
    options.args = {"-M",
                    "q35,memory-backend=ram",
                    "-m",
                    "128M,slots=4,maxmem=2G",
                    "-nodefaults",
                    "-object",
                    "memory-backend-memfd,id=ram,size=128M,share=on"};
    options.args.insert(options.args.end(), args.begin(), args.end());
    qemu.emplace(std::move(options));
    qemu->qmp();
    bus.emplace(qemu->qtest());
  }

  std::string Chardev(const std::string& more = "") const {
    return "socket,id=c,path=" + (dir / "vhost.sock").string() + more;
  }

  void StartNet() {
    VhostUserRecorderOptions options;
    options.features |= vhost_user::kLogAll;
    options.protocol_features |= vhost_user::kLogShmFd;
    recorder.emplace(dir / "vhost.sock", options);
    StartQemu({"-chardev", Chardev(",reconnect=1"), "-netdev", "vhost-user,id=n,chardev=c",
               "-device", "virtio-net-pci,netdev=n,disable-legacy=on,addr=5,romfile="});
    device.emplace(*bus, bus->At(5));
    StartDriver();
  }

  void StartDriver() {
    device->Negotiate(0);
    for (uint16_t i = 0; i < 2; ++i) device->SetUpQueue(i, heap);
    device->SetDriverOk();
    ASSERT_TRUE(WaitRingsEnabled(recorder->connections()));
  }

  /// Waits until both rings run on the back-end's connection `number` or a later one.
  bool WaitRingsEnabled(int number) {
    return recorder->WaitRingsEnabled({0, 1}, number, Deadline(kReconnect));
  }

  void ExpectGuestRuns() {
    EXPECT_EQ(qemu->qmp().Execute("query-status")["status"], "running");
    qemu->qtest().WriteQ(64 * kMiB, 0x0123456789abcdef);
    EXPECT_EQ(qemu->qtest().ReadQ(64 * kMiB), 0x0123456789abcdef);
  }

  /// A complete migration, during which the back-end logs.
  void ExpectMigrates() {
    const size_t before = recorder->Messages().size();
    EXPECT_NE(MigrateToBytes(*qemu), "");
    const Messages after = recorder->MessagesAfter(before);
    EXPECT_TRUE(std::any_of(after.begin(), after.end(), [](const VhostUserMessage& m) {
      return m.request == Request::kSetFeatures && m.U64() & vhost_user::kLogAll;
    }));
  }

  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report();
  }

  TempDir dir{"vhost"};
  std::optional<VhostUserRecorder> recorder;
  std::optional<Qemu> qemu;
  std::optional<PciBus> bus;
  std::optional<VirtioPciDevice> device;
  GuestHeap heap{16 * kMiB, 32 * kMiB};
};

class LogStart : public VhostUserFaults {};
class LogStartAt : public LogStart, public testing::WithParamInterface<Request> {};

TEST_P(LogStartAt, MigrationFailsAndTheGuestLivesWhenTheBackEndDies) {
  StartNet();
  recorder->SetFate([](const VhostUserMessage& m) {
    return m.request == GetParam() ? VhostUserFate::kDie : VhostUserFate::kServe;
  });
  recorder->SetAccepting(false);
  const json end = MigrateToNobody(qemu->qmp());
  EXPECT_EQ(end["status"], "failed") << end;
  EXPECT_NE(end.value("error-desc", "").find("cannot log its writes"), std::string::npos) << end;
  ExpectGuestRuns();

  // The port comes back, and migration is possible again.
  const int connections = recorder->connections();
  recorder->SetFate(nullptr);
  recorder->SetAccepting(true);
  ASSERT_TRUE(WaitRingsEnabled(connections + 1));
  ExpectMigrates();
}

INSTANTIATE_TEST_SUITE_P(Message, LogStartAt,
                         testing::Values(Request::kSetLogBase, Request::kSetFeatures,
                                         Request::kSetVringAddr),
                         [](const auto& at) { return ToString(at.param); });

TEST_F(LogStart, MigrationFailsAndTheDeviceWorksOnWhenTheBackEndRefuses) {
  StartNet();
  recorder->SetFate([](const VhostUserMessage& m) {
    return m.request == Request::kSetFeatures && m.U64() & vhost_user::kLogAll
               ? VhostUserFate::kRefuse
               : VhostUserFate::kServe;
  });
  const int connections = recorder->connections();
  EXPECT_EQ(MigrateToNobody(qemu->qmp())["status"], "failed");
  ExpectGuestRuns();
  EXPECT_EQ(recorder->connections(), connections);
  recorder->SetFate(nullptr);
  ExpectMigrates();
}

/// Delays a recorder's answer.
class Gate {
 public:
  ~Gate() { Open(); }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    opened_.wait_for(lock, std::chrono::seconds(60), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

class Silent : public VhostUserFaults {
 protected:
  void SilentAt(Request request) {
    recorder->SetFate([this, request](const VhostUserMessage& m) {
      if (m.request == request) gate.Wait();
      return VhostUserFate::kServe;
    });
  }

  /// The back-end answers now, which is too late, and serves a new connection.
  void ExpectRecovers(int connections) {
    EXPECT_NE(qemu->process().Stderr().find("it is disconnected"), std::string::npos);
    gate.Open();
    recorder->SetFate(nullptr);
    ASSERT_TRUE(WaitRingsEnabled(connections + 1));
    ExpectGuestRuns();
  }

  Gate gate;
};

TEST_F(Silent, WhenAMigrationStartsTheMonitorAnswersAndTheMigrationFails) {
  StartNet();
  const int connections = recorder->connections();
  SilentAt(Request::kSetLogBase);
  EXPECT_EQ(MigrateToNobody(qemu->qmp())["status"], "failed");
  ExpectRecovers(connections);
  ExpectMigrates();
}

TEST_F(Silent, WhenTheDriverResetsTheDeviceTheMonitorAnswers) {
  StartNet();
  const int connections = recorder->connections();
  SilentAt(Request::kGetVringBase);
  device->SetStatus(0);
  EXPECT_EQ(qemu->qmp().Execute("query-status")["status"], "running");
  EXPECT_EQ(device->Status(), 0);
  gate.Open();
  recorder->SetFate(nullptr);
  ASSERT_TRUE(recorder->WaitUntil(
      [&](const Messages& messages) { return messages.back().connection > connections; },
      Deadline(kReconnect)));
  StartDriver();
  EXPECT_GT(recorder->connections(), connections);
  ExpectGuestRuns();
}

TEST_F(Silent, WhenADimmIsPluggedTheMonitorAnswers) {
  StartNet();
  const int connections = recorder->connections();
  SilentAt(Request::kSetMemTable);
  qemu->qmp().Execute(
      "object-add",
      {{"qom-type", "memory-backend-memfd"}, {"id", "mem"}, {"size", 128 * kMiB}, {"share", true}});
  qemu->qmp().Execute("device_add", {{"driver", "pc-dimm"}, {"id", "d"}, {"memdev", "mem"}});
  ExpectRecovers(connections);
}

class FailedRealize : public VhostUserFaults {};

TEST_F(FailedRealize, RngOnAChardevThatReconnectsWaitsForItsBackEndAtStart) {
  if (!HasDeviceType("vhost-user-rng-pci")) GTEST_SKIP() << "$QEMU has no vhost-user-rng-pci";
  recorder.emplace(dir / "vhost.sock");
  StartQemu(
      {"-chardev", Chardev(",reconnect=1"), "-device", "vhost-user-rng-pci,chardev=c,addr=5"});
  device.emplace(*bus, bus->At(5));
  device->Negotiate(0);
  device->SetUpQueue(0, heap);
  device->SetDriverOk();
  ASSERT_TRUE(recorder->WaitUntil(
      [](const Messages& messages) {
        return std::any_of(messages.begin(), messages.end(), [](const VhostUserMessage& m) {
          return m.request == Request::kSetVringKick;
        });
      },
      Deadline(kReconnect)));
  ExpectGuestRuns();
}

class FailedPlug : public FailedRealize, public testing::WithParamInterface<const char*> {};

TEST_P(FailedPlug, OnABackEndThatDiesIsAnErrorAndTheNextOneWorks) {
  const std::string type = GetParam();
  if (!HasDeviceType(type)) GTEST_SKIP() << "$QEMU has no " << type;
  recorder.emplace(dir / "vhost.sock");
  StartQemu({"-device", "pcie-root-port,id=rp,chassis=1,slot=1"});
  const auto plug = [&](const std::string& chardev) {
    qemu->qmp().Execute(
        "chardev-add",
        {{"id", chardev},
         {"backend",
          {{"type", "socket"},
           {"data",
            {{"server", false},
             {"addr",
              {{"type", "unix"}, {"data", {{"path", (dir / "vhost.sock").string()}}}}}}}}}});
    qemu->qmp().Execute("device_add",
                        {{"driver", type}, {"id", "d"}, {"bus", "rp"}, {"chardev", chardev}});
  };
  recorder->SetFate([](const VhostUserMessage& m) {
    return m.request == Request::kSetOwner ? VhostUserFate::kDie : VhostUserFate::kServe;
  });
  EXPECT_THROW(plug("c1"), QmpError);
  ExpectGuestRuns();
  recorder->SetFate(nullptr);
  plug("c2");
  ExpectGuestRuns();
  const json peripherals = qemu->qmp().Execute("qom-list", {{"path", "/machine/peripheral"}});
  EXPECT_TRUE(std::any_of(peripherals.begin(), peripherals.end(),
                          [](const json& child) { return child["name"] == "d"; }));
}

INSTANTIATE_TEST_SUITE_P(Of, FailedPlug,
                         testing::Values("vhost-user-rng-pci", "vhost-user-i2c-pci"),
                         [](const auto& type) {
                           std::string name = type.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(FailedRealize, OnlyMigratableRefusesABackEndWithoutALogAndGoesOn) {
  VhostUserRecorderOptions options;     // without LOG_ALL
  options.protocol_features |= 1 << 9;  // CONFIG
  recorder.emplace(dir / "vhost.sock", options);
  StartQemu({"-only-migratable", "-chardev", Chardev(), "-device",
             "pcie-root-port,id=rp,chassis=1,slot=1"});
  for (int i = 0; i < 2; ++i) {
    try {
      qemu->qmp().Execute(
          "device_add",
          {{"driver", "vhost-user-blk-pci"}, {"id", "d"}, {"bus", "rp"}, {"chardev", "c"}});
      FAIL() << "it was accepted";
    } catch (const QmpError& error) {
      EXPECT_NE(error.desc().find("only-migratable"), std::string::npos) << error.desc();
    }
    ExpectGuestRuns();
  }
}

}  // namespace
}  // namespace stx
