// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-user-ring-addresses.patch (WRO 9): after a new memory table the back-end gets the addresses
// of the active rings again, and of no others. If a back-end disconnects in between, neither the
// guest nor the device is lost.

#include <gtest/gtest.h>

#include <algorithm>

#include "vhost_user_rings.h"

namespace stx {
namespace {

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
  EXPECT_EQ(Count(after, Request::kSetVringAddr), 0U) << "nothing else sends them";
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
  // The second driver's ring 0 is elsewhere, and that address must be sent.
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
  const UniqueFd target = StartEndlessMigration();
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
  ExpectNoAddressesAfterARefusedTable();
  EXPECT_NE(qemu_->process().Stderr().find("vhost_set_mem_table failed"), std::string::npos);
  // The next table is accepted, and everything is well again.
  ExpectAddressesAfterTheNextTable({0, 1});
}

TEST_F(RingAddresses, OfNoPairAreSentAfterATableThatTheBackEndRefuses) {
  Start();
  StartDriver(kPairs);
  EnablePairs(kPairs);
  ExpectNoAddressesAfterARefusedTable();
  // Not for ever: after a table that is accepted, all addresses are sent again.
  ExpectAddressesAfterTheNextTable({0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_F(RingAddresses, OfPackedRingsFollowTheTable) {
  VhostUserRecorderOptions options;
  options.features |= virtio::Bit(virtio::kFeatureRingPacked);
  Start(options, {}, ",packed=on");
  ASSERT_TRUE(device_->Negotiate(virtio::Bit(virtio::kFeatureRingPacked)) &
              virtio::Bit(virtio::kFeatureRingPacked));
  for (uint16_t i = 0; i < 2; ++i) device_->SetUpPackedQueue(i, heap_);
  device_->SetDriverOk();
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  ExpectRefresh(before, 3, {0, 1});
}

TEST_F(RingAddresses, BehindAnIommuAreSentAsTheDriverGaveThem) {
  VhostUserRecorderOptions options;
  options.features |= kIommuPlatform;
  options.protocol_features |= vhost_user::kBackendRequests;
  Start(options, {"-device", "intel-iommu,device-iotlb=on"}, ",iommu_platform=on,ats=on");
  ASSERT_TRUE(device_->Negotiate(kIommuPlatform) & kIommuPlatform);
  std::vector<Virtqueue> queues;
  for (uint16_t i = 0; i < 2; ++i) queues.push_back(device_->SetUpQueue(i, heap_));
  device_->SetDriverOk();
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  const Messages after = recorder_->MessagesAfter(before);
  SCOPED_TRACE(ToString(after));
  ASSERT_EQ(RingsAddressed(after), (std::vector<uint32_t>{0, 1}));
  for (const auto& [ring, a] : AddressesIn(after)) {
    EXPECT_EQ(a.descriptors, queues[ring].descriptors()) << ring;
    EXPECT_EQ(a.available, queues[ring].available()) << ring;
    EXPECT_EQ(a.used, queues[ring].used()) << ring;
  }
}

TEST_F(RingAddresses, SayWhetherAMigrationLogsAfterTheBackEndCameBack) {
  VhostUserRecorderOptions options;
  options.features |= vhost_user::kLogAll;
  options.protocol_features |= vhost_user::kLogShmFd;
  Start(options, {"-object", "memory-backend-memfd,id=shm,size=1M,share=on", "-device",
                  "ivshmem-plain,memdev=shm,master=on,addr=6"});
  StartDriver(2);
  EnablePairs(2);
  const UniqueFd target = StartEndlessMigration();
  recorder_->SetFate([](const VhostUserMessage&) { return VhostUserFate::kDie; });
  recorder_->SetAccepting(false);
  bus_->Enable(bus_->At(6));  // sends a message to the back-end, which makes it disconnect
  recorder_->SetFate(nullptr);
  recorder_->SetAccepting(true);
  const auto running_again = [](const Messages& messages) {
    return std::any_of(messages.begin(), messages.end(), [](const VhostUserMessage& m) {
      return m.connection == 2 && m.request == Request::kSetVringEnable && m.RingState().index == 3;
    });
  };
  ASSERT_TRUE(recorder_->WaitUntil(running_again, Deadline(Milliseconds(15000))))
      << qemu_->Report();
  ExpectAlive();
  const size_t before = recorder_->Messages().size();
  bus_->At(6).WriteW(pci::kCommand, 0);
  const Messages after = recorder_->MessagesAfter(before);
  SCOPED_TRACE(ToString(after));
  EXPECT_EQ(RingsAddressed(after), (std::vector<uint32_t>{0, 1, 2, 3}));
  // fixes/vhost-log-start-failure.patch may have ended the migration, because its log was lost.
  const std::string status = qemu_->qmp().Execute("query-migrate")["status"];
  for (const auto& [ring, a] : AddressesIn(after))
    EXPECT_EQ(a.flags, status == "active" ? 1U : 0U)
        << ring << " in a migration that is " << status;
}

/// The point of the hot-plug at which the back-end disconnects.
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
  ASSERT_TRUE(recorder_->WaitRingsEnabled({0, 1, 2, 3}, 2, Deadline(Milliseconds(15000))))
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
