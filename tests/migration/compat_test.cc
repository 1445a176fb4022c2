// A guest moves between Debian's QEMU 7.2 ($QEMU_DEBIAN) and ours and back, in the middle of its
// work: the series adds nothing to the migration stream. Both sides run a real CPU (TCG) that
// counts in memory; the devices' driver is this test, over the qtest socket.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <optional>
#include <thread>

#include "harness/iovec.h"
#include "harness/migration.h"
#include "harness/qemu.h"
#include "harness/vhost_user_device.h"
#include "harness/virtio_pci.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kTimeout{10000};
constexpr uint8_t kNetSlot = 5, kVhostSlot = 6, kSerialSlot = 7;
constexpr uint16_t kReceive = 0, kTransmit = 1, kNetControl = 2;              // virtio 1.2, 5.1.2
constexpr uint16_t kControlOut = 3, kPortIn = 4, kPortOut = 5;                // of port 1, 5.3.2
constexpr uint16_t kDeviceReady = 0, kPortReady = 3, kPortOpen = 6;           // 5.3.6.2
constexpr int kMultiport = 1, kMac = 5, kCtrlVq = 17, kCtrlRx = 18;           // feature bits
constexpr uint64_t kCounter = 0x500, kHeap = 0x100000, kHeapSize = 0x700000;  // guest-physical
constexpr size_t kNetHeader = 12;

fs::path Debian() { return EnvOr("QEMU_DEBIAN", "/usr/bin/qemu-system-x86_64"); }

/// Why there is nothing to compare with; empty when there is.
std::string DebianMissing() {
  if (!fs::exists(Debian()))
    return "no " + Debian().string() + " (Debian's qemu-system-x86; QEMU_DEBIAN names another)";
  const std::string version = Run({Debian(), "-version"}, kTimeout).out;
  if (version.find("version 7.2") == std::string::npos)
    return Debian().string() + " is not QEMU 7.2: " + version.substr(0, version.find('\n'));
  return "";
}

/// An Ethernet frame behind its virtio-net header, for the guest's address or its neighbour's.
std::string Frame(const std::string& payload, char to = 1) {
  std::string frame(kNetHeader, '\0');
  frame += std::string{0x52, 0x54, 0, 0, 0, to} + std::string{0x52, 0x54, 0, 0, 1, 1};
  frame += "\x88\xb5" + payload;  // IEEE 802: local experimental
  frame.resize(kNetHeader + 80);
  return frame;
}

/// A vhost-user-net whose wire ends in itself: what the guest sends, it receives.
class Loopback final : private VhostUserHandler {
 public:
  explicit Loopback(const fs::path& socket) : device_(socket, 2, *this) { device_.Start(); }
  ~Loopback() override { device_.Stop(); }
  std::string Broken() const { return device_.Broken(); }

 private:
  void HandleQueue(int) override {
    while (auto sent = device_.Pop(kTransmit)) {
      auto buffer = device_.Pop(kReceive);
      if (!buffer) return device_.Unpop(kTransmit, *sent);
      std::string bytes(IovecSize(sent->readable()), '\0');
      IovecRead(sent->readable(), bytes.data(), bytes.size());
      bytes.replace(0, kNetHeader, std::string(kNetHeader, '\0'));
      const size_t n = IovecWrite(buffer->writable(), bytes.data(), bytes.size());
      device_.Push(kReceive, *buffer, static_cast<uint32_t>(n));
      device_.Push(kTransmit, *sent, 0);
      device_.Notify(kReceive);
      device_.Notify(kTransmit);
    }
  }

  VhostUserDevice device_;
};

/// One QEMU with the three devices, and the host's ends of them. With a stream it is a target: it
/// has loaded that when it is constructed, and does not run.
class Machine {
 public:
  Machine(const fs::path& binary, const std::string& type, const std::string* stream = nullptr)
      : vhost_(dir_ / "vhost"), qtest_listener_(ListenUnix(dir_ / "qtest")) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) ThrowErrno("socketpair");
    wire_.Reset(pair[0]);
    const UniqueFd theirs(pair[1]);
    // Counts for ever: inc dword [kCounter]; jmp back. At the reset vector of a 256 KiB ROM.
    std::string firmware(256 << 10, '\xf4');
    firmware.replace(firmware.size() - 16, 7, std::string("\x66\xff\x06\x00\x05\xeb\xf9", 7));
    WriteFile(dir_ / "firmware", firmware);
    QemuOptions options;
    options.binary = binary;
    options.fds = {theirs.get()};
    options.args = {"-machine",
                    type + ",memory-backend=ram",
                    "-accel",
                    "tcg",
                    "-m",
                    "16",
                    "-object",
                    "memory-backend-memfd,id=ram,size=16M,share=on",
                    "-bios",
                    dir_ / "firmware",
                    "-nodefaults",
                    "-display",
                    "none",
                    "-qtest",
                    "unix:" + (dir_ / "qtest").string(),
                    "-qtest-log",
                    "none",
                    "-netdev",
                    "stream,id=wire,server=off,addr.type=fd,addr.str=4",
                    "-device",
                    "virtio-net-pci,id=net,netdev=wire,mac=52:54:00:00:00:01,romfile=,"
                    "addr=" +
                        std::to_string(kNetSlot),
                    "-chardev",
                    "socket,id=vhost,path=" + (dir_ / "vhost").string(),
                    "-netdev",
                    "vhost-user,id=loop,chardev=vhost",
                    "-device",
                    "virtio-net-pci,id=vnet,netdev=loop,mac=52:54:00:00:00:07,romfile=,"
                    "addr=" +
                        std::to_string(kVhostSlot),
                    "-chardev",
                    "socket,id=port,server=on,wait=off,path=" + (dir_ / "port").string(),
                    "-device",
                    "virtio-serial-pci,id=serial,addr=" + std::to_string(kSerialSlot),
                    "-device",
                    "virtserialport,bus=serial.0,nr=1,chardev=port,name=org.test"};
    // From a file, the whole load is one step of the main loop, and nothing can come between.
    UniqueFd file(memfd_create("stream", MFD_CLOEXEC));
    if (stream) {
      WriteAll(file.get(), *stream);
      lseek(file.get(), 0, SEEK_SET);
      options.fds.push_back(file.get());
      options.args.insert(options.args.end(), {"-S", "-incoming", "defer"});
    }
    qemu_.emplace(std::move(options));
    qtest_.emplace(Accept(qtest_listener_.get(), Deadline(kTimeout)));
    port_ = ConnectUnix(dir_ / "port", Deadline(kTimeout));
    Until([&] {
      return qmp().Execute("query-chardev").dump().find("disconnected") == std::string::npos;
    });
    if (!stream) return;
    qmp().Execute("migrate-incoming", {{"uri", "fd:5"}});
    const json end = WaitMigrationEnd(qmp());
    if (end["status"] != "completed") throw std::runtime_error("load: " + end.dump());
  }
  ~Machine() {
    if (testing::Test::HasFailure()) std::cerr << qemu_->process().Stderr() << "\n";
    EXPECT_EQ(vhost_.Broken(), "");
  }

  static void Until(const std::function<bool()>& done) {
    for (Deadline deadline(kTimeout); !done(); std::this_thread::sleep_for(Milliseconds(1)))
      if (deadline.Passed()) throw std::runtime_error("it did not happen in time");
  }

  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  QTest& qtest() { return *qtest_; }
  /// The host's end of the port.
  int port() const { return port_.get(); }

  /// The wire carries a frame's length, big-endian, then its bytes (-netdev stream).
  void SendOnWire(const std::string& frame_and_header) {
    const std::string frame = frame_and_header.substr(kNetHeader);
    WriteAll(wire_.get(), std::string{0, 0, 0, static_cast<char>(frame.size())} + frame);
  }
  /// The guest's next frame; QEMU's own announcements after a migration are passed over.
  std::string ReceiveOnWire() {
    for (;;) {
      const std::string length = ReadFrom(wire_.get(), 4);
      const std::string frame = ReadFrom(wire_.get(), static_cast<uint8_t>(length[3]));
      if (frame.substr(12, 2) == "\x88\xb5") return std::string(kNetHeader, '\0') + frame;
    }
  }
  std::string ReadPort(size_t size) { return ReadFrom(port_.get(), size); }
  /// Ends QEMU; what it had written to the port and nobody had read.
  std::string EndAndReadPort() {
    qemu_->process().Kill();
    std::string text;
    char chunk[65536];
    for (ssize_t n; (n = read(port_.get(), chunk, sizeof(chunk))) > 0;)
      text.append(chunk, static_cast<size_t>(n));
    return text;
  }

  uint32_t Counter() { return qtest().ReadL(kCounter); }
  std::string Memory() {
    qmp().Execute("pmemsave", {{"val", 0}, {"size", 16 << 20}, {"filename", dir_ / "memory"}});
    return ReadFile(dir_ / "memory");
  }
  /// The devices as a stopped QEMU knows them: PCI configuration, rings, receive filter.
  json DeviceState() {
    json state{{"filter", qmp().Execute("query-rx-filter", {{"name", "net"}})}};
    for (uint8_t slot : {kNetSlot, kVhostSlot, kSerialSlot})
      for (int at = 0; at < 256; at += 4)
        state["pci"].push_back(PciBus(qtest()).At(slot).ReadL(static_cast<uint8_t>(at)));
    for (const json& device : qmp().Execute("x-query-virtio"))
      for (int queue = 0; queue < 6; ++queue) {
        if (device["name"] == "virtio-net" && queue > kNetControl) break;
        json ring = qmp().Execute("x-query-virtio-queue-status",
                                  {{"path", device["path"]}, {"queue", queue}});
        ring.erase("shadow-avail-idx");  // a cache of guest memory, read anew by the target
        state["rings"].push_back(ring);
      }
    return state;
  }

 private:
  static std::string ReadFrom(int fd, size_t size) {
    std::string text(size, '\0');
    Deadline deadline(kTimeout);
    for (size_t at = 0; at < size;) {
      if (!WaitFor(fd, POLLIN, deadline)) throw std::runtime_error("nothing to read in time");
      const ssize_t n = read(fd, text.data() + at, size - at);
      if (n <= 0) throw std::runtime_error("QEMU has closed its end");
      at += static_cast<size_t>(n);
    }
    return text;
  }

  TempDir dir_{"compat"};
  Loopback vhost_;
  UniqueFd qtest_listener_, wire_, port_;
  std::optional<Qemu> qemu_;
  std::optional<QTest> qtest_;
};

/// One queue of the driver, of four buffers.
class Ring {
 public:
  static constexpr uint16_t kSize = 4;
  static constexpr uint32_t kBuffer = 256;

  Ring(VirtioPciDevice& device, uint16_t index, GuestHeap& heap)
      : device_(&device),
        index_(index),
        queue_(device.SetUpQueue(index, heap, kSize)),
        buffers_(heap.Allocate(kSize * kBuffer)) {}
  void MoveTo(VirtioPciDevice& device) {
    device_ = &device;
    queue_.MoveTo(qtest());
  }

  /// Gives the device bytes, without waiting.
  void Post(const std::string& bytes) {
    const uint64_t at = Next();
    qtest().MemWrite(at, bytes.data(), bytes.size());
    Add({{at, static_cast<uint32_t>(bytes.size()), false}});
  }
  void Add(const std::vector<VirtqueueBuffer>& chain) {
    queue_.Add(chain);
    device_->Notify(index_);
  }
  void Wait() { queue_.Wait(Deadline(kTimeout)); }
  void Send(const std::string& bytes) {
    Post(bytes);
    Wait();
  }

  /// Gives the device a buffer to write to.
  void Offer() { Add({{Next(), kBuffer, true}}); }
  /// What the device wrote to the oldest buffer.
  std::string Take() {
    const auto used = queue_.Wait(Deadline(kTimeout));
    const auto bytes = qtest().MemRead(buffers_ + used.head * kBuffer, used.written);
    return {bytes.begin(), bytes.end()};
  }
  std::string Receive() {
    std::string bytes = Take();
    Offer();
    return bytes;
  }
  uint16_t UsedIndex() { return qtest().ReadW(queue_.used() + 2); }

 private:
  QTest& qtest() { return device_->pci().qtest(); }
  uint64_t Next() { return buffers_ + next_++ % kSize * kBuffer; }

  VirtioPciDevice* device_;
  uint16_t index_;
  Virtqueue queue_;
  uint64_t buffers_;
  unsigned next_ = 0;
};

/// The guest: its drivers' state, which moves with it.
class Guest {
 public:
  explicit Guest(Machine& machine) {
    Attach(machine);
    net_->Negotiate(virtio::Bit(kMac) | virtio::Bit(kCtrlVq) | virtio::Bit(kCtrlRx));
    vhost_->Negotiate(0);
    serial_->Negotiate(virtio::Bit(kMultiport));
    Ring filter(*net_, kNetControl, heap_), control(*serial_, kControlOut, heap_);
    for (auto [device, index] : {std::pair{&net_, kReceive},
                                 {&net_, kTransmit},
                                 {&vhost_, kReceive},
                                 {&vhost_, kTransmit},
                                 {&serial_, kPortIn},
                                 {&serial_, kPortOut}})
      rings_.emplace_back(**device, index, heap_);
    for (auto* device : {&net_, &vhost_, &serial_}) (*device)->SetDriverOk();
    // VIRTIO_NET_CTRL_RX_PROMISC 0: only frames for the guest's own address, from here on.
    const uint64_t promiscuous = heap_.Allocate(4);
    filter.Add({{promiscuous, 2, false}, {promiscuous + 2, 1, false}, {promiscuous + 3, 1, true}});
    filter.Wait();
    for (auto [port, event] : {std::pair{0, kDeviceReady}, {1, kPortReady}, {1, kPortOpen}})
      control.Send({static_cast<char>(port), 0, 0, 0, static_cast<char>(event), 0, 1, 0});
    for (auto* ring : {&net_in(), &serial_in()})
      for (int i = 0; i < Ring::kSize; ++i) ring->Offer();
  }

  void Attach(Machine& machine) {
    machine_ = &machine;
    PciBus bus(machine.qtest());
    net_.emplace(bus, bus.At(kNetSlot));
    vhost_.emplace(bus, bus.At(kVhostSlot));
    serial_.emplace(bus, bus.At(kSerialSlot));
    for (size_t i = 0; i < rings_.size(); ++i)
      rings_[i].MoveTo(*std::array{&net_, &vhost_, &serial_}[i / 2]->operator->());
  }

  /// Traffic both ways on all devices, more of it than the rings have entries.
  void Talk() {
    for (int i = 0; i < 3 * Ring::kSize; ++i) {
      const std::string name = "message " + std::to_string(i);
      net_out().Send(Frame(name));
      ASSERT_EQ(machine_->ReceiveOnWire(), Frame(name));
      machine_->SendOnWire(Frame("for another guest", 2));
      machine_->SendOnWire(Frame(name));
      ASSERT_EQ(net_in().Receive().substr(kNetHeader), Frame(name).substr(kNetHeader));
      vhost_in().Offer();
      vhost_out().Send(Frame(name));
      ASSERT_EQ(vhost_in().Take(), Frame(name));
      serial_out().Send(name);
      ASSERT_EQ(machine_->ReadPort(name.size()), name);
      WriteAll(machine_->port(), name);
      ASSERT_EQ(serial_in().Receive(), name);
    }
  }

  /// Work that the migration finds half done, and stops the machine.
  void LeaveInFlight() {
    // Arrived, and not yet seen by the guest.
    const uint16_t net = net_in().UsedIndex(), serial = serial_in().UsedIndex();
    machine_->SendOnWire(Frame("unseen"));
    WriteAll(machine_->port(), "unseen");
    Machine::Until(
        [&] { return net_in().UsedIndex() != net && serial_in().UsedIndex() != serial; });
    // Taken from the ring, and written to the port in part: nobody reads there.
    for (size_t i = 0; i < message_.size(); ++i) message_[i] = static_cast<char>(i * 7 + (i >> 12));
    const uint64_t at = heap_.Allocate(message_.size());
    machine_->qtest().MemWrite(at, message_.data(), message_.size());
    serial_out().Add({{at, static_cast<uint32_t>(message_.size()), false}});
    // Seen by the back-end, which has nowhere to put it.
    vhost_out().Post(Frame("nowhere"));
    // Kicked when the machine had stopped: only "tx_waiting" tells the target to send it.
    machine_->qmp().Execute("stop");
    net_out().Post(Frame("waiting"));
  }

  /// All that was in flight arrives; `at_source` is what the source had written to the port.
  void ExpectInFlight(const std::string& at_source) {
    EXPECT_EQ(machine_->ReceiveOnWire(), Frame("waiting"));
    net_out().Wait();
    EXPECT_EQ(net_in().Receive().substr(kNetHeader), Frame("unseen").substr(kNetHeader));
    EXPECT_EQ(serial_in().Receive(), "unseen");
    vhost_in().Offer();
    EXPECT_EQ(vhost_in().Take(), Frame("nowhere"));
    vhost_out().Wait();
    ASSERT_LT(at_source.size(), message_.size()) << "nothing of it was in flight";
    EXPECT_GT(at_source.size(), 0u);
    EXPECT_TRUE(at_source + machine_->ReadPort(message_.size() - at_source.size()) == message_)
        << "bytes lost, doubled or out of order";
    serial_out().Wait();
  }

 private:
  Ring& net_in() { return rings_[0]; }
  Ring& net_out() { return rings_[1]; }
  Ring& vhost_in() { return rings_[2]; }
  Ring& vhost_out() { return rings_[3]; }
  Ring& serial_in() { return rings_[4]; }
  Ring& serial_out() { return rings_[5]; }

  Machine* machine_ = nullptr;
  GuestHeap heap_{kHeap, kHeapSize};
  std::optional<VirtioPciDevice> net_, vhost_, serial_;
  std::vector<Ring> rings_;
  std::string message_ = std::string(1 << 20, '\0');
};

class Compat : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string missing = DebianMissing(); !missing.empty()) GTEST_SKIP() << missing;
  }

  void Move(const fs::path& from, const fs::path& to) {
    Machine source(from, GetParam());
    Guest guest(source);
    guest.Talk();
    guest.LeaveInFlight();
    const std::string stream = MigrateToBytes(source.qemu());
    Machine target(to, GetParam(), &stream);
    EXPECT_TRUE(source.Memory() == target.Memory()) << "the guest's memory differs";
    EXPECT_EQ(json::diff(source.DeviceState(), target.DeviceState()).dump(), "[]");
    const uint32_t counted = target.Counter();
    EXPECT_EQ(counted, source.Counter());
    target.qmp().Execute("cont");
    guest.Attach(target);
    guest.ExpectInFlight(source.EndAndReadPort());
    guest.Talk();
    EXPECT_GT(target.Counter(), counted) << "the CPU does not go on";
  }
};

TEST_P(Compat, AGuestOfDebiansGoesOnInOurs) { Move(Debian(), QemuBinary()); }
TEST_P(Compat, AGuestOfOursGoesOnInDebians) { Move(QemuBinary(), Debian()); }

// The description of all devices that both have, in use or not.
TEST_P(Compat, EveryDeviceHasTheSameFieldsAsDebians) {
  const TempDir dir;
  const auto dump = [&](const fs::path& binary) {
    const RunResult run = stx::Run({binary, "-machine", GetParam(), "-nodefaults", "-display",
                                    "none", "-dump-vmstate", dir / "dump"},
                                   kTimeout);
    EXPECT_TRUE(run.status.Success()) << run.err;
    return json::parse(ReadFile(dir / "dump"));
  };
  const json debian = dump(Debian()), ours = dump(QemuBinary());
  int common = 0;
  for (const auto& [device, fields] : ours.items()) {
    if (!debian.contains(device)) continue;
    ++common;
    EXPECT_EQ(json::diff(debian[device], fields).dump(), "[]") << device;
  }
  EXPECT_GT(common, 100) << "of Debian's " << debian.size() << " and our " << ours.size();
}

/// What a stream says at its end about its sections (docs/devel/migration.rst, "Stream structure").
json Description(const std::string& stream) {
  const size_t at = stream.rfind("{\"page_size\"");
  if (at == std::string::npos) throw std::runtime_error("a stream without description");
  return json::parse(stream.substr(at));
}

TEST_P(Compat, TheStreamHasTheSameSectionsAndFieldsAsDebians) {
  std::vector<json> descriptions;
  for (const fs::path& binary : {Debian(), QemuBinary()}) {
    Machine machine(binary, GetParam());
    Guest guest(machine);
    guest.Talk();
    guest.LeaveInFlight();
    descriptions.push_back(Description(MigrateToBytes(machine.qemu())));
  }
  EXPECT_GT(descriptions[0]["devices"].size(), 20u);
  EXPECT_EQ(json::diff(descriptions[0], descriptions[1]).dump(), "[]");
}

INSTANTIATE_TEST_SUITE_P(Machines, Compat,
                         testing::Values("pc-q35-7.2", "pc-q35-5.2", "pc-i440fx-5.2"),
                         [](const auto& machine) {
                           std::string name = machine.param;
                           for (char& c : name)
                             if (c == '-' || c == '.') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace stx
