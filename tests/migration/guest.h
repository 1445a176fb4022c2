// SPDX-License-Identifier: GPL-2.0-or-later
// The guest: drivers (through qtest) for the devices of a MigrationMachine, and their state, which
// moves with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/virtio/virtio_pci.h"
#include "migration/machine.h"

namespace stx {

/// One queue of the driver, with four buffers.
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

  /// Gives bytes to the device without waiting.
  void Post(const std::string& bytes) {
    const uint64_t at = Next();
    qtest().MemWrite(at, bytes.data(), bytes.size());
    Add({{at, static_cast<uint32_t>(bytes.size()), false}});
  }
  void Add(const std::vector<VirtqueueBuffer>& chain) {
    queue_.Add(chain);
    device_->Notify(index_);
  }
  void Wait() { queue_.Wait(Deadline(MigrationMachine::kTimeout)); }
  void Send(const std::string& bytes) {
    Post(bytes);
    Wait();
  }

  /// Gives a writable buffer to the device.
  void Offer() { Add({{Next(), kBuffer, true}}); }
  /// What the device wrote to the oldest buffer.
  std::string Take() {
    const auto used = queue_.Wait(Deadline(MigrationMachine::kTimeout));
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

class Guest {
 public:
  /// Starts the machine and the drivers.
  explicit Guest(MigrationMachine& machine);
  /// Continues in `machine`, to which the guest was migrated, and starts it.
  void GoOn(MigrationMachine& machine);

  /// Sends messages in both directions on all devices, more than the rings have entries. Checks
  /// that the disk has what the last call wrote, and writes other bytes. Throws if anything differs
  /// from what was sent.
  void Talk();
  /// Leaves unfinished work for a migration, and stops the machine.
  void LeaveInFlight();
  /// Checks that all of it arrives exactly once; `at_source` is what the source had written to the
  /// port. Throws otherwise.
  void FinishInFlight(const std::string& at_source);

 private:
  void Attach(MigrationMachine& machine);
  std::string ReadSector(uint64_t sector);
  void WriteSector(uint64_t sector, const std::string& bytes);
  void Request(uint32_t type, uint64_t sector);
  Ring& net_in() { return rings_[0]; }
  Ring& net_out() { return rings_[1]; }
  Ring& serial_in() { return rings_[2]; }
  Ring& serial_out() { return rings_[3]; }
  Ring& vhost_in() { return rings_[4]; }
  Ring& vhost_out() { return rings_[5]; }

  MigrationMachine* machine_ = nullptr;
  GuestHeap heap_{0x100000, 0x700000};
  std::optional<VirtioPciDevice> net_, vhost_, serial_, disk_;
  std::vector<Ring> rings_;
  std::optional<Ring> requests_;
  uint64_t request_ = 0;  // a disk request in guest memory: header, one sector, status
  std::string on_disk_;   // what the last Talk wrote
  unsigned talks_ = 0;
  std::string message_;
};

}  // namespace stx
