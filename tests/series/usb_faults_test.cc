// SPDX-License-Identifier: GPL-2.0-or-later
// USB controllers and redirection.
//   Xhci       xhci-interrupters.patch
//   Ohci       ohci-isochronous-async.patch
//   OhciList   ohci-empty-packets.patch
//   Redirected usb-redir-dropped-packets.patch

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{10000};

/// A driver for the interrupters of an xHCI (xHCI 1.2, section 5.5.2).
class Xhci : public MachineTest {
 protected:
  static constexpr uint32_t kMan = 0x00, kTableSize = 0x08, kTableLow = 0x10, kTableHigh = 0x14,
                            kDequeueLow = 0x18, kDequeueHigh = 0x1c;
  static constexpr uint32_t kPending = 1, kEnable = 2, kBusy = 8;

  void Open(uint64_t base) {
    registers = base;
    operational = base + qtest().ReadB(base);
    runtime = base + (qtest().ReadL(base + 0x18) & ~0x1fu);
    ring = heap->Allocate(256, 64);
    table = heap->Allocate(16, 64);
    qtest().WriteQ(table, ring);
    qtest().WriteQ(table + 8, 16);   // TRBs
    qtest().WriteL(operational, 4);  // USBCMD: interrupts
  }
  uint32_t Interrupters() { return qtest().ReadL(registers + 4) >> 8 & 0x7ff; }
  uint64_t Register(uint32_t interrupter, uint32_t offset) const {
    return runtime + 0x20 + 0x20 * interrupter + offset;
  }
  uint32_t Read(uint32_t interrupter, uint32_t offset) {
    return qtest().ReadL(Register(interrupter, offset));
  }
  void Write(uint32_t interrupter, uint32_t offset, uint64_t value) {
    qtest().WriteL(Register(interrupter, offset), static_cast<uint32_t>(value));
  }
  /// Makes the controller find an event beyond what the driver has read, so that it must interrupt.
  void Raise(uint32_t interrupter) {
    Write(interrupter, kMan, kEnable);
    Write(interrupter, kTableSize, 1);
    Write(interrupter, kTableLow, table);
    Write(interrupter, kTableHigh, 0);
    Write(interrupter, kDequeueHigh, 0);
    Write(interrupter, kDequeueLow, (ring + 16) | kBusy);
  }

  uint64_t registers = 0, operational = 0, runtime = 0, ring = 0, table = 0;
};

TEST_F(Xhci, OfMicrovmHasNoMoreInterruptersThanItSays) {
  StartMachine({}, "microvm,usb=on");
  Open(0xfe900000);
  const uint32_t count = Interrupters();
  ASSERT_EQ(count, 1u);
  for (uint32_t i = count; i < 16; ++i) {
    SCOPED_TRACE(i);
    Raise(i);
    for (uint32_t offset : {kMan, kTableSize, kTableLow, kDequeueLow})
      EXPECT_EQ(Read(i, offset), 0u) << offset;
  }
  ExpectAlive();
  Raise(0);
  EXPECT_EQ(Read(0, kMan), kPending | kEnable);
}

/// A driver for an OHCI (OpenHCI 1.0a) with a slow USB disk. It addresses the disk as device 0 with
/// isochronous transfers, although its endpoints are bulk endpoints.
class Ohci : public MachineTest {
 protected:
  static constexpr uint32_t kControl = 0x04, kHcca = 0x18, kFrameInterval = 0x34,
                            kFrameNumber = 0x3c, kPortStatus = 0x54;
  static constexpr uint32_t kOut = 1, kIn = 2;

  void Start() {
    StartWith({"-blockdev", "null-co,node-name=d,size=1048576,read-zeroes=on,latency-ns=1500000000",
               "-device", "usb-storage,drive=d,bus=o.0"});
  }
  void StartWith(std::vector<std::string> args) {
    args.insert(args.begin(), {"-device", "pci-ohci,id=o,addr=5"});
    StartMachine(args);
    registers = bus->Enable(bus->At(5))[0];
    area = heap->Allocate(256, 256);
    descriptor = heap->Allocate(16, 32);
    transfer = heap->Allocate(32, 32);
    data = heap->Allocate(4096, 4096);
    for (uint64_t i = 0; i < 32; ++i)
      qtest().WriteL(area + 4 * i, static_cast<uint32_t>(descriptor));
    qtest().WriteL(descriptor, 1 << 14);  // skipped
    Write(kHcca, area);
    Write(kFrameInterval, 0x2edf);
    Write(kControl, 0x80 | 1 << 2 | 1 << 3);  // operational, periodic, isochronous
    ResetPort();
  }
  void ResetPort() { Write(kPortStatus, 1 << 4); }
  void Write(uint32_t offset, uint64_t value) {
    qtest().WriteL(registers + offset, static_cast<uint32_t>(value));
  }
  uint16_t Frame() { return static_cast<uint16_t>(qtest().ReadL(registers + kFrameNumber)); }
  /// Makes the controller perform one transfer of up to a page in a future frame. Returns the
  /// packet's status word after that frame, which is unchanged if the packet did not complete in
  /// it.
  uint16_t Transfer(uint32_t direction, uint32_t endpoint, size_t bytes) {
    const auto frame = static_cast<uint16_t>(Frame() + 200);
    const auto buffer = static_cast<uint32_t>(data);
    qtest().WriteL(transfer, 0xfu << 28 | 7 << 21 | frame);
    qtest().WriteL(transfer + 4, buffer);
    qtest().WriteL(transfer + 8, 0);
    qtest().WriteL(transfer + 12, buffer + static_cast<uint32_t>(bytes) - 1);
    qtest().WriteW(transfer + 16, 0xe000);
    qtest().WriteL(descriptor + 4, 0);
    qtest().WriteL(descriptor + 12, 0);
    qtest().WriteL(descriptor + 8, static_cast<uint32_t>(transfer));
    qtest().WriteL(descriptor, 512 << 16 | 1 << 15 | direction << 11 | endpoint << 7);
    for (const Deadline deadline(kTimeout); static_cast<int16_t>(Frame() - frame) < 3; Tick())
      if (deadline.Passed()) throw std::runtime_error("the frame does not come");
    qtest().WriteL(descriptor, 1 << 14);
    return qtest().ReadW(transfer + 16);
  }
  /// Sends the disk a command (USB Mass Storage, Bulk-Only Transport, section 5.1).
  uint16_t Command(uint32_t tag, uint32_t bytes, const std::string& cdb) {
    std::string wrapper("USBC");
    for (uint32_t value : {tag, bytes})
      for (int i = 0; i < 4; ++i) wrapper += static_cast<char>(value >> 8 * i);
    wrapper += std::string("\x80\0", 2);
    wrapper += static_cast<char>(cdb.size());
    wrapper += cdb;
    wrapper.resize(31);
    qtest().MemWrite(data, wrapper.data(), wrapper.size());
    return Transfer(kOut, 2, wrapper.size());
  }
  void Tick() {
    static const bool own_clock = HasQtestAccelerator(QemuBinary());
    if (own_clock)
      qtest().ClockStep(1'000'000);
    else
      std::this_thread::sleep_for(Milliseconds(1));
  }

  uint64_t registers = 0, area = 0, descriptor = 0, transfer = 0, data = 0;
};

TEST_F(Ohci, ATransferThatCannotEndInItsFrameIsForgotten) {
  if (!HasDeviceType("pci-ohci")) GTEST_SKIP() << "$QEMU has no pci-ohci";
  Start();
  const std::string read("\x28\0\0\0\0\0\0\0\1\0", 10);
  // The first command reports the unit attention.
  ASSERT_EQ(Command(1, 0, std::string(6, '\0')), 0) << "no answer to the first command";
  ASSERT_EQ(Transfer(kIn, 1, 13), 13);
  for (uint32_t tag = 2; tag < 5; ++tag) {
    ASSERT_EQ(Command(tag, 512, read), 0);
    Transfer(kIn, 1, 512);
    // Reuse the freed memory. The disk would have answered within this time; a cancelled answer
    // gives no sign that one could wait for.
    qmp().Execute("qom-list-types");
    std::this_thread::sleep_for(Milliseconds(2000));
    ExpectAlive();
    ResetPort();
  }
  ASSERT_EQ(Command(9, 0, std::string(6, '\0')), 0);
  ASSERT_EQ(Transfer(kIn, 1, 13), 13);
  const auto bytes = qtest().MemRead(data, 13);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), std::string("USBS\x09\0\0\0\0\0\0\0\0", 13));
  ExpectAlive();
}

/// The same controller, and a serial adapter that takes whatever is sent to its endpoint 2.
class OhciList : public Ohci {
 protected:
  static constexpr uint32_t kInterruptStatus = 0x0c, kUnrecoverable = 1 << 4;

  void SetUp() override {
    if (!HasDeviceType("pci-ohci")) GTEST_SKIP() << "$QEMU has no pci-ohci";
    if (!HasDeviceType("usb-serial")) GTEST_SKIP() << "$QEMU has no usb-serial";
    StartWith({"-chardev", "null,id=c", "-device", "usb-serial,chardev=c,bus=o.0"});
  }
  /// A general transfer descriptor (OpenHCI 1.0a, section 4.3.1) of `bytes` bytes of `data`.
  void WriteTransfer(uint64_t at, uint64_t next, uint32_t bytes) {
    qtest().WriteL(at, 0xfu << 28 | 7 << 21 | kOut << 19);
    qtest().WriteL(at + 4, bytes ? static_cast<uint32_t>(data) : 0);
    qtest().WriteL(at + 8, static_cast<uint32_t>(next));
    qtest().WriteL(at + 12, bytes ? static_cast<uint32_t>(data) + bytes - 1 : 0);
  }
  /// Has the endpoint with that largest packet make the transfers from `first` up to `tail`.
  void Serve(uint64_t first, uint64_t tail, uint32_t packet) {
    qtest().WriteL(descriptor + 4, static_cast<uint32_t>(tail));
    qtest().WriteL(descriptor + 12, 0);
    qtest().WriteL(descriptor + 8, static_cast<uint32_t>(first));
    qtest().WriteL(descriptor, packet << 16 | kOut << 11 | 2 << 7);
  }
};

TEST_F(OhciList, WithPacketsOfNoBytesIsAnError) {
  WriteTransfer(transfer, transfer + 32, 8);
  Serve(transfer, 0, 0);
  for (const Deadline deadline(kTimeout);
       !(qtest().ReadL(registers + kInterruptStatus) & kUnrecoverable); Tick())
    ASSERT_FALSE(deadline.Passed()) << "the controller does not report it";
  ExpectAlive();
}

/// The end of usb-redir that has a device (usbredir's protocol 0.7): a serial adapter whose data
/// QEMU buffers. The guest drives it through a UHCI, as device 0.
class Redirected : public MachineTest {
 protected:
  static constexpr uint32_t kHello = 0, kConnect = 1, kInterfaces = 4, kEndpoints = 5,
                            kStartReceiving = 25, kStopReceiving = 26, kBulk = 101,
                            kBufferedBulk = 104;
  static constexpr size_t kPacket = 64;
  static constexpr uint8_t kBulkIn = 0x81;

  void SetUp() override {
    if (!HasDeviceType("usb-redir")) GTEST_SKIP() << "$QEMU has no usb-redir";
    StartMachine({"-device", "ich9-usb-uhci1,id=u,addr=5", "-chardev",
                  "socket,id=c,server=on,wait=off,path=" + (dir / "redir").string(), "-device",
                  "usb-redir,chardev=c,bus=u.0"});
    peer = ConnectUnix(dir / "redir", Deadline(kTimeout));
    // ep_info with packet sizes, 64-bit ids, 32-bit lengths, bulk receiving
    constexpr uint32_t kCapabilities = 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7;
    std::string hello("test");
    hello.resize(64);
    Append(hello, kCapabilities, 4);
    std::string head;
    Append(head, kHello, 4);
    Append(head, hello.size(), 4);
    Append(head, 0, 4);
    WriteAll(peer.get(), head + hello);
    std::string interfaces;
    Append(interfaces, 1, 4);
    interfaces.resize(4 + 4 * 32);
    interfaces[4 + 32] = '\xff';  // class
    Send(kInterfaces, interfaces);
    SendEndpoints(kPacket);
    std::string connect("\1\0\0\0", 4);  // full speed
    Append(connect, 0x08e6, 2);
    Append(connect, 0x5501, 2);
    Send(kConnect, connect);
    EnablePort();
  }
  /// A control endpoint and a bulk endpoint whose packets are so large.
  void SendEndpoints(size_t packet) {
    std::string endpoints(32, '\xff');  // none
    endpoints[0] = endpoints[16] = 0;   // control
    endpoints[17] = 2;                  // bulk, 0x81
    endpoints.resize(3 * 32);
    for (int i = 0; i < 32; ++i) Append(endpoints, packet, 2);
    Send(kEndpoints, endpoints);
  }
  static void Append(std::string& bytes, uint64_t value, size_t width) {
    for (size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * i);
  }
  void Send(uint32_t type, const std::string& body, const std::string& data = "") {
    std::string head;
    Append(head, type, 4);
    Append(head, body.size() + data.size(), 4);
    Append(head, 0, 8);
    WriteAll(peer.get(), head + body + data);
  }
  void SendBuffered(const std::string& data) {
    std::string body;
    Append(body, 0, 4);
    Append(body, data.size(), 4);
    body += static_cast<char>(kBulkIn);
    body += '\0';
    Send(kBufferedBulk, body, data);
  }
  /// Waits until QEMU requests the endpoint's data, with a message of this type.
  void WaitForRequest(uint32_t type = kStartReceiving) {
    std::string got;
    std::string wanted;
    Append(wanted, type, 4);
    for (const Deadline deadline(kTimeout); got.find(wanted) == std::string::npos; Tick()) {
      if (deadline.Passed()) throw std::runtime_error("nobody asks for data");
      char bytes[4096];
      if (!WaitFor(peer.get(), POLLIN, Deadline(Milliseconds(0)))) continue;
      const ssize_t n = read(peer.get(), bytes, sizeof(bytes));
      if (n <= 0) throw std::runtime_error("QEMU hung up");
      got.append(bytes, static_cast<size_t>(n));
    }
  }
  /// Lets one frame of the bus pass.
  void Tick() {
    static const bool own_clock = HasQtestAccelerator(QemuBinary());
    if (own_clock)
      qtest().ClockStep(1'000'000);
    else
      std::this_thread::sleep_for(Milliseconds(1));
  }

  /// Waits for the device, resets its port and starts the schedule (UHCI 1.1, chapter 2).
  void EnablePort() {
    port = static_cast<uint16_t>(bus->Enable(bus->At(5))[4]);
    for (const Deadline deadline(kTimeout); !(qtest().InW(port + 0x10) & 1);) {
      ASSERT_FALSE(deadline.Passed()) << "the device does not appear";
      Tick();
    }
    qtest().OutW(port + 0x10, 0x200);
    qtest().OutW(port + 0x10, 0);
    qtest().OutW(port + 0x10, 4);
    frames = heap->Allocate(4096, 4096);
    transfer = heap->Allocate(32, 16);
    for (uint64_t i = 0; i < 1024; ++i)
      qtest().WriteL(frames + 4 * i, static_cast<uint32_t>(transfer));
    buffer = heap->Allocate(kPacket);
    qtest().OutL(port + 8, static_cast<uint32_t>(frames));
  }
  /// Activates a transfer of one packet from the endpoint.
  void BeginRead() {
    qtest().WriteL(transfer, 1);  // the last one
    qtest().WriteL(transfer + 8, (kPacket - 1) << 21 | 1 << 15 | 0x69);
    qtest().WriteL(transfer + 12, static_cast<uint32_t>(buffer));
    qtest().WriteL(transfer + 4, 1 << 23);
    qtest().OutW(port, 1);
  }
  bool Active() { return qtest().ReadL(transfer + 4) & 1 << 23; }
  /// The packet of the transfer.
  std::string EndRead() {
    for (const Deadline deadline(kTimeout); Active();) {
      if (deadline.Passed()) throw std::runtime_error("the transfer does not end");
      Tick();
    }
    const auto bytes = qtest().MemRead(buffer, ((qtest().ReadL(transfer + 4) + 1) & 0x7ff));
    return {bytes.begin(), bytes.end()};
  }

  UniqueFd peer;
  uint16_t port = 0;
  uint64_t frames = 0, transfer = 0, buffer = 0;
};

TEST_F(Redirected, APacketWhoseLastChunkIsDroppedGivesTheOthers) {
  BeginRead();
  WaitForRequest();
  ASSERT_TRUE(Active());
  // More than twice 5000 chunks are too many, so only the last of these remains.
  constexpr size_t kChunks = 10002;
  std::string data;
  for (size_t i = 0; i < kChunks; ++i)
    data += std::string(kPacket, static_cast<char>('a' + i % 26));
  SendBuffered(data);
  for (size_t i = 0; i < 60; ++i) {
    if (i) BeginRead();
    ASSERT_EQ(EndRead(), data.substr(i * kPacket, kPacket)) << i;
  }
  ExpectAlive();
}

TEST_F(Redirected, AnEndpointWhosePacketsBecomeEmptyIsReadDirectly) {
  BeginRead();
  WaitForRequest();
  ASSERT_TRUE(Active());
  SendEndpoints(0);
  WaitForRequest(kStopReceiving);
  // What waited for buffered data has failed; the next transfer is asked for by itself.
  for (const Deadline deadline(kTimeout); Active(); Tick())
    ASSERT_FALSE(deadline.Passed()) << "the transfer does not end";
  BeginRead();
  WaitForRequest(kBulk);
  ExpectAlive();
}

}  // namespace
}  // namespace stx
