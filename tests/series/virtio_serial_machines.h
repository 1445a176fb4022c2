// SPDX-License-Identifier: GPL-2.0-or-later
// What the tests of virtio-serial-stopped-vm.patch share: two machines with a virtserialport, and a
// driver that is migrated from one to the other.
//
// The test is the guest, as a driver over qtest. Queues have 4 entries, and more than 4 buffers
// went through them before the migration, so that a ring index that restarts at 0 is noticed.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <iostream>
#include <optional>
#include <thread>
#include <vector>

#include "harness/qemu/migration.h"
#include "harness/qemu/qemu.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

inline constexpr uint8_t kSlot = 5;
inline constexpr uint16_t kQueueSize = 4;
inline constexpr int kMultiport = 1;  // VIRTIO_CONSOLE_F_MULTIPORT
inline constexpr uint16_t kPortIn = 4, kPortOut = 5, kControlIn = 2, kControlOut = 3;  // of port 1
// virtio 1.2, 5.3.6.2
inline constexpr uint16_t kDeviceReady = 0, kPortAdd = 1, kPortReady = 3, kPortOpen = 6;
inline constexpr uint64_t kHeap = 0x100000, kHeapSize = 0x200000, kOutBuffer = 0x300000;
inline constexpr uint32_t kInBufferSize = 4096;
inline constexpr Milliseconds kTimeout{10000};

/// How the virtserialport gets into a machine.
enum class Port {
  kPlugged,
  kOfTheCommandLine,  ///< QEMU's first reset removes the chardev's handlers until the VM runs
};

/// One machine; `port` is the socket of its virtserialport.
struct SerialMachine {
  SerialMachine(bool target, Port port) {
    QemuOptions options;
    options.qtest = true;
    options.args = {"-machine",
                    "pc",
                    "-m",
                    "64",
                    "-nodefaults",
                    "-chardev",
                    "socket,id=c0,server=on,wait=off,path=" + (dir / "port").string(),
                    "-device",
                    "virtio-serial-pci,id=vs,addr=5"};
    if (port == Port::kOfTheCommandLine)
      options.args.insert(options.args.end(),
                          {"-device", "virtserialport,id=port1,bus=vs.0,nr=1,chardev=c0"});
    if (target) options.args.insert(options.args.end(), {"-incoming", "defer", "-S"});
    qemu = std::make_unique<Qemu>(std::move(options));
    if (port == Port::kPlugged) Plug(1, "c0");
  }
  void Plug(int nr, const std::string& chardev) {
    qmp().Execute("device_add", {{"driver", "virtserialport"},
                                 {"id", "port" + std::to_string(nr)},
                                 {"bus", "vs.0"},
                                 {"nr", nr},
                                 {"chardev", chardev}});
  }
  UniqueFd Connect() { return ConnectUnix(dir / "port", Deadline(kTimeout)); }
  Qmp& qmp() { return qemu->qmp(); }

  TempDir dir{"serial"};
  std::unique_ptr<Qemu> qemu;
};

/// Reads until `size` bytes have arrived or nothing more arrives for `quiet`.
inline std::string ReadUntilQuiet(int fd, Milliseconds quiet, size_t size) {
  std::string text;
  char chunk[65536];
  while (text.size() < size && WaitFor(fd, POLLIN, Deadline(quiet))) {
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n <= 0) break;
    text.append(chunk, static_cast<size_t>(n));
  }
  return text;
}

class VirtioSerialStoppedVm : public testing::Test {
 protected:
  explicit VirtioSerialStoppedVm(Port port = Port::kPlugged)
      : source_(false, port), target_(true, port) {}

  void SetUp() override {
    OpenDevice();
    device_->Negotiate(virtio::Bit(kMultiport));
    GuestHeap heap(kHeap, kHeapSize);
    control_in_ = device_->SetUpQueue(kControlIn, heap, kQueueSize);
    control_out_ = device_->SetUpQueue(kControlOut, heap, kQueueSize);
    in_ = device_->SetUpQueue(kPortIn, heap, kQueueSize);
    out_ = device_->SetUpQueue(kPortOut, heap, kQueueSize);
    device_->SetDriverOk();
    for (uint16_t i = 0; i < kQueueSize; ++i) {
      OfferControl(heap.Allocate(kInBufferSize));
      OfferIn(heap.Allocate(kInBufferSize));
    }
    Control(0, kDeviceReady);
    Control(1, kPortReady);
    Control(1, kPortOpen);
    RecycleControl();
    source_client_ = source_.Connect();
    // Enough traffic to advance the ring indices past the size of the ring.
    for (int i = 0; i < 3 * kQueueSize; ++i) {
      WriteAll(source_client_.get(), std::string(1, static_cast<char>('a' + i)));
      ASSERT_EQ(Received(1), std::string(1, static_cast<char>('a' + i)));
    }
    RecycleControl();
  }

  /// Opens the device in the machine where the guest is.
  void OpenDevice() {
    PciBus bus(qtest());
    device_.emplace(bus, bus.At(kSlot));
  }

  uint16_t Offer(Virtqueue& queue, uint16_t index, uint64_t address, size_t size, bool writable) {
    uint16_t head = queue.Add({{address, static_cast<uint32_t>(size), writable}});
    device_->Notify(index);
    return head;
  }

  void OfferIn(uint64_t buffer) {
    in_buffers_[Offer(*in_, kPortIn, buffer, kInBufferSize, true)] = buffer;
  }

  void Control(uint32_t port, uint16_t event) {
    struct {
      uint32_t port;
      uint16_t event, value;
    } message{port, event, 1};
    qtest().MemWrite(kOutBuffer, &message, sizeof(message));
    Offer(*control_out_, kControlOut, kOutBuffer, sizeof(message), false);
    control_out_->Wait(Deadline(kTimeout));
    RecycleControl();
  }

  void OfferControl(uint64_t buffer) {
    control_buffers_[Offer(*control_in_, kControlIn, buffer, kInBufferSize, true)] = buffer;
  }

  struct ControlMessage {
    uint32_t port;
    uint16_t event, value;
    bool operator==(const ControlMessage&) const = default;
  };
  /// The next message from the device, if there is one. Its buffer is offered again.
  std::optional<ControlMessage> TakeControl() {
    const auto used = control_in_->Take();
    if (!used) return std::nullopt;
    const uint64_t buffer = control_buffers_[used->head];
    ControlMessage message;
    const auto bytes = qtest().MemRead(buffer, sizeof(message));
    std::memcpy(&message, bytes.data(), sizeof(message));
    OfferControl(buffer);
    return message;
  }
  /// Whether `wanted` arrives, possibly after others; `others` receives those.
  bool ControlComes(const ControlMessage& wanted, std::vector<ControlMessage>* others = nullptr) {
    for (Deadline deadline(kTimeout); !deadline.Passed();) {
      const auto message = TakeControl();
      if (message == wanted) return true;
      if (message && others) others->push_back(*message);
      if (!message) std::this_thread::sleep_for(Milliseconds(2));
    }
    return false;
  }

  /// Offers used control buffers to the device again.
  void RecycleControl() {
    while (TakeControl()) continue;
  }

  /// What arrived in the port's buffers, in order: at least `size` bytes unless the time is over.
  std::string Received(size_t size) {
    std::string text;
    for (Deadline deadline(kTimeout); text.size() < size && !deadline.Passed();) {
      auto used = in_->Take();
      if (!used) {
        std::this_thread::sleep_for(Milliseconds(2));
        continue;
      }
      uint64_t buffer = in_buffers_[used->head];
      auto bytes = qtest().MemRead(buffer, used->written);
      text.append(bytes.begin(), bytes.end());
      OfferIn(buffer);
    }
    return text;
  }

  /// Keeps the stream in two parts, cut where the target knows the ring addresses but cannot access
  /// the rings yet.
  void Migrate() {
    std::string stream = MigrateToBytes(*source_.qemu);
    size_t device = stream.find("/virtio-console");
    ASSERT_NE(device, std::string::npos);
    size_t subsection = stream.find("virtio/extra_state", device);
    ASSERT_NE(subsection, std::string::npos);
    head_ = stream.substr(0, subsection - 2);  // subsection mark and length of its name
    tail_ = stream.substr(subsection - 2);
  }

  void MoveToTarget() {
    target_.qmp().WaitEvent("MIGRATION", kTimeout,
                            [](const json& e) { return e["data"]["status"] == "completed"; });
    ASSERT_EQ(target_.qmp().Execute("query-status")["status"], "paused");
    moved_ = true;
    OpenDevice();
    for (auto* queue : {&control_in_, &control_out_, &in_, &out_}) (*queue)->MoveTo(qtest());
  }

  /// Several iterations of the target's main loop, so that it would take a waiting byte of the
  /// chardev.
  void TurnMainLoop(SerialMachine& machine) {
    for (int i = 0; i < 50 && machine.qemu->process().Running(); ++i) {
      machine.qmp().Execute("query-status");
      std::this_thread::sleep_for(Milliseconds(1));
    }
  }

  QTest& qtest() { return (moved_ ? target_ : source_).qemu->qtest(); }

  void TearDown() override {
    if (HasFailure()) std::cerr << "target: " << target_.qemu->Report() << "\n";
  }

  /// A message from the guest that fills the socket of a client that does not read.
  void BeginMessage() {
    message_.assign(1 << 20, 0);
    for (size_t i = 0; i < message_.size(); ++i) message_[i] = static_cast<char>(i * 7 + (i >> 12));
    qtest().MemWrite(kOutBuffer, message_.data(), message_.size());
    Offer(*out_, kPortOut, kOutBuffer, message_.size(), false);
    TurnMainLoop(source_);
    ASSERT_FALSE(out_->Take());
  }

  void Load() {
    SetMigrationCapability(target_.qmp(), "events");
    IncomingStream(*target_.qemu).Finish(head_ + tail_);
    MoveToTarget();
  }

  /// `client` on the target receives what the source had not sent, and the guest gets its buffer
  /// back.
  void ExpectTheRest(const UniqueFd& client) {
    // The source sends no more, so everything that it sent is in the socket.
    const std::string at_source =
        ReadUntilQuiet(source_client_.get(), Milliseconds(0), message_.size());
    const std::string at_target =
        ReadUntilQuiet(client.get(), kTimeout, message_.size() - at_source.size());
    EXPECT_EQ(at_source.size() + at_target.size(), message_.size());
    EXPECT_TRUE(at_source + at_target == message_) << "bytes lost, doubled or out of order";
    EXPECT_NO_THROW(out_->Wait(Deadline(Milliseconds(2000))))
        << "the guest never gets its buffer back";
  }

  /// `client` receives what the guest sends now, and nothing from before.
  void ExpectThePortWorks(const UniqueFd& client) {
    const std::string later = "later";
    qtest().MemWrite(kOutBuffer, later.data(), later.size());
    Offer(*out_, kPortOut, kOutBuffer, later.size(), false);
    EXPECT_EQ(ReadUntilQuiet(client.get(), kTimeout, later.size()), later);
    EXPECT_NO_THROW(out_->Wait(Deadline(kTimeout)));
  }
  /// The loaded target runs before a client connects. The client then receives what the source had
  /// begun to send.
  void ExpectALateClientGetsTheRest() {
    target_.qmp().Execute("cont");
    TurnMainLoop(target_);
    const UniqueFd client = target_.Connect();
    ExpectTheRest(client);
    ExpectThePortWorks(client);
  }

  SerialMachine source_, target_;
  std::optional<VirtioPciDevice> device_;
  std::optional<Virtqueue> control_in_, control_out_, in_, out_;
  // By the head of their chain.
  uint64_t control_buffers_[kQueueSize] = {}, in_buffers_[kQueueSize] = {};
  UniqueFd source_client_;
  std::string head_, tail_, message_;
  bool moved_ = false;
};

}  // namespace stx
