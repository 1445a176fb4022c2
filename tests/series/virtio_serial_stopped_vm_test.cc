// SPDX-License-Identifier: GPL-2.0-or-later
// patches/wro/virtio-serial-stopped-vm.patch: at a migration target that does not run yet, chardev
// traffic must not reach the queues. Nothing is lost, and everything arrives when the target runs.

#include "virtio_serial_machines.h"

namespace stx {
namespace {

TEST_F(VirtioSerialStoppedVm, DataSentToAPausedTargetArrivesWhenItRuns) {
  Migrate();
  SetMigrationCapability(target_.qmp(), "events");
  UniqueFd client = target_.Connect();
  IncomingStream(*target_.qemu).Finish(head_ + tail_);
  MoveToTarget();
  WriteAll(client.get(), "early");
  TurnMainLoop(target_);
  ASSERT_FALSE(in_->Take()) << "a guest that does not run got data";
  target_.qmp().Execute("cont");
  EXPECT_EQ(Received(5), "early");
  WriteAll(client.get(), "late");
  EXPECT_EQ(Received(4), "late");
  EXPECT_EQ(device_->Status() & virtio::kNeedsReset, 0);
}

TEST_F(VirtioSerialStoppedVm, AClientMayConnectWhileTheQueuesAreLoaded) {
  Migrate();
  SetMigrationCapability(target_.qmp(), "events");
  IncomingStream stream(*target_.qemu);
  stream.Send(head_);
  UniqueFd client = target_.Connect();
  WriteAll(client.get(), "early");
  TurnMainLoop(target_);
  stream.Finish(tail_);
  MoveToTarget();
  ASSERT_EQ(device_->Status() & virtio::kNeedsReset, 0) << "the device broke before the guest ran";
  target_.qmp().Execute("cont");
  EXPECT_EQ(Received(5), "early");
}

// A change of the memory map makes the rings accessible before their indices are known.
TEST_F(VirtioSerialStoppedVm, TheTargetSurvivesDataAndAHotPlugWhileTheQueuesAreLoaded) {
  Migrate();
  SetMigrationCapability(target_.qmp(), "events");
  UniqueFd client = target_.Connect();
  TurnMainLoop(target_);
  IncomingStream stream(*target_.qemu);
  stream.Send(head_);
  target_.qmp().Execute("device_add", {{"driver", "pci-testdev"}, {"id", "t"}, {"addr", "0x8"}});
  WriteAll(client.get(), "early");
  TurnMainLoop(target_);
  stream.Finish(tail_);
  auto end = target_.qemu->process().Wait(Milliseconds(500));
  ASSERT_FALSE(end) << "the target died: " << end->ToString();
  MoveToTarget();
  target_.qmp().Execute("cont");
  EXPECT_EQ(Received(5), "early");
}

TEST_F(VirtioSerialStoppedVm, AnElementBegunByTheSourceIsContinuedAtTheTarget) {
  // Enough before the migration to advance the ring indices past the size of the ring.
  const std::string warm_up(3 * kQueueSize, 'w');
  qtest().MemWrite(kOutBuffer, warm_up.data(), warm_up.size());
  for (size_t i = 0; i < warm_up.size(); ++i) {
    Offer(*out_, kPortOut, kOutBuffer, 1, false);
    ASSERT_TRUE(out_->Take());
  }
  ASSERT_EQ(ReadUntilQuiet(source_client_.get(), Milliseconds(1000), warm_up.size()), warm_up);

  // Nobody reads at the source, so the element stays incomplete when the socket is full.
  BeginMessage();
  Migrate();
  SetMigrationCapability(target_.qmp(), "events");
  UniqueFd client = target_.Connect();
  TurnMainLoop(target_);
  IncomingStream stream(*target_.qemu);
  stream.Send(head_);
  TurnMainLoop(target_);
  stream.Finish(tail_);
  MoveToTarget();
  EXPECT_EQ(device_->Status() & virtio::kNeedsReset, 0) << "the device broke before the guest ran";
  EXPECT_FALSE(WaitFor(client.get(), POLLIN, Deadline(Milliseconds(100))))
      << "the port sent while the guest did not run";
  target_.qmp().Execute("cont");

  ExpectTheRest(client);
}

}  // namespace
}  // namespace stx
