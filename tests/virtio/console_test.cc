// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver of virtio-serial may rely on (virtio 1.2, section 5.3): configuration, the messages
// of the control queues, and whose bytes each port carries.

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/pattern.h"
#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr int kSize = 0, kMultiport = 1, kEmergency = 2;
constexpr uint16_t kControlIn = 2, kControlOut = 3;  // receive of control messages, and transmit
constexpr Milliseconds kWait{10000};

/// Events of the control queues (5.3.6.2).
enum Event : uint16_t {
  kDeviceReady,
  kDeviceAdd,
  kDeviceRemove,
  kPortReady,
  kConsolePort,
  kResize,
  kPortOpen,
  kPortName,
};

struct Message {
  uint32_t id;
  uint16_t event, value;
  std::string name = "";
  bool operator==(const Message&) const = default;
};
void PrintTo(const Message& message, std::ostream* out) {
  *out << "port " << message.id << " event " << message.event << " value " << message.value << " "
       << message.name;
}

class Serial : public MachineTest {
 protected:
  std::string Path(const std::string& name) { return dir / (name + ".sock"); }
  std::vector<std::string> Chardev(const std::string& name) {
    return {"-chardev", "socket,id=" + name + ",path=" + Path(name) + ",server=on,wait=off"};
  }
  /// Port 1 is named, port 2 is a console, port 5 is neither.
  void Start(const std::string& options = ",max_ports=7") {
    std::vector<std::string> args;
    for (const char* name : {"one", "two", "five", "later"})
      for (const std::string& word : Chardev(name)) args.push_back(word);
    args.insert(args.end(),
                {"-device", "virtio-serial-pci,id=serial,disable-legacy=on,addr=5" + options,
                 "-device", "virtserialport,bus=serial.0,nr=1,chardev=one,name=org.stx.one",
                 "-device", "virtconsole,bus=serial.0,nr=2,chardev=two", "-device",
                 "virtserialport,bus=serial.0,nr=5,chardev=five"});
    StartMachine(args);
    device.emplace(*bus, bus->At(5));
  }
  void StartDriver() {
    ASSERT_TRUE(device->Negotiate(virtio::Bit(kMultiport)) & virtio::Bit(kMultiport));
    queues.clear();
    for (uint16_t i = 0; i < device->QueueCount(); ++i)
      queues.push_back(device->SetUpQueue(i, *heap));
    device->SetDriverOk();
    for (int i = 0; i < 32; ++i) OfferMessage();
  }
  /// The queues of a port: what it gives us, and what it takes (5.3.2).
  static uint16_t In(uint32_t port) { return static_cast<uint16_t>(port ? 2 * port + 2 : 0); }
  static uint16_t Out(uint32_t port) { return static_cast<uint16_t>(In(port) + 1); }

  void OfferMessage() {
    const uint64_t at = heap->Allocate(64);
    qtest().MemSet(at, 64, 0xee);
    messages[queues[kControlIn].Add({{at, 64, true}})] = at;
    device->Notify(kControlIn);
  }
  Message Next() {
    const DriverQueue::Used used = queues[kControlIn].Wait(Deadline(kWait));
    const uint64_t at = messages.at(used.head);
    Message message{qtest().ReadL(at), qtest().ReadW(at + 4), qtest().ReadW(at + 6)};
    const auto rest = qtest().MemRead(at + 8, used.written - 8);
    message.name = {rest.begin(), rest.end()};
    return message;
  }
  void Send(uint32_t id, Event event, uint16_t value, uint32_t bytes = 8) {
    const uint64_t at = heap->Allocate(8);
    qtest().WriteL(at, id);
    qtest().WriteW(at + 4, event);
    qtest().WriteW(at + 6, value);
    queues[kControlOut].Add({{at, bytes, false}});
    device->Notify(kControlOut);
    EXPECT_EQ(queues[kControlOut].Wait(Deadline(kWait)).written, 0u);
  }
  /// Nothing is sent before the answer to this.
  void ExpectSilence() { EXPECT_FALSE(queues[kControlIn].Take()); }
  /// As a driver does: asks for the ports, makes each ready and opens it.
  void OpenAll() {
    Send(0, kDeviceReady, 1);
    for (uint32_t id : {1u, 2u, 5u}) EXPECT_EQ(Next(), (Message{id, kDeviceAdd, 1}));
    for (uint32_t id : {1u, 2u, 5u}) Send(id, kPortReady, 1);
    EXPECT_EQ(Next(), (Message{1, kPortName, 1, std::string("org.stx.one\0", 12)}));
    EXPECT_EQ(Next(), (Message{2, kConsolePort, 1}));
    EXPECT_EQ(Next(), (Message{2, kPortOpen, 1})) << "a console is always open";
    for (uint32_t id : {1u, 2u, 5u}) Send(id, kPortOpen, 1);
  }
  void Print(uint32_t port, const std::string& text, uint32_t split = 0) {
    const uint64_t at = heap->Allocate(text.size());
    qtest().MemWrite(at, text.data(), text.size());
    const auto size = static_cast<uint32_t>(text.size());
    std::vector<VirtqueueBuffer> chain;
    if (split) chain.push_back({at, split, false});
    chain.push_back({at + split, size - split, false});
    queues[Out(port)].Add(chain);
    device->Notify(Out(port));
  }
  void Offer(uint32_t port, uint32_t size) {
    const uint64_t at = heap->Allocate(size);
    qtest().MemSet(at, size, 0xee);
    buffers[port][queues[In(port)].Add({{at, size, true}})] = at;
    device->Notify(In(port));
  }
  std::string Read(uint32_t port) {
    const DriverQueue::Used used = queues[In(port)].Wait(Deadline(kWait));
    const auto bytes = qtest().MemRead(buffers[port].at(used.head), used.written);
    return {bytes.begin(), bytes.end()};
  }
  static std::string ReadSocket(const UniqueFd& fd, size_t size) {
    std::string text;
    for (const Deadline deadline(kWait);
         text.size() < size && WaitFor(fd.get(), POLLIN, deadline);) {
      char bytes[4096];
      const ssize_t n = read(fd.get(), bytes, std::min(sizeof(bytes), size - text.size()));
      if (n <= 0) break;
      text.append(bytes, static_cast<size_t>(n));
    }
    return text;
  }
  UniqueFd Connect(const std::string& name) { return ConnectUnix(Path(name), Deadline(kWait)); }

  std::optional<VirtioPciDevice> device;
  std::vector<Virtqueue> queues;
  std::map<uint16_t, uint64_t> messages;
  std::map<uint32_t, std::map<uint16_t, uint64_t>> buffers;
};

TEST_F(Serial, TheConfigurationSaysHowManyPortsThereMayBe) {
  Start();
  EXPECT_EQ(device->ConfigL(4), 7u) << "max_nr_ports";
  EXPECT_EQ(device->QueueCount(), 16) << "two for each port, and two for control";
  EXPECT_TRUE(device->OfferedFeatures() & virtio::Bit(kMultiport));
  EXPECT_TRUE(device->OfferedFeatures() & virtio::Bit(kEmergency));
  EXPECT_FALSE(device->OfferedFeatures() & virtio::Bit(kSize)) << "QEMU knows no size";
  StartMachine({"-device", "virtio-serial-pci,disable-legacy=on,addr=5,max_ports=1"});
  device.emplace(*bus, bus->At(5));
  EXPECT_EQ(device->ConfigL(4), 1u);
  EXPECT_FALSE(device->OfferedFeatures() & virtio::Bit(kMultiport));
  EXPECT_EQ(device->QueueCount(), 4);
}

TEST_F(Serial, PortsAreAnnouncedNamedAndOpened) {
  Covers({"virtio 5.3.6.2.1 add"});
  Start();
  StartDriver();
  ExpectSilence();
  OpenAll();
  ExpectSilence();
}

TEST_F(Serial, AReadyThatFailedAndAMessageThatIsNoneAreIgnored) {
  Start();
  StartDriver();
  Send(0, kDeviceReady, 0);
  Send(0, kDeviceReady, 1, 7);
  ExpectSilence();
  Send(0, kDeviceReady, 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Next().event, kDeviceAdd);
  Send(1, kPortReady, 0);
  Send(3, kPortReady, 1);  // there is none
  Send(1, kResize, 1);
  ExpectSilence();
  Send(1, kPortReady, 1);
  EXPECT_EQ(Next().event, kPortName);
}

TEST_F(Serial, AClientOpensAndClosesItsPortAlone) {
  Start();
  StartDriver();
  OpenAll();
  {
    UniqueFd client = Connect("one");
    EXPECT_EQ(Next(), (Message{1, kPortOpen, 1}));
    UniqueFd other = Connect("five");
    EXPECT_EQ(Next(), (Message{5, kPortOpen, 1}));
  }
  std::vector<uint32_t> closed;
  for (int i = 0; i < 2; ++i) {
    const Message message = Next();
    EXPECT_EQ(message.event, kPortOpen);
    EXPECT_EQ(message.value, 0);
    closed.push_back(message.id);
  }
  std::sort(closed.begin(), closed.end());
  EXPECT_EQ(closed, (std::vector<uint32_t>{1, 5}));
  ExpectSilence();
}

TEST_F(Serial, EachPortCarriesItsOwnBytes) {
  Start();
  StartDriver();
  OpenAll();
  UniqueFd one = Connect("one"), two = Connect("two"), five = Connect("five");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Next().event, kPortOpen);
  Print(1, "to one", 2);
  Print(5, "to five");
  Print(2, "to two");
  EXPECT_EQ(ReadSocket(one, 6), "to one");
  EXPECT_EQ(ReadSocket(two, 6), "to two");
  EXPECT_EQ(ReadSocket(five, 7), "to five");
  for (uint32_t port : {1u, 2u, 5u}) {
    EXPECT_EQ(queues[Out(port)].Wait(Deadline(kWait)).written, 0u);
    Offer(port, 4);
    Offer(port, 64);
  }
  WriteAll(five.get(), "from five");
  EXPECT_EQ(Read(5), "from");
  EXPECT_EQ(Read(5), " five");
  WriteAll(one.get(), "one");
  EXPECT_EQ(Read(1), "one");
  WriteAll(two.get(), "two");
  EXPECT_EQ(Read(2), "two");
}

TEST_F(Serial, WhatTheGuestHasNotOpenedGivesItNoBytes) {
  Start();
  StartDriver();
  Send(0, kDeviceReady, 1);
  for (int i = 0; i < 3; ++i) Next();
  for (uint32_t id : {1u, 2u, 5u}) Send(id, kPortReady, 1);
  for (int i = 0; i < 3; ++i) Next();
  UniqueFd client = Connect("one");
  EXPECT_EQ(Next(), (Message{1, kPortOpen, 1}));
  Offer(1, 64);
  WriteAll(client.get(), "early");
  EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] { return bool(queues[In(1)].Take()); }));
  Send(1, kPortOpen, 1);
  EXPECT_EQ(Read(1), "early") << "it waited";
  Send(1, kPortOpen, 0);
  Offer(1, 64);
  WriteAll(client.get(), "late");
  EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] { return bool(queues[In(1)].Take()); }));
}

TEST_F(Serial, ManyBytesWaitForBuffersAndKeepTheirOrder) {
  Start();
  StartDriver();
  OpenAll();
  UniqueFd client = Connect("one");
  Next();
  const std::string text = MakePattern(20000, 1);
  WriteAll(client.get(), text);
  std::string got;
  while (got.size() < text.size()) {
    Offer(1, 700);
    const std::string part = Read(1);
    ASSERT_FALSE(part.empty());
    got += part;
  }
  EXPECT_TRUE(got == text);
}

TEST_F(Serial, PortsComeAndGo) {
  Covers({"virtio 5.3.6.2.1 add", "virtio 5.3.6.2.1 remove"});
  Start();
  StartDriver();
  OpenAll();
  qmp().Execute("device_add", {{"driver", "virtserialport"},
                               {"id", "new"},
                               {"bus", "serial.0"},
                               {"chardev", "later"},
                               {"name", "new"}});
  EXPECT_EQ(Next(), (Message{3, kDeviceAdd, 1})) << "the first number that is free";
  Send(3, kPortReady, 1);
  EXPECT_EQ(Next(), (Message{3, kPortName, 1, std::string("new\0", 4)}));
  Send(3, kPortOpen, 1);
  UniqueFd client = Connect("later");
  EXPECT_EQ(Next(), (Message{3, kPortOpen, 1}));
  Print(3, "hello");
  EXPECT_EQ(ReadSocket(client, 5), "hello");
  queues[Out(3)].Wait(Deadline(kWait));
  qmp().Execute("device_del", {{"id", "new"}});
  std::vector<uint16_t> events;
  for (Message message = Next();; message = Next()) {
    EXPECT_EQ(message.id, 3u);
    events.push_back(message.event);
    if (message.event == kDeviceRemove) break;
  }
  qmp().WaitEvent("DEVICE_DELETED");
  EXPECT_LE(events.size(), 2u) << "at most PORT_OPEN before";
}

TEST_F(Serial, ThePortsNumberIsCheckedWhenItIsPlugged) {
  Start();
  const auto refusal = [&](int nr) -> std::string {
    try {
      qmp().Execute("device_add", {{"driver", "virtserialport"}, {"bus", "serial.0"}, {"nr", nr}});
    } catch (const QmpError& error) {
      return error.desc();
    }
    return "";
  };
  EXPECT_NE(refusal(1).find("already exists at id 1"), std::string::npos);
  EXPECT_NE(refusal(7).find("Out-of-range port id"), std::string::npos) << refusal(7);
  EXPECT_EQ(refusal(6), "");
  EXPECT_NE(refusal(0).find("reserved"), std::string::npos) << refusal(0);
}

TEST_F(Serial, AnEmergencyWriteNeedsNoDriver) {
  Covers({"virtio 5.3.5.1 emergency"});
  Start();
  UniqueFd console = Connect("two");
  // QEMU has a client once it answers for it.
  WaitUntil("the client", Deadline(kWait), [&] {
    for (const json& chardev : qmp().Execute("query-chardev"))
      if (chardev["label"] == "two")
        return chardev["filename"].get<std::string>().find("disconnected") == std::string::npos;
    return false;
  });
  EXPECT_EQ(device->Status(), 0);
  for (char c : std::string("panic")) qtest().WriteL(device->device_config() + 8, uint32_t(c));
  EXPECT_EQ(ReadSocket(console, 5), "panic");
}

TEST_F(Serial, AResetClosesWhatTheGuestHadOpened) {
  Start();
  StartDriver();
  OpenAll();
  UniqueFd client = Connect("one");
  Next();
  device->Reset();
  StartDriver();
  Offer(1, 64);
  WriteAll(client.get(), "x");
  EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] { return bool(queues[In(1)].Take()); }));
  Send(0, kDeviceReady, 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Next().event, kDeviceAdd);
  Send(1, kPortReady, 1);
  EXPECT_EQ(Next().event, kPortName);
  EXPECT_EQ(Next(), (Message{1, kPortOpen, 1})) << "the client is still there";
  Send(1, kPortOpen, 1);
  EXPECT_EQ(Read(1), "x");
}

}  // namespace
}  // namespace stx
