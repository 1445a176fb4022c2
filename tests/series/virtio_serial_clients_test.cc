// SPDX-License-Identifier: GPL-2.0-or-later
// patches/wro/virtio-serial-stopped-vm.patch: clients that connect and disconnect, and ports that
// are plugged and unplugged, while the VM does not run.

#include "virtio_serial_machines.h"

namespace stx {
namespace {

TEST_F(VirtioSerialStoppedVm, AClientThatConnectsWhenTheTargetRunsGetsTheRestOfAMessage) {
  BeginMessage();
  Migrate();
  Load();
  ExpectALateClientGetsTheRest();
}

TEST_F(VirtioSerialStoppedVm, AClientThatLeavesWhileTheQueuesAreLoadedTakesNothingWithIt) {
  BeginMessage();
  Migrate();
  SetMigrationCapability(target_.qmp(), "events");
  UniqueFd early = target_.Connect();
  TurnMainLoop(target_);
  IncomingStream stream(*target_.qemu);
  stream.Send(head_);
  early.Reset();
  TurnMainLoop(target_);
  stream.Finish(tail_);
  MoveToTarget();
  ExpectALateClientGetsTheRest();
}

TEST_F(VirtioSerialStoppedVm, AClientThatLeavesTheLoadedTargetEndsTheMessageAsInAnyPausedVm) {
  BeginMessage();
  Migrate();
  UniqueFd early = target_.Connect();
  TurnMainLoop(target_);
  Load();
  early.Reset();
  TurnMainLoop(target_);
  target_.qmp().Execute("cont");
  EXPECT_NO_THROW(out_->Wait(Deadline(kTimeout))) << "the guest never gets its buffer back";
  ExpectThePortWorks(target_.Connect());
}

TEST_F(VirtioSerialStoppedVm, APortThatIsPluggedWhileTheQueuesAreLoadedIsAnnounced) {
  target_.qmp().Execute("chardev-add",
                        {{"id", "c1"}, {"backend", {{"type", "null"}, {"data", json::object()}}}});
  Migrate();
  SetMigrationCapability(target_.qmp(), "events");
  IncomingStream stream(*target_.qemu);
  stream.Send(head_);
  target_.Plug(2, "c1");
  TurnMainLoop(target_);
  stream.Finish(tail_);
  MoveToTarget();
  ASSERT_FALSE(control_in_->Take()) << "a guest that does not run got a message";
  target_.qmp().Execute("cont");
  std::vector<ControlMessage> others;
  EXPECT_TRUE(ControlComes({2, kPortAdd, 1}, &others));
  TurnMainLoop(target_);
  while (const auto message = TakeControl()) others.push_back(*message);
  for (const ControlMessage& message : others)
    EXPECT_NE(message.event, kPortAdd) << "port " << message.port << " is announced again";
}

TEST_F(VirtioSerialStoppedVm, APortThatIsUnpluggedBeforeTheStartIsForgotten) {
  Migrate();
  Load();
  target_.qmp().Execute("device_del", {{"id", "port1"}});
  target_.qmp().WaitEvent("DEVICE_DELETED");
  target_.qmp().Execute("cont");
  TurnMainLoop(target_);  // a timer tells the guest what is connected now
  ASSERT_TRUE(target_.qemu->process().Running());
  EXPECT_EQ(device_->Status() & virtio::kNeedsReset, 0);
}

class CommandLinePort : public VirtioSerialStoppedVm {
 protected:
  CommandLinePort() : VirtioSerialStoppedVm(Port::kOfTheCommandLine) {}
};

TEST_F(CommandLinePort, OutlivesAClientThatLeavesBeforeTheTargetRuns) {
  BeginMessage();
  Migrate();
  UniqueFd early = target_.Connect();
  TurnMainLoop(target_);
  Load();
  early.Reset();
  TurnMainLoop(target_);
  ExpectALateClientGetsTheRest();
}

TEST_F(CommandLinePort, NoticesAClientThatLeftAPausedVm) {
  BeginMessage();
  source_.qmp().Execute("stop");
  source_client_.Reset();
  TurnMainLoop(source_);
  source_.qmp().Execute("cont");
  EXPECT_NO_THROW(out_->Wait(Deadline(kTimeout))) << "the guest never gets its buffer back";
  EXPECT_TRUE(ControlComes({1, kPortOpen, 0})) << "the guest is not told";
  ExpectThePortWorks(source_.Connect());
}

}  // namespace
}  // namespace stx
