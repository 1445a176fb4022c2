// SPDX-License-Identifier: GPL-2.0-or-later
// Errors of a guest's vsock driver; and pauses, migrations and exits of the guest, of QEMU and of
// the back-end.
#include "base/pattern.h"
#include "base/throws.h"
#include "base/waiting.h"
#include "harness/qemu/migration.h"
#include "vsock/vhost_user_vsock.h"

namespace stx {
namespace {

TEST_F(VhostUserVsock, APacketMayLieInAnyPieces) {
  UniqueFd host = Connect();
  std::string bytes = MakePattern(100, 1);
  VsockHeader header{.src_cid = kCid,
                     .dst_cid = kVsockHostCid,
                     .src_port = 1000,
                     .dst_port = 80,
                     .len = 100,
                     .op = kVsockRw,
                     .buf_alloc = 4096};
  std::string packet(reinterpret_cast<const char*>(&header), sizeof(header));
  packet += bytes;
  driver->SendRaw({packet});
  EXPECT_EQ(Read(host, 100), bytes);
  driver->SendRaw({packet.substr(0, 1), packet.substr(1, 40), packet.substr(41, 13),
                   packet.substr(54, 1), packet.substr(55)});
  EXPECT_EQ(Read(host, 100), bytes);
  driver->SendRaw({packet + "not of the packet"});
  SendBytes("next");
  EXPECT_EQ(Read(host, 104), bytes + "next");
}

TEST_F(VhostUserVsock, ALengthPastTheChainIsReset) {
  UniqueFd host = Connect();
  for (uint32_t length : {11u, 0x10000u, 0xffffffffu}) {
    driver->Send({.src_port = 1000, .dst_port = 80, .len = length, .op = kVsockRw}, "ten bytes.");
    EXPECT_EQ(ReceiveOp(), kVsockRst) << length;
    EXPECT_EQ(Read(host), "") << length;
    host = Connect();
  }
}

TEST_F(VhostUserVsock, HalfAHeaderIsIgnored) {
  driver->SendRaw({"x"});
  driver->SendRaw({std::string(43, '\1')});
  EXPECT_EQ(ReceiveOp(Milliseconds(50)), -1);
  ExpectAlive();
}

TEST_F(VhostUserVsock, AReceiveBufferThatFitsNothingComesBackEmpty) {
  // The 32 valid buffers are used first.
  uint64_t small = heap->Allocate(64);
  uint16_t head = driver->rx().Add({{small, 44, true}});
  device->Notify(kVsockRxQueue);
  for (int i = 0; i < 32; ++i) {
    driver->Send({.src_port = 1000, .dst_port = 81, .op = kVsockRequest});
    driver->rx().Wait(Deadline(kWait));
  }
  driver->Send({.src_port = 1000, .dst_port = 81, .op = kVsockRequest});
  Virtqueue::Used used = driver->rx().Wait(Deadline(kWait));
  EXPECT_EQ(used.head, head);
  EXPECT_EQ(used.written, 0u);
}

TEST_F(VhostUserVsock, AGuestThatProvokesRepliesAndTakesNoneIsNotHeardForever) {
  VsockHeader request{.src_cid = kCid,
                      .dst_cid = kVsockHostCid,
                      .src_port = 1000,
                      .dst_port = 81,
                      .op = kVsockRequest};
  auto heard = [&] {
    driver->Post({{reinterpret_cast<const char*>(&request), sizeof(request)}});
    return HoldsBefore(Deadline(Milliseconds(300)),
                       [&] { return driver->tx().Take().has_value(); });
  };
  int taken = 0;
  while (heard()) ASSERT_LT(++taken, 5000) << "replies pile up without an end";
  for (int i = 0; i <= taken; ++i) ASSERT_EQ(ReceiveOp(), kVsockRst) << i;
  driver->tx().Wait(Deadline(kWait));  // the one that was left
  ExpectAlive();
}

TEST_F(VhostUserVsock, ABrokenRingStopsTheDeviceUntilItIsReset) {
  UniqueFd host = Connect();
  uint64_t buffer = heap->Allocate(64);
  uint16_t head = driver->tx().Add({{buffer, 44, false}, {buffer, 20, false}});
  uint64_t second = driver->tx().descriptors() + 16 * ((head + 1u) % driver->tx().size());
  qemu->qtest().WriteW(second + 12, 1);     // continues ...
  qemu->qtest().WriteW(second + 14, head);  // ... with the first
  device->Notify(kVsockTxQueue);
  WaitUntil("the back-end gives the ring up", Deadline(kWait),
            [&] { return !backend->Broken().empty(); });

  StartDriver();
  EXPECT_EQ(backend->Broken(), "");
  ExpectAlive();
}

TEST_F(VhostUserVsock, ABufferOutsideMemoryStopsTheDeviceUntilItIsReset) {
  driver->tx().Add({{0xffffffffff000000, 44, false}});
  device->Notify(kVsockTxQueue);
  WaitUntil("the back-end gives the ring up", Deadline(kWait),
            [&] { return !backend->Broken().empty(); });
  StartDriver();
  ExpectAlive();
}

TEST_F(VhostUserVsock, AGuestThatStartsAnewHasNoStreams) {
  UniqueFd host = Connect();
  StartDriver();
  EXPECT_EQ(Read(host), "");
  SendBytes("from before");
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  ExpectAlive();
}

TEST_F(VhostUserVsock, StreamsOutliveAPause) {
  UniqueFd host = Connect();
  qemu->qmp().Execute("stop");
  WriteAll(host.get(), "while paused");
  EXPECT_EQ(ReceiveOp(Milliseconds(100)), -1);
  qemu->qmp().Execute("cont");
  ASSERT_EQ(ReceiveOp(), kVsockRw);
  EXPECT_EQ(got.payload, "while paused");
  SendBytes("after");
  EXPECT_EQ(Read(host, 5), "after");
}

TEST_F(VhostUserVsock, AMigrationIsRefusedAndTheStreamsGoOn) {
  UniqueFd host = Connect();
  // After a migration, the guest's streams would hang.
  EXPECT_TRUE(Throws<QmpError>("non-migratable device", [&] { MigrateToBytes(*qemu); }));
  SendBytes("still here");
  EXPECT_EQ(Read(host, 10), "still here");
}

TEST_F(VhostUserVsock, ASecondQemuIsServedWhenTheFirstIsKilled) {
  UniqueFd host = Connect();
  qemu->process().Kill();
  EXPECT_EQ(Read(host), "");
  StartMachine();
  ExpectAlive();
}

TEST_F(VhostUserVsock, QemuSurvivesTheEndOfTheBackend) {
  UniqueFd host = Connect();
  backend.reset();
  EXPECT_EQ(Read(host), "");
  EXPECT_EQ(qemu->qmp().Execute("query-status").at("status"), "running");
  device->Reset();
  EXPECT_TRUE(qemu->process().Running());
}

}  // namespace
}  // namespace stx
