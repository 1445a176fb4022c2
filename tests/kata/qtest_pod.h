// SPDX-License-Identifier: GPL-2.0-or-later
// The small pod on qtest: the parts of Kata's q35 that hot-plug concerns (RAM, bridges, root ports
// and the virtio-scsi controller), without a guest, and the guest's part of hot-plug, which the
// test performs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/qemu/acpi_hotplug.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/virtio/virtio_pci.h"
#include "kata/command_line.h"

namespace stx {

struct QtestPodOptions {
  int bridges = 1;
  unsigned root_ports = 0;
  unsigned vcpus = 1, max_vcpus = 2;
  /// Edits of the remaining part of Kata's command line.
  std::vector<CommandEdit> edits = {};
  /// Arguments that follow it, and descriptors of the test's own.
  QemuOptions qemu = {};
};

class QtestPod {
 public:
  static constexpr Milliseconds kWait{20000};

  explicit QtestPod(QtestPodOptions options = {});
  ~QtestPod();

  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  QTest& qtest() { return qemu_->qtest(); }
  PciBus& root() { return *root_; }
  /// The bus behind pci-bridge-`index`, or behind root port rp`index`.
  PciBus& bridge(int index = 0) { return bridges_.at(static_cast<size_t>(index)); }
  PciBus& port(int index = 0) { return ports_.at(static_cast<size_t>(index)); }
  PciHotplug acpi(const std::string& bridge = "pci-bridge-0") { return {qtest(), qmp(), bridge}; }
  GuestHeap& heap() { return heap_; }

  /// The slot of the device with that id, on any bus.
  uint8_t FindSlot(const std::string& id);
  /// Sends device_add as Kata does, with addr as two-digit hexadecimal text.
  void Add(const json& device, const std::string& bridge, uint8_t slot);
  /// Reads the eject request for the device in `slot` of `bridge`, ejects it, and waits for
  /// DEVICE_DELETED of `id`.
  void Remove(const std::string& id, const std::string& bridge, uint8_t slot);
  void WaitDeleted(const std::string& id);
  /// The text of the error with which the command fails; empty if it succeeds.
  std::string GetRefusal(const std::string& command, const json& arguments);

 private:
  std::optional<Qemu> qemu_;
  std::optional<PciBus> root_;
  std::vector<PciBus> bridges_, ports_;
  GuestHeap heap_{16 << 20, 96 << 20};
};

}  // namespace stx
