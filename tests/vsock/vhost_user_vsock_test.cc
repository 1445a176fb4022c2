// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-user-vsock-pci with our back-end: QEMU's side of the device and the back-end together, as a
// guest's driver and the host's processes see them. vsock_stream_test.cc tests streams alone;
// vhost_user_vsock_faults_test.cc tests drivers' errors and ends.
#include "vsock/vhost_user_vsock.h"

#include <sys/socket.h>

#include <thread>

#include "base/pattern.h"
#include "base/waiting.h"

namespace stx {
namespace {

constexpr int kEventIdx = 29;

TEST_F(VhostUserVsock, IsAVsockDeviceWithTheBackendsCid) {
  EXPECT_EQ(device->pci().vendor(), virtio::kPciVendor);
  EXPECT_EQ(device->pci().device(), virtio::PciId(VsockDriver::kDeviceType));
  EXPECT_EQ(device->QueueCount(), 3);
  for (uint16_t i = 0; i < 3; ++i) EXPECT_EQ(device->QueueMaxSize(i), 128) << i;
  EXPECT_EQ(device->ConfigQ(0), kCid);
}

TEST_F(VhostUserVsock, OffersWhatTheBackendCanDo) {
  constexpr int kSeqpacket = 1, kIndirect = 28;
  uint64_t offered = device->OfferedFeatures();
  EXPECT_TRUE(offered & virtio::Bit(virtio::kFeatureVersion1));
  EXPECT_TRUE(offered & virtio::Bit(kIndirect));
  EXPECT_TRUE(offered & virtio::Bit(kEventIdx));
  EXPECT_FALSE(offered & virtio::Bit(kSeqpacket));
}

TEST_F(VhostUserVsock, GuestConnectsAndBytesGoBothWays) {
  UniqueFd host = Connect();
  SendBytes("from the guest");
  EXPECT_EQ(Read(host, 14), "from the guest");
  WriteAll(host.get(), "from the host");
  ASSERT_EQ(ReceiveOp(), kVsockRw);
  EXPECT_EQ(got.payload, "from the host");
  EXPECT_EQ(got.header.src_cid, kVsockHostCid);
  EXPECT_EQ(got.header.dst_cid, kCid);
  EXPECT_EQ(got.header.src_port, 80u);
  EXPECT_EQ(got.header.dst_port, 1000u);
  EXPECT_EQ(got.header.fwd_cnt, 14u);
}

TEST_F(VhostUserVsock, APacketInterruptsTheGuest) {
  UniqueFd host = Connect();
  WaitUntil("no interrupt is pending", Deadline(kWait), [&] { return device->Isr() == 0; });
  WriteAll(host.get(), "x");
  WaitUntil("an interrupt", Deadline(kWait), [&] { return device->Isr() & 1; });
  EXPECT_EQ(ReceiveOp(), kVsockRw);
}

TEST_F(VhostUserVsock, TheFirstPacketAfterARestartInterruptsTheGuest) {
  // With EVENT_IDX: a back-end that continued to count from the old driver's rings would not
  // interrupt.
  for (int start = 0; start < 2; ++start) {
    StartDriver(virtio::Bit(kEventIdx));
    for (Deadline quiet(Milliseconds(50)); !quiet.Passed();) device->Isr();
    driver->Send({.src_port = 1000, .dst_port = 81, .op = kVsockRequest});
    WaitUntil("an interrupt after start " + std::to_string(start), Deadline(kWait),
              [&] { return device->Isr() & 1; });
    EXPECT_EQ(ReceiveOp(), kVsockRst);
  }
}

TEST_F(VhostUserVsock, APortWithoutListenerIsRefused) {
  driver->Send({.src_port = 1000, .dst_port = 81, .op = kVsockRequest});
  ASSERT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_EQ(got.header.src_port, 81u);
  EXPECT_EQ(got.header.dst_port, 1000u);
}

TEST_F(VhostUserVsock, HostConnectsToTheGuest) {
  UniqueFd host = ConnectUnix(dir / "vsock", Deadline(kWait));
  WriteAll(host.get(), "CONNECT 52\n");
  ASSERT_EQ(ReceiveOp(), kVsockRequest);
  EXPECT_EQ(got.header.dst_port, 52u);
  uint32_t port = got.header.src_port;
  driver->Send({.src_port = 52, .dst_port = port, .op = kVsockResponse, .buf_alloc = 4096});
  std::string ok = "OK " + std::to_string(port) + "\n";
  EXPECT_EQ(Read(host, ok.size()), ok);
  WriteAll(host.get(), "ping");
  ASSERT_EQ(ReceiveOp(), kVsockRw);
  EXPECT_EQ(got.payload, "ping");
  driver->Send({.src_port = 52, .dst_port = port, .op = kVsockRw, .buf_alloc = 4096}, "pong");
  EXPECT_EQ(Read(host, 4), "pong");
}

TEST_F(VhostUserVsock, AHostThatTheGuestRefusesIsClosed) {
  UniqueFd host = ConnectUnix(dir / "vsock", Deadline(kWait));
  WriteAll(host.get(), "CONNECT 52\n");
  ASSERT_EQ(ReceiveOp(), kVsockRequest);
  driver->Send({.src_port = 52, .dst_port = got.header.src_port, .op = kVsockRst});
  EXPECT_EQ(Read(host), "");
}

TEST_F(VhostUserVsock, AMebibyteToTheHostIsTheSameBytes) {
  UniqueFd host = Connect();
  std::string sent = MakePattern(1 << 20, 1), received;
  std::thread reader([&] { received = Read(host, sent.size()); });
  for (size_t at = 0; at < sent.size(); at += 65536) SendBytes(sent.substr(at, 65536));
  reader.join();
  EXPECT_TRUE(received == sent);
}

TEST_F(VhostUserVsock, AMebibyteToTheGuestIsTheSameBytes) {
  UniqueFd host = Connect();
  std::string sent = MakePattern(1 << 20, 1), received;
  std::thread writer([&] { WriteAll(host.get(), sent); });
  while (received.size() < sent.size() && ReceiveOp() == kVsockRw) received += got.payload;
  writer.join();
  EXPECT_TRUE(received == sent);
}

TEST_F(VhostUserVsock, SingleBytesKeepTheirOrder) {
  UniqueFd host = Connect();
  std::string sent = MakePattern(500, 1), received;
  for (char byte : sent) SendBytes({byte});
  EXPECT_EQ(Read(host, sent.size()), sent);
  std::thread writer([&] {
    for (char byte : sent) WriteAll(host.get(), {&byte, 1});
  });
  while (received.size() < sent.size() && ReceiveOp() == kVsockRw) received += got.payload;
  writer.join();
  EXPECT_EQ(received, sent);
}

TEST_F(VhostUserVsock, AGuestWithoutRoomStopsTheHostUntilItHasSome) {
  UniqueFd host = Connect(1000, 10000);
  std::string sent = MakePattern(25000, 1), received;
  WriteAll(host.get(), sent);
  while (ReceiveOp() == kVsockRw) received += got.payload;
  EXPECT_EQ(got.header.op, kVsockCreditRequest);
  EXPECT_EQ(received.size(), 10000u);
  EXPECT_EQ(ReceiveOp(Milliseconds(100)), -1);
  while (received.size() < sent.size() && !HasFailure()) {
    driver->Send({.src_port = 1000,
                  .dst_port = 80,
                  .op = kVsockCreditUpdate,
                  .buf_alloc = 10000,
                  .fwd_cnt = static_cast<uint32_t>(received.size())});
    size_t before = received.size();
    while (received.size() < std::min(before + 10000, sent.size())) {
      ASSERT_NE(ReceiveOp(), -1);
      received += got.payload;
    }
  }
  EXPECT_TRUE(received == sent);
}

TEST_F(VhostUserVsock, AGuestWithoutBuffersGetsItsPacketsLater) {
  UniqueFd host = Connect(1000, 1 << 20);
  // More than all receive buffers hold, and none is returned meanwhile.
  std::string sent = MakePattern(300000, 1), received;
  std::thread writer([&] { WriteAll(host.get(), sent); });
  WaitUntil("all receive buffers are full", Deadline(kWait), [&] {
    const Virtqueue& rx = driver->rx();
    return qemu->qtest().ReadW(rx.used() + 2) == qemu->qtest().ReadW(rx.available() + 2);
  });
  while (received.size() < sent.size() && ReceiveOp() == kVsockRw) received += got.payload;
  writer.join();
  EXPECT_TRUE(received == sent);
}

TEST_F(VhostUserVsock, HalfCloseEachWay) {
  UniqueFd host = Connect();
  SendBytes("request");
  driver->Send({.src_port = 1000,
                .dst_port = 80,
                .op = kVsockShutdown,
                .flags = kVsockNoSend,
                .buf_alloc = 1 << 20});
  EXPECT_EQ(Read(host), "request");  // up to the end
  WriteAll(host.get(), "reply");
  shutdown(host.get(), SHUT_WR);
  ASSERT_EQ(ReceiveOp(), kVsockRw);
  EXPECT_EQ(got.payload, "reply");
  ASSERT_EQ(ReceiveOp(), kVsockShutdown);
  EXPECT_TRUE(got.header.flags & kVsockNoSend);
}

TEST_F(VhostUserVsock, GuestCloseIsAnsweredByRst) {
  UniqueFd host = Connect();
  driver->Send({.src_port = 1000,
                .dst_port = 80,
                .op = kVsockShutdown,
                .flags = kVsockNoSend | kVsockNoReceive});
  EXPECT_EQ(ReceiveOp(), kVsockRst);
  EXPECT_EQ(Read(host), "");
  ExpectAlive(1000);  // the port can be used again
}

TEST_F(VhostUserVsock, HostCloseShutsBothWays) {
  UniqueFd host = Connect();
  host.Reset();
  ASSERT_EQ(ReceiveOp(), kVsockShutdown);
  EXPECT_EQ(got.header.flags, static_cast<uint32_t>(kVsockNoSend | kVsockNoReceive));
}

TEST_F(VhostUserVsock, ManyStreamsAtOnceKeepTheirBytesApart) {
  constexpr uint32_t kStreams = 256;
  std::vector<UniqueFd> hosts;
  for (uint32_t i = 0; i < kStreams; ++i) hosts.push_back(Connect(1000 + i));
  for (uint32_t i = 0; i < kStreams; ++i) SendBytes("to " + std::to_string(i) + ";", 1000 + i);
  for (uint32_t i = 0; i < kStreams; ++i) {
    std::string want = "to " + std::to_string(i) + ";";
    EXPECT_EQ(Read(hosts[i], want.size()), want);
    WriteAll(hosts[i].get(), "from " + std::to_string(i));
  }
  std::map<uint32_t, std::string> received;
  for (uint32_t i = 0; i < kStreams && ReceiveOp() == kVsockRw; ++i)
    received[got.header.dst_port] += got.payload;
  ASSERT_EQ(received.size(), kStreams);
  for (auto& [port, text] : received) EXPECT_EQ(text, "from " + std::to_string(port - 1000));
}

}  // namespace
}  // namespace stx
