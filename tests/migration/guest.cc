// SPDX-License-Identifier: GPL-2.0-or-later
#include "migration/guest.h"

#include <array>
#include <stdexcept>

namespace stx {
namespace {

// virtio 1.2, section 5.2.6: the parts of a disk request in bytes, and its types.
constexpr uint32_t kHeader = 16, kSector = 512, kStatus = kHeader + kSector;
constexpr uint32_t kIn = 0, kOut = 1;

// virtio 1.2, sections 5.1.3 and 5.3.3 (feature bits), 5.3.2 (queues of port 1), 5.3.6.2 (events).
constexpr int kMultiport = 1, kMac = 5, kCtrlVq = 17, kCtrlRx = 18;
constexpr uint16_t kControlOut = 3, kPortIn = 4, kPortOut = 5;
constexpr uint16_t kDeviceReady = 0, kPortReady = 3, kPortOpen = 6;

void Expect(const std::string& what, const std::string& got, const std::string& wanted) {
  if (got != wanted) throw std::runtime_error(what + " got other bytes than were sent");
}

/// A frame as virtio-net delivered it. The header says how many buffers it took.
std::string WithoutHeader(const std::string& frame) { return frame.substr(kNetHeader); }

}  // namespace

Guest::Guest(MigrationMachine& machine) {
  Attach(machine);
  net_->Negotiate(virtio::Bit(kMac) | virtio::Bit(kCtrlVq) | virtio::Bit(kCtrlRx));
  if (vhost_) vhost_->Negotiate(0);
  serial_->Negotiate(virtio::Bit(kMultiport));
  if (disk_) {
    disk_->Negotiate(0);
    requests_.emplace(*disk_, 0, heap_);
    request_ = heap_.Allocate(kStatus + 1);
  }
  Ring filter(*net_, kNetControl, heap_), control(*serial_, kControlOut, heap_);
  for (auto [device, index] : {std::pair{&net_, kReceive},
                               {&net_, kTransmit},
                               {&serial_, kPortIn},
                               {&serial_, kPortOut},
                               {&vhost_, kReceive},
                               {&vhost_, kTransmit}})
    if (*device) rings_.emplace_back(**device, index, heap_);
  for (auto* device : {&net_, &serial_, &vhost_, &disk_})
    if (*device) (*device)->SetDriverOk();
  // VIRTIO_NET_CTRL_RX_PROMISC 0: from now on, accept only frames for the guest's own address.
  const uint64_t promiscuous = heap_.Allocate(4);
  filter.Add({{promiscuous, 2, false}, {promiscuous + 2, 1, false}, {promiscuous + 3, 1, true}});
  filter.Wait();
  for (auto [port, event] : {std::pair{0, kDeviceReady}, {1, kPortReady}, {1, kPortOpen}})
    control.Send({static_cast<char>(port), 0, 0, 0, static_cast<char>(event), 0, 1, 0});
  for (auto* ring : {&net_in(), &serial_in()})
    for (int i = 0; i < Ring::kSize; ++i) ring->Offer();
}

void Guest::GoOn(MigrationMachine& machine) {
  Attach(machine);
  for (size_t i = 0; i < rings_.size(); ++i)
    rings_[i].MoveTo(*std::array{&net_, &serial_, &vhost_}[i / 2]->operator->());
  if (disk_) requests_->MoveTo(*disk_);
}

void Guest::Attach(MigrationMachine& machine) {
  machine_ = &machine;
  PciBus bus(machine.qtest());
  net_.emplace(bus, bus.At(MigrationMachine::kNetSlot));
  if (machine.has_vhost()) vhost_.emplace(bus, bus.At(MigrationMachine::kVhostSlot));
  serial_.emplace(bus, bus.At(MigrationMachine::kSerialSlot));
  if (machine.has_disk()) disk_.emplace(bus, bus.At(MigrationMachine::kDiskSlot));
  // Not before the BARs are placed, because until then no CPU accesses a device.
  machine.qmp().Execute("cont");
}

void Guest::Request(uint32_t type, uint64_t sector) {
  QTest& qtest = machine_->qtest();
  qtest.WriteL(request_, type);
  qtest.WriteL(request_ + 4, 0);
  qtest.WriteQ(request_ + 8, sector);
  qtest.WriteB(request_ + kStatus, 0xff);
  requests_->Add({{request_, kHeader, false},
                  {request_ + kHeader, kSector, type == kIn},
                  {request_ + kStatus, 1, true}});
  requests_->Wait();
  if (const int status = qtest.ReadB(request_ + kStatus))
    throw std::runtime_error("the disk's request ends in status " + std::to_string(status));
}

std::string Guest::ReadSector(uint64_t sector) {
  Request(kIn, sector);
  const auto bytes = machine_->qtest().MemRead(request_ + kHeader, kSector);
  return {bytes.begin(), bytes.end()};
}

void Guest::WriteSector(uint64_t sector, const std::string& bytes) {
  machine_->qtest().MemWrite(request_ + kHeader, bytes.data(), bytes.size());
  Request(kOut, sector);
}

void Guest::Talk() {
  ++talks_;
  for (int i = 0; i < 3 * Ring::kSize; ++i) {
    const std::string name = "message " + std::to_string(i), frame = Frame(name);
    net_out().Send(frame);
    Expect("the wire", machine_->ReceiveOnWire(), frame);
    machine_->SendOnWire(Frame("for another guest", 2));
    machine_->SendOnWire(frame);
    Expect("virtio-net", WithoutHeader(net_in().Receive()), WithoutHeader(frame));
    if (vhost_) {
      vhost_in().Offer();
      vhost_out().Send(frame);
      Expect("vhost-user-net", vhost_in().Take(), frame);
    }
    if (disk_) {
      if (i > 0 || talks_ > 1) Expect("the disk", ReadSector(0), on_disk_);
      on_disk_ = name + " of talk " + std::to_string(talks_);
      on_disk_.resize(kSector, '\n');
      WriteSector(0, on_disk_);
    }
    serial_out().Send(name);
    Expect("the port's host", machine_->ReadPort(name.size()), name);
    machine_->WritePort(name);
    Expect("the port", serial_in().Receive(), name);
  }
}

void Guest::LeaveInFlight() {
  // Arrived but not yet seen by the guest.
  const uint16_t net = net_in().UsedIndex(), serial = serial_in().UsedIndex();
  machine_->SendOnWire(Frame("unseen"));
  machine_->WritePort("unseen");
  Until([&] { return net_in().UsedIndex() != net && serial_in().UsedIndex() != serial; });
  // Taken from the ring and partly written to the port, because nobody reads there.
  message_.resize(1 << 20);
  for (size_t i = 0; i < message_.size(); ++i) message_[i] = static_cast<char>(i * 7 + (i >> 12));
  const uint64_t at = heap_.Allocate(message_.size());
  machine_->qtest().MemWrite(at, message_.data(), message_.size());
  serial_out().Add({{at, static_cast<uint32_t>(message_.size()), false}});
  // For the back-end, which has no buffer for it.
  vhost_out().Post(Frame("nowhere"));
  // Kicked after the machine has stopped: only "tx_waiting" tells the target to send it.
  machine_->qmp().Execute("stop");
  net_out().Post(Frame("waiting"));
}

void Guest::FinishInFlight(const std::string& at_source) {
  Expect("the wire", machine_->ReceiveOnWire(), Frame("waiting"));
  net_out().Wait();
  Expect("virtio-net", WithoutHeader(net_in().Receive()), WithoutHeader(Frame("unseen")));
  Expect("the port", serial_in().Receive(), "unseen");
  vhost_in().Offer();
  Expect("vhost-user-net", vhost_in().Take(), Frame("nowhere"));
  vhost_out().Wait();
  if (at_source.empty() || at_source.size() >= message_.size())
    throw std::runtime_error("the port's message was not in flight");
  const size_t rest = message_.size() - at_source.size();
  Expect("the port's host", at_source + machine_->ReadPort(rest), message_);
  serial_out().Wait();
}

}  // namespace stx
