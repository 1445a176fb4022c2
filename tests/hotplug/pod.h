// SPDX-License-Identifier: GPL-2.0-or-later
// A q35 as Kata starts it, driven by qtest: shared RAM, one or more bridges with shpc=off, a
// virtio-scsi controller; and what Kata does to it over QMP.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/qemu/acpi_hotplug.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

struct HotplugPodOptions {
  std::string machine = "q35";
  int bridges = 1;
  int root_ports = 0;
  std::vector<std::string> args = {};
  /// Inherited as 4, 5, ...
  std::vector<int> fds = {};
  /// More properties of scsi0: ",iothread=ID".
  std::string scsi = {};
  std::vector<std::string> smp = {"-smp", "1,cores=1,threads=1,sockets=2,maxcpus=2"};
};

class HotplugPod {
 public:
  static constexpr Milliseconds kWait{20000};
  /// Of scsi0, on the root bus.
  static constexpr uint8_t kScsiSlot = 7;

  explicit HotplugPod(const HotplugPodOptions& options = {});
  ~HotplugPod();

  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  QTest& qtest() { return qemu_->qtest(); }
  PciBus& root() { return *root_; }
  /// The bus behind pci-bridge-`index`, or behind root port rp`index`.
  PciBus& bridge(int index = 0) { return bridges_.at(static_cast<size_t>(index)); }
  PciBus& port(int index = 0) { return ports_.at(static_cast<size_t>(index)); }
  PciHotplug acpi(const std::string& bridge = "pci-bridge-0") { return {qtest(), qmp(), bridge}; }
  GuestHeap& heap() { return heap_; }

  /// device_add as Kata sends it: addr as two-digit hexadecimal text.
  void Add(json device, const std::string& bridge, uint8_t slot);
  /// Notices that the device in `slot` of `bridge` is to go, ejects it, and waits for
  /// DEVICE_DELETED of `id`.
  void Remove(const std::string& id, const std::string& bridge, uint8_t slot);
  void WaitDeleted(const std::string& id);
  /// The sentence of the error that the command ends in; empty when it ends in none.
  std::string Refusal(const std::string& command, const json& arguments);

 private:
  std::optional<Qemu> qemu_;
  std::optional<PciBus> root_;
  std::vector<PciBus> bridges_, ports_;
  GuestHeap heap_{16 << 20, 96 << 20};
};

/// "02", "1e".
std::string HexSlot(uint8_t slot);

}  // namespace stx
