// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-user-ring-addresses.patch (WRO 9): after a new memory table the back-end gets the addresses
// of the live rings again, of those and no others; a back-end that dies in between takes neither
// the guest nor the device with it.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_recorder.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

using Request = VhostUserRequest;
using Messages = std::vector<VhostUserMessage>;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint16_t kNet = 1, kRng = 4;  // virtio device types
constexpr uint64_t kNetCtrlVq = 1ULL << 17, kNetMq = 1ULL << 22;
constexpr int kPairs = 4;
constexpr uint16_t kControlQueue = 2 * kPairs;

std::string ToString(const Messages& messages) {
  std::string text;
  for (const VhostUserMessage& m : messages) text += m.ToString() + "\n";
  return text;
}

std::vector<uint32_t> RingsAddressed(const Messages& messages) {
  std::vector<uint32_t> rings;
  for (const VhostUserMessage& m : messages)
    if (m.request == Request::kSetVringAddr) rings.push_back(m.RingAddresses().index);
  return rings;
}

std::map<uint32_t, VhostUserRingAddresses> AddressesIn(const Messages& messages) {
  std::map<uint32_t, VhostUserRingAddresses> addresses;
  for (const VhostUserMessage& m : messages)
    if (m.request == Request::kSetVringAddr) {
      VhostUserRingAddresses a = m.RingAddresses();
      addresses[a.index] = a;
    }
  return addresses;
}

size_t Count(const Messages& messages, Request request) {
  return static_cast<size_t>(std::count_if(messages.begin(), messages.end(),
                                           [&](const auto& m) { return m.request == request; }));
}

/// A machine with room for DIMMs, a virtio-net of 4 queue pairs on a recording back-end, and a
/// driver for it.
class RingAddresses : public testing::Test {
 protected:
  void Start(VhostUserRecorderOptions options = {}, const std::vector<std::string>& more = {}) {
    options.features |= kNetMq;
    std::vector<std::string> device{
        "-netdev", "vhost-user,id=n,chardev=c,queues=" + std::to_string(kPairs), "-device",
        "virtio-net-pci,netdev=n,mq=on,disable-legacy=on,addr=5,romfile="};
    device.insert(device.end(), more.begin(), more.end());
    StartDevice(kNet, device, ",reconnect=1", options);
  }

  /// `device` gives arguments for a virtio device on chardev c in slot 5, `chardev` more options
  /// of that.
  void StartDevice(uint16_t type, const std::vector<std::string>& device,
                   const std::string& chardev, const VhostUserRecorderOptions& options = {}) {
    recorder_.emplace(dir_ / "vhost.sock", options);
    QemuOptions qemu;
    qemu.qtest = true;
    qemu.args = {"-M",       "q35,memory-backend=ram",
                 "-m",       "128M,slots=4,maxmem=2G",
                 "-object",  "memory-backend-memfd,id=ram,size=128M,share=on",
                 "-chardev", "socket,id=c,path=" + (dir_ / "vhost.sock").string() + chardev};
    qemu.args.insert(qemu.args.end(), device.begin(), device.end());
    qemu_.emplace(std::move(qemu));
    bus_.emplace(qemu_->qtest());
    device_.emplace(*bus_, bus_->At(5));
    ASSERT_EQ(device_->pci().device(), virtio::PciId(type));
  }

  void TearDown() override {
    if (HasFailure() && qemu_) std::cerr << qemu_->Report();
  }

  /// The driver's part: features, the rings of the first `pairs` pairs, the control queue.
  void StartDriver(int pairs, uint64_t features = kNetMq | kNetCtrlVq) {
    device_->Negotiate(features);
    for (uint16_t i = 0; i < 2 * pairs; ++i) device_->SetUpQueue(i, heap_);
    if (features & kNetMq) control_.emplace(device_->SetUpQueue(kControlQueue, heap_, 64));
    device_->SetDriverOk();
  }

  /// VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET (virtio 1.2, section 5.1.6.5.5).
  void EnablePairs(uint16_t pairs) {
    const uint64_t command = heap_.Allocate(2), value = heap_.Allocate(2), ack = heap_.Allocate(1);
    QTest& qtest = qemu_->qtest();
    qtest.WriteB(command, 4);
    qtest.WriteB(command + 1, 0);
    qtest.WriteW(value, pairs);
    qtest.WriteB(ack, 0xff);
    control_->Add({{command, 2, false}, {value, 2, false}, {ack, 1, true}});
    device_->Notify(kControlQueue);
    control_->Wait(Deadline(Milliseconds(5000)));
    ASSERT_EQ(qtest.ReadB(ack), 0);
  }

  void PlugDimm(const std::string& id) {
    qemu_->qmp().Execute("object-add", {{"qom-type", "memory-backend-memfd"},
                                        {"id", "mem-" + id},
                                        {"size", 128 * kMiB},
                                        {"share", true}});
    qemu_->qmp().Execute("device_add",
                         {{"driver", "pc-dimm"}, {"id", id}, {"memdev", "mem-" + id}});
  }

  /// The guest's part of an unplug: ACPI ejects the DIMM in `slot` (docs/specs/acpi_mem_hotplug).
  void UnplugDimm(const std::string& id, uint32_t slot) {
    constexpr uint16_t kAcpiMemoryHotplug = 0x0a00;
    qemu_->qmp().Execute("device_del", {{"id", id}});
    qemu_->qtest().OutL(kAcpiMemoryHotplug, slot);
    qemu_->qtest().OutB(kAcpiMemoryHotplug + 0x14, 1 << 3);
    qemu_->qmp().WaitEvent("DEVICE_DELETED");
  }

  void ExpectAlive() {
    EXPECT_EQ(qemu_->qmp().Execute("query-status")["status"], "running");
    qemu_->qtest().WriteQ(64 * kMiB, 0x0123456789abcdef);
    EXPECT_EQ(qemu_->qtest().ReadQ(64 * kMiB), 0x0123456789abcdef);
  }

  /// After `before` messages: one new table of `regions` regions, then each of `rings` once with
  /// the addresses that it had, all of them in the table's memory, and nothing else about rings.
  void ExpectRefresh(size_t before, size_t regions, const std::vector<uint32_t>& rings) {
    const Messages all = recorder_->Messages();
    const auto old = AddressesIn({all.begin(), all.begin() + static_cast<ptrdiff_t>(before)});
    const Messages after = recorder_->MessagesAfter(before);
    SCOPED_TRACE(ToString(after));
    ASSERT_EQ(Count(after, Request::kSetMemTable), 1U);
    ASSERT_EQ(after.front().request, Request::kSetMemTable);
    const auto table = after.front().Regions();
    EXPECT_EQ(table.size(), regions);
    EXPECT_EQ(static_cast<size_t>(after.front().descriptors), regions);
    EXPECT_EQ(RingsAddressed(after), rings);
    for (const auto& [ring, a] : AddressesIn(after)) {
      SCOPED_TRACE("ring " + std::to_string(ring));
      ASSERT_TRUE(old.contains(ring));
      EXPECT_TRUE(a == old.at(ring));
      for (uint64_t address : {a.descriptors, a.available, a.used})
        EXPECT_TRUE(std::any_of(table.begin(), table.end(), [&](const VhostUserRegion& region) {
          return region.HoldsUser(address, 4096);
        }));
    }
    EXPECT_EQ(after.size(), 1 + rings.size());
  }

  TempDir dir_{"rings"};
  std::optional<VhostUserRecorder> recorder_;
  std::optional<Qemu> qemu_;
  std::optional<PciBus> bus_;
  std::optional<VirtioPciDevice> device_;
  std::optional<Virtqueue> control_;
  GuestHeap heap_{16 * kMiB, 32 * kMiB};
};

TEST_F(RingAddresses, FollowTheTableWhenADimmIsPlugged) {
  Start();
  StartDriver(kPairs);
  EnablePairs(kPairs);
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  ExpectRefresh(before, 3, {0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_F(RingAddresses, FollowTheTableWhenADimmIsUnplugged) {
  Start();
  StartDriver(1);
  PlugDimm("dimm0");
  const size_t before = recorder_->Messages().size();
  UnplugDimm("dimm0", 0);
  ExpectRefresh(before, 2, {0, 1});
}

TEST_F(RingAddresses, OfRingsThatWereNotSetUpAreNotSent) {
  Start();
  StartDriver(2);
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  ExpectRefresh(before, 3, {0, 1, 2, 3});
}

TEST_F(RingAddresses, OfASetUpPairThatIsSwitchedOffAreSentSoThatItCanBeSwitchedOn) {
  Start();
  StartDriver(2);
  EnablePairs(1);
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  ExpectRefresh(before, 3, {0, 1, 2, 3});

  const size_t plugged = recorder_->Messages().size();
  EnablePairs(2);
  const Messages after = recorder_->MessagesAfter(plugged);
  SCOPED_TRACE(ToString(after));
  EXPECT_GT(Count(after, Request::kSetVringEnable), 0U);
  EXPECT_EQ(Count(after, Request::kSetVringAddr), 0U) << "nobody else sends them";
}

TEST_F(RingAddresses, OfTheOnlyPairAreSentWhenTheDriverHasNoMultiqueue) {
  Start();
  StartDriver(1, 0);
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  ExpectRefresh(before, 3, {0, 1});
}

TEST_F(RingAddresses, OfAnEarlierDriverAreForgotten) {
  Start();
  StartDriver(3);
  const size_t first_driver = recorder_->Messages().size();
  StartDriver(1);
  // The second driver's ring 0 is elsewhere: what is refreshed must be that.
  ASSERT_EQ(RingsAddressed(recorder_->MessagesAfter(first_driver)), (std::vector<uint32_t>{0, 1}));
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  ExpectRefresh(before, 3, {0, 1});
}

TEST_F(RingAddresses, AreNotSentForADeviceWithoutADriver) {
  Start();
  PlugDimm("dimm0");
  EXPECT_EQ(Count(recorder_->Messages(), Request::kSetVringAddr), 0U);
  StartDriver(1);
  const size_t started = recorder_->Messages().size();
  device_->Reset();
  PlugDimm("dimm1");
  EXPECT_EQ(Count(recorder_->MessagesAfter(started), Request::kSetVringAddr), 0U);
}

TEST_F(RingAddresses, FollowTheAddedRegionWithConfigurableMemorySlots) {
  VhostUserRecorderOptions options;
  options.protocol_features |= vhost_user::kConfigureMemSlots;
  Start(options);
  StartDriver(2);
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  const Messages after = recorder_->MessagesAfter(before);
  SCOPED_TRACE(ToString(after));
  EXPECT_EQ(after.front().request, Request::kAddMemReg);
  EXPECT_EQ(after.front().Regions().at(0).size, 128 * kMiB);
  EXPECT_EQ(RingsAddressed(after), (std::vector<uint32_t>{0, 1, 2, 3}));
}

TEST_F(RingAddresses, KeepTheDirtyLogFlagWhenADeviceMapsItsMemoryDuringMigration) {
  VhostUserRecorderOptions options;
  options.features |= vhost_user::kLogAll;
  options.protocol_features |= vhost_user::kLogShmFd;
  Start(options, {"-object", "memory-backend-memfd,id=shm,size=1M,share=on", "-device",
                  "ivshmem-plain,memdev=shm,master=on,addr=6"});
  StartDriver(2);
  // A target that takes the stream and never reads it, so that the migration goes on for long.
  UniqueFd target = ListenUnix(dir_ / "target.sock");
  qemu_->qmp().Execute("migrate-set-parameters", {{"max-bandwidth", 4096}});
  qemu_->qmp().Execute("migrate", {{"uri", "unix:" + (dir_ / "target.sock").string()}});
  const auto logging = [](const Messages& messages) {
    const auto addresses = AddressesIn(messages);
    return addresses.size() == 4 && std::all_of(addresses.begin(), addresses.end(),
                                                [](const auto& a) { return a.second.flags == 1; });
  };
  ASSERT_TRUE(recorder_->WaitUntil(logging, Deadline(Milliseconds(10000))));
  const size_t before = recorder_->Messages().size();
  bus_->Enable(bus_->At(6));
  const Messages after = recorder_->MessagesAfter(before);
  SCOPED_TRACE(ToString(after));
  EXPECT_EQ(Count(after, Request::kSetMemTable), 1U);
  EXPECT_EQ(RingsAddressed(after), (std::vector<uint32_t>{0, 1, 2, 3}));
  for (const auto& [ring, a] : AddressesIn(after)) EXPECT_EQ(a.flags, 1U) << ring;
}

TEST_F(RingAddresses, FollowTheTableWhenADeviceMapsAndUnmapsItsMemory) {
  Start({}, {"-object", "memory-backend-memfd,id=shm,size=1M,share=on", "-device",
             "ivshmem-plain,memdev=shm,addr=6"});
  StartDriver(1);
  size_t before = recorder_->Messages().size();
  bus_->Enable(bus_->At(6));
  ExpectRefresh(before, 3, {0, 1});
  before = recorder_->Messages().size();
  bus_->At(6).WriteW(pci::kCommand, 0);
  ExpectRefresh(before, 2, {0, 1});
}

TEST_F(RingAddresses, AreNotSentAfterATableThatTheBackEndRefuses) {
  Start();
  StartDriver(1);
  recorder_->SetFate([](const VhostUserMessage& m) {
    return m.request == Request::kSetMemTable ? VhostUserFate::kRefuse : VhostUserFate::kServe;
  });
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  const Messages after = recorder_->MessagesAfter(before);
  EXPECT_EQ(Count(after, Request::kSetVringAddr), 0U) << ToString(after);
  ExpectAlive();
  EXPECT_NE(qemu_->process().Stderr().find("vhost_set_mem_table failed"), std::string::npos);
  // The next table is taken, and everything is well again.
  recorder_->SetFate(nullptr);
  const size_t refused = recorder_->Messages().size();
  PlugDimm("dimm1");
  ExpectRefresh(refused, 4, {0, 1});
}

/// Where the back-end dies during the hot-plug.
struct Death {
  const char* name;
  Request at;
  uint32_t ring;  // for kSetVringAddr
  VhostUserFate fate;
  const char* report;  // on stderr
};

void PrintTo(const Death& death, std::ostream* out) { *out << death.name; }

class BackEndDies : public RingAddresses, public testing::WithParamInterface<Death> {};

TEST_P(BackEndDies, GuestLivesAndTheDeviceRecoversOnReconnect) {
  const Death& death = GetParam();
  Start();
  StartDriver(2);
  EnablePairs(2);
  recorder_->SetAccepting(false);
  recorder_->SetFate([&death](const VhostUserMessage& m) {
    const bool now = m.request == death.at &&
                     (m.request != Request::kSetVringAddr || m.RingAddresses().index == death.ring);
    return now ? death.fate : VhostUserFate::kServe;
  });
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  ExpectAlive();
  ASSERT_EQ(recorder_->MessagesAfter(before).back().request, death.at);

  recorder_->SetFate(nullptr);
  recorder_->SetAccepting(true);
  const auto running_again = [](const Messages& messages) {
    std::set<uint32_t> rings;
    for (const VhostUserMessage& m : messages)
      if (m.connection == 2 && m.request == Request::kSetVringEnable && m.RingState().value)
        rings.insert(m.RingState().index);
    return rings == std::set<uint32_t>{0, 1, 2, 3};
  };
  ASSERT_TRUE(recorder_->WaitUntil(running_again, Deadline(Milliseconds(15000))))
      << ToString(recorder_->MessagesAfter(before)) << qemu_->Report();
  ExpectAlive();

  Messages second = recorder_->MessagesAfter(before);
  std::erase_if(second, [](const VhostUserMessage& m) { return m.connection != 2; });
  SCOPED_TRACE(ToString(second));
  EXPECT_EQ(Count(second, Request::kSetMemTable), 1U);
  EXPECT_EQ(RingsAddressed(second), (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(Count(second, Request::kSetVringKick), 4U);

  const size_t recovered = recorder_->Messages().size();
  PlugDimm("dimm1");
  ExpectRefresh(recovered, 4, {0, 1, 2, 3});
  EXPECT_NE(qemu_->process().Stderr().find(death.report), std::string::npos) << qemu_->Report();
}

TEST_F(RingAddresses, GuestLivesWhenADeviceThatStopsAtOnceLosesItsBackEndBetweenTheMessages) {
  // vhost-user-rng stops its vhost device from within the failing write. It does not reconnect.
  StartDevice(kRng, {"-device", "vhost-user-rng-pci,chardev=c,addr=5"}, "");
  device_->Negotiate(0);
  device_->SetUpQueue(0, heap_);
  device_->SetDriverOk();
  recorder_->SetFate([](const VhostUserMessage& m) {
    return m.request == Request::kSetMemTable ? VhostUserFate::kAnswerAndDie
                                              : VhostUserFate::kServe;
  });
  PlugDimm("dimm0");
  ExpectAlive();
  EXPECT_NE(qemu_->process().Stderr().find("vhost_set_vring_addr failed"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(RingAddresses, BackEndDies,
                         testing::Values(Death{"AtTheTable", Request::kSetMemTable, 0,
                                               VhostUserFate::kDie, "vhost_set_mem_table failed"},
                                         Death{"BetweenTableAndFirstRing", Request::kSetMemTable, 0,
                                               VhostUserFate::kAnswerAndDie,
                                               "vhost_set_vring_addr failed"},
                                         Death{"BetweenTwoRings", Request::kSetVringAddr, 0,
                                               VhostUserFate::kAnswerAndDie, ""}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace stx
