// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-stop-what-was-started.patch: a driver that sets up or resets rings at times that no
// specification allows does not end QEMU, and the back-end hears only about rings that it was given
// at the start.

#include <gtest/gtest.h>

#include "vhost_user_rings.h"

namespace stx {
namespace {

std::vector<uint32_t> RingsStopped(const Messages& messages) {
  std::vector<uint32_t> rings;
  for (const VhostUserMessage& m : messages)
    if (m.request == Request::kGetVringBase) rings.push_back(m.RingState().index);
  return rings;
}

class VhostStop : public RingAddresses {
 protected:
  /// Writes the field at `offset` of the common configuration for queue `index`.
  void WriteQueueField(uint16_t index, virtio_pci::Common offset, uint16_t value) {
    qemu_->qtest().WriteW(device_->common() + virtio_pci::kQueueSelect, index);
    qemu_->qtest().WriteW(device_->common() + offset, value);
  }
};

TEST_F(VhostStop, SkipsARingThatWasSetUpAfterDriverOk) {
  Start();
  StartDriver(1);
  device_->SetUpQueue(2, heap_);
  device_->SetUpQueue(3, heap_);
  const size_t before = recorder_->Messages().size();
  device_->Reset();
  ExpectAlive();
  EXPECT_EQ(RingsStopped(recorder_->MessagesAfter(before)), (std::vector<uint32_t>{0, 1}));
}

TEST_F(VhostStop, SkipsItAlsoWhenAnEarlierDriverHadStartedIt) {
  Start();
  StartDriver(2);
  device_->Reset();
  StartDriver(1);
  device_->SetUpQueue(2, heap_);
  device_->SetUpQueue(3, heap_);
  const size_t before = recorder_->Messages().size();
  PlugDimm("dimm0");
  EXPECT_EQ(RingsAddressed(recorder_->MessagesAfter(before)), (std::vector<uint32_t>{0, 1}));
  device_->Reset();
  ExpectAlive();
  EXPECT_EQ(RingsStopped(recorder_->MessagesAfter(before)), (std::vector<uint32_t>{0, 1}));
  // And the next driver gets what it sets up.
  const size_t stopped = recorder_->Messages().size();
  StartDriver(2);
  EXPECT_EQ(RingsAddressed(recorder_->MessagesAfter(stopped)), (std::vector<uint32_t>{0, 1, 2, 3}));
}

TEST_F(VhostStop, SendsNoAddressesOfSuchARingWhenAMigrationBegins) {
  VhostUserRecorderOptions options;
  options.features |= vhost_user::kLogAll;
  options.protocol_features |= vhost_user::kLogShmFd;
  Start(options);
  StartDriver(2);
  device_->SetUpQueue(4, heap_);
  // A back-end may well refuse an address for which it has no memory.
  recorder_->SetFate([](const VhostUserMessage& m) {
    return m.request == Request::kSetVringAddr && m.RingAddresses().descriptors == 0
               ? VhostUserFate::kRefuse
               : VhostUserFate::kServe;
  });
  const size_t before = recorder_->Messages().size();
  const UniqueFd target = StartEndlessMigration();
  ExpectAlive();
  EXPECT_EQ(RingsAddressed(recorder_->MessagesAfter(before)), (std::vector<uint32_t>{0, 1, 2, 3}));
}

// 7.2 does not tell a vhost-user back-end about such a reset, so the ring runs there until the
// device stops.
TEST_F(VhostStop, ForgetsNoRingThatTheDriverResetByItself) {
  VhostUserRecorderOptions options;
  options.features |= kRingReset;
  Start(options);
  StartDriver(1, kRingReset);
  const size_t before = recorder_->Messages().size();
  WriteQueueField(0, virtio_pci::kQueueReset, 1);
  device_->Reset();
  ExpectAlive();
  EXPECT_EQ(RingsStopped(recorder_->MessagesAfter(before)), (std::vector<uint32_t>{0, 1}));
}

}  // namespace
}  // namespace stx
