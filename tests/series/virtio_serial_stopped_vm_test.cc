// SPDX-License-Identifier: GPL-2.0-or-later
// patches/wro/virtio-serial-stopped-vm.patch: at a migration target that does not run yet, chardev
// traffic must not reach the queues; nothing is lost, and all arrives when the target runs.
//
// The guest is this test, as a driver over qtest. Queues have 4 entries, and more than 4 buffers
// went through them before the migration, so that a ring index which restarts at 0 shows.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "base/waiting.h"
#include "harness/qemu/migration.h"
#include "harness/qemu/qemu.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr uint8_t kSlot = 5;
constexpr uint16_t kQueueSize = 4;
constexpr int kMultiport = 1;  // VIRTIO_CONSOLE_F_MULTIPORT
constexpr uint16_t kPortIn = 4, kPortOut = 5, kControlIn = 2, kControlOut = 3;  // of port 1
constexpr uint16_t kDeviceReady = 0, kPortReady = 3, kPortOpen = 6;  // virtio 1.2, 5.3.6.2
constexpr uint64_t kHeap = 0x100000, kHeapSize = 0x200000, kOutBuffer = 0x300000;
constexpr uint32_t kInBufferSize = 4096;
constexpr Milliseconds kTimeout{10000};

/// One machine; `port` is the socket of its virtserialport.
struct Machine {
  explicit Machine(bool target) {
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
    if (target) options.args.insert(options.args.end(), {"-incoming", "defer", "-S"});
    qemu = std::make_unique<Qemu>(std::move(options));
    // Plugged, not on the command line: QEMU's first reset takes the chardev's handlers away from
    // the ports that it meets until the VM runs; a port that comes later is connected at once.
    qmp().Execute("device_add", {{"driver", "virtserialport"},
                                 {"bus", "vs.0"},
                                 {"nr", 1},
                                 {"chardev", "c0"},
                                 {"name", "org.test"}});
  }
  UniqueFd Connect() { return ConnectUnix(dir / "port", Deadline(kTimeout)); }
  Qmp& qmp() { return qemu->qmp(); }

  TempDir dir{"serial"};
  std::unique_ptr<Qemu> qemu;
};

/// Reads until `size` bytes are there or nothing more comes for `quiet`.
std::string ReadUntilQuiet(int fd, Milliseconds quiet, size_t size) {
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
  void SetUp() override {
    OpenDevice();
    device_->Negotiate(virtio::Bit(kMultiport));
    GuestHeap heap(kHeap, kHeapSize);
    control_in_ = device_->SetUpQueue(kControlIn, heap, kQueueSize);
    control_out_ = device_->SetUpQueue(kControlOut, heap, kQueueSize);
    in_ = device_->SetUpQueue(kPortIn, heap, kQueueSize);
    out_ = device_->SetUpQueue(kPortOut, heap, kQueueSize);
    device_->SetDriverOk();
    control_buffer_ = heap.Allocate(kInBufferSize);
    for (uint16_t i = 0; i < kQueueSize; ++i) {
      Offer(*control_in_, kControlIn, control_buffer_, kInBufferSize, true);
      OfferIn(heap.Allocate(kInBufferSize));
    }
    Control(0, kDeviceReady);
    Control(1, kPortReady);
    Control(1, kPortOpen);
    RecycleControl();
    source_client_ = source_.Connect();
    // Enough traffic that the ring indices are past the size of the ring.
    for (int i = 0; i < 3 * kQueueSize; ++i) {
      WriteAll(source_client_.get(), std::string(1, static_cast<char>('a' + i)));
      ASSERT_EQ(Received(1), std::string(1, static_cast<char>('a' + i)));
    }
    RecycleControl();
  }

  /// The device in the machine in which the guest is.
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

  /// Gives used control buffers back to the device.
  void RecycleControl() {
    while (control_in_->Take())
      Offer(*control_in_, kControlIn, control_buffer_, kInBufferSize, true);
  }

  /// What arrived in the port's buffers, in order, at least `size` bytes unless time runs out.
  std::string Received(size_t size) {
    std::string text;
    HoldsBefore(Deadline(kTimeout), [&] {
      while (const auto used = in_->Take()) {
        const uint64_t buffer = in_buffers_[used->head];
        const auto bytes = qtest().MemRead(buffer, used->written);
        text.append(bytes.begin(), bytes.end());
        OfferIn(buffer);
      }
      return text.size() >= size;
    });
    return text;
  }

  /// The stream, cut where the target knows the ring addresses but has no access to the rings yet.
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

  /// Several turns of the target's main loop, so that a waiting chardev byte would be taken.
  void TurnMainLoop(Machine& machine) {
    for (int i = 0; i < 50 && machine.qemu->process().Running(); ++i) {
      machine.qmp().Execute("query-status");
      std::this_thread::sleep_for(Milliseconds(1));
    }
  }

  QTest& qtest() { return (moved_ ? target_ : source_).qemu->qtest(); }

  void TearDown() override {
    if (HasFailure()) std::cerr << "target: " << target_.qemu->Report() << "\n";
  }

  Machine source_{false}, target_{true};
  std::optional<VirtioPciDevice> device_;
  std::optional<Virtqueue> control_in_, control_out_, in_, out_;
  uint64_t control_buffer_ = 0;           // the test does not read control messages
  uint64_t in_buffers_[kQueueSize] = {};  // by the head of their chain
  UniqueFd source_client_;
  std::string head_, tail_;
  bool moved_ = false;
};

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

// A memory map change makes the rings accessible before their indices are known.
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
  // Enough before it that the ring indices are past the size of the ring.
  const std::string warm_up(3 * kQueueSize, 'w');
  qtest().MemWrite(kOutBuffer, warm_up.data(), warm_up.size());
  for (size_t i = 0; i < warm_up.size(); ++i) {
    Offer(*out_, kPortOut, kOutBuffer, 1, false);
    ASSERT_TRUE(out_->Take());
  }
  ASSERT_EQ(ReadUntilQuiet(source_client_.get(), Milliseconds(1000), warm_up.size()), warm_up);

  // Nobody reads at the source: the element stays begun when the socket is full.
  std::string message(1 << 20, 0);
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<char>(i * 7 + (i >> 12));
  qtest().MemWrite(kOutBuffer, message.data(), message.size());
  Offer(*out_, kPortOut, kOutBuffer, message.size(), false);
  TurnMainLoop(source_);
  ASSERT_FALSE(out_->Take());
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

  // The source sends no more: what it has sent is in the socket.
  std::string at_source = ReadUntilQuiet(source_client_.get(), Milliseconds(0), message.size());
  std::string at_target = ReadUntilQuiet(client.get(), kTimeout, message.size() - at_source.size());
  EXPECT_EQ(at_source.size() + at_target.size(), message.size());
  EXPECT_TRUE(at_source + at_target == message) << "bytes lost, doubled or out of order";
  EXPECT_NO_THROW(out_->Wait(Deadline(Milliseconds(2000))))
      << "the guest never gets its buffer back";
}

}  // namespace
}  // namespace stx
