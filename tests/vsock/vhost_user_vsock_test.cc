// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-user-vsock-pci with our back-end: QEMU's side of the device and the back-end together, as a
// guest's driver and the host's processes see them. Streams alone are in vsock_stream_test.cc.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "harness/qemu/migration.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vsock_backend.h"
#include "harness/virtio/virtio_pci.h"
#include "vsock/vsock_driver.h"

namespace stx {
namespace {

constexpr uint64_t kCid = 0x1234;
constexpr Milliseconds kWait{5000};
constexpr int kEventIdx = 29;

/// Bytes of which no two stretches are alike.
std::string Pattern(size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size() * 7919) + '.';
  text.resize(size);
  return text;
}

class VhostUserVsock : public testing::Test {
 protected:
  void SetUp() override {
    StartBackend();
    StartMachine();
  }
  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report();
  }

  void StartBackend() {
    backend.emplace(
        VsockBackendOptions{.socket = dir / "vhost.sock", .guest_cid = kCid, .uds = dir / "vsock"});
  }

  void StartMachine() {
    qemu.emplace(Options());
    bus.emplace(qemu->qtest());
    device.emplace(*bus, bus->At(5));
    StartDriver();
  }
  QemuOptions Options() {
    QemuOptions options;
    options.qtest = true;
    options.args = {"-machine",
                    "q35,memory-backend=ram",
                    "-m",
                    "128M",
                    "-object",
                    "memory-backend-memfd,id=ram,size=128M,share=on",
                    "-nodefaults",
                    "-chardev",
                    "socket,id=vsock0,path=" + (dir / "vhost.sock").string(),
                    "-device",
                    "vhost-user-vsock-pci,chardev=vsock0,addr=5"};
    return options;
  }

  void StartDriver(uint64_t features = 0) {
    heap.emplace(16 << 20, 32 << 20);
    driver.emplace(*device, *heap, kCid, features);
  }

  /// A stream from the guest's port to the host's port 80; returns the host's end.
  UniqueFd Connect(uint32_t guest_port = 1000, uint32_t buf_alloc = 1 << 20) {
    driver->Send(
        {.src_port = guest_port, .dst_port = 80, .op = kVsockRequest, .buf_alloc = buf_alloc});
    auto answer = driver->Receive();
    if (!answer || answer->header.op != kVsockResponse) throw std::runtime_error("no RESPONSE");
    return Accept(listener.get(), Deadline(kWait));
  }

  void SendBytes(const std::string& bytes, uint32_t guest_port = 1000) {
    driver->Send({.src_port = guest_port, .dst_port = 80, .op = kVsockRw, .buf_alloc = 1 << 20},
                 bytes);
  }

  /// The next packet's op, -1 for none; the packet in `got`.
  int ReceiveOp(Milliseconds timeout = kWait) {
    auto packet = driver->Receive(timeout);
    got = packet.value_or(VsockPacket{});
    return packet ? int{packet->header.op} : -1;
  }

  /// Exactly `size` bytes, or all until the end.
  static std::string Read(const UniqueFd& fd, size_t size = SIZE_MAX) {
    std::string text;
    char bytes[65536];
    while (text.size() < size) {
      if (!WaitFor(fd.get(), POLLIN, Deadline(kWait))) return text + "... and no end";
      ssize_t n = read(fd.get(), bytes, std::min(sizeof(bytes), size - text.size()));
      if (n <= 0) break;
      text.append(bytes, static_cast<size_t>(n));
    }
    return text;
  }

  /// Works still, or again.
  void ExpectAlive(uint32_t guest_port = 5555) {
    UniqueFd host = Connect(guest_port);
    SendBytes("alive", guest_port);
    EXPECT_EQ(Read(host, 5), "alive");
  }

  TempDir dir;
  UniqueFd listener = ListenUnix(dir / "vsock_80", 512);
  std::optional<VsockBackend> backend;
  std::optional<Qemu> qemu;
  std::optional<PciBus> bus;
  std::optional<VirtioPciDevice> device;
  std::optional<GuestHeap> heap;
  std::optional<VsockDriver> driver;
  VsockPacket got;
};

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
  while (device->Isr()) {
  }
  WriteAll(host.get(), "x");
  uint8_t isr = 0;
  for (Deadline deadline(kWait); !(isr & 1) && !deadline.Passed();) isr = device->Isr();
  EXPECT_EQ(isr & 1, 1);
  EXPECT_EQ(ReceiveOp(), kVsockRw);
}

TEST_F(VhostUserVsock, TheFirstPacketAfterARestartInterruptsTheGuest) {
  // With EVENT_IDX: a back-end that goes on counting from the old driver's rings stays silent.
  for (int start = 0; start < 2; ++start) {
    StartDriver(virtio::Bit(kEventIdx));
    for (Deadline quiet(Milliseconds(50)); !quiet.Passed();) device->Isr();
    driver->Send({.src_port = 1000, .dst_port = 81, .op = kVsockRequest});
    uint8_t isr = 0;
    for (Deadline deadline(kWait); !(isr & 1) && !deadline.Passed();) isr = device->Isr();
    EXPECT_EQ(isr & 1, 1) << "start " << start;
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
  std::string sent = Pattern(1 << 20), received;
  std::thread reader([&] { received = Read(host, sent.size()); });
  for (size_t at = 0; at < sent.size(); at += 65536) SendBytes(sent.substr(at, 65536));
  reader.join();
  EXPECT_TRUE(received == sent);
}

TEST_F(VhostUserVsock, AMebibyteToTheGuestIsTheSameBytes) {
  UniqueFd host = Connect();
  std::string sent = Pattern(1 << 20), received;
  std::thread writer([&] { WriteAll(host.get(), sent); });
  while (received.size() < sent.size() && ReceiveOp() == kVsockRw) received += got.payload;
  writer.join();
  EXPECT_TRUE(received == sent);
}

TEST_F(VhostUserVsock, SingleBytesKeepTheirOrder) {
  UniqueFd host = Connect();
  std::string sent = Pattern(500), received;
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
  std::string sent = Pattern(25000), received;
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
  // More than all receive buffers hold, and none is given back meanwhile.
  std::string sent = Pattern(300000), received;
  std::thread writer([&] { WriteAll(host.get(), sent); });
  std::this_thread::sleep_for(Milliseconds(100));
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
  ExpectAlive(1000);  // the port is free again
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

TEST_F(VhostUserVsock, APacketMayLieInAnyPieces) {
  UniqueFd host = Connect();
  std::string bytes = Pattern(100);
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
  // The 32 good buffers are used first.
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
    for (Deadline deadline(Milliseconds(300)); !deadline.Passed();)
      if (driver->tx().Take()) return true;
    return false;
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
  qemu->qtest().WriteW(second + 12, 1);     // goes on ...
  qemu->qtest().WriteW(second + 14, head);  // ... with the first
  device->Notify(kVsockTxQueue);
  for (Deadline deadline(kWait); backend->Broken().empty() && !deadline.Passed();)
    std::this_thread::sleep_for(Milliseconds(1));
  EXPECT_NE(backend->Broken(), "");

  StartDriver();
  EXPECT_EQ(backend->Broken(), "");
  ExpectAlive();
}

TEST_F(VhostUserVsock, ABufferOutsideMemoryStopsTheDeviceUntilItIsReset) {
  driver->tx().Add({{0xffffffffff000000, 44, false}});
  device->Notify(kVsockTxQueue);
  for (Deadline deadline(kWait); backend->Broken().empty() && !deadline.Passed();)
    std::this_thread::sleep_for(Milliseconds(1));
  EXPECT_NE(backend->Broken(), "");
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
  try {
    MigrateToBytes(*qemu);
    FAIL() << "migrated: the guest's streams would hang";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("non-migratable device"), std::string::npos)
        << error.what();
  }
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
