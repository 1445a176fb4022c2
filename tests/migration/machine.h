// SPDX-License-Identifier: GPL-2.0-or-later
// A QEMU with a virtio-net on a wire, a vhost-user-net, a virtio-serial port and a disk, and the
// host's ends of them: the environment that a migrated guest has to find again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "harness/qemu/qemu.h"
#include "harness/vhost_user/net_loopback.h"

namespace stx {

/// The control queue of a virtio-net with one pair of queues.
inline constexpr uint16_t kNetControl = 2;

/// A frame behind a virtio-net header of zeros, addressed to the guest or to its neighbour.
std::string Frame(const std::string& payload, char to = 1);

struct MachineRole {
  /// It waits for migrate-incoming.
  bool target = false;
  /// It has the vhost-user-net.
  bool vhost = true;
  /// It has a virtio-blk on this file, which source and target share; none if empty.
  std::filesystem::path disk = {};
};

class MigrationMachine {
 public:
  /// In PCI bus 0.
  static constexpr uint8_t kNetSlot = 5, kVhostSlot = 6, kSerialSlot = 7, kDiskSlot = 8;
  static constexpr Milliseconds kTimeout{10000};

  /// The machine does not run yet. `type` is that of -machine. With a stream, this is a target, and
  /// it has loaded the stream when the constructor returns. Throws with QEMU's stderr if QEMU
  /// refuses.
  MigrationMachine(const std::filesystem::path& binary, const std::string& type,
                   const std::string* stream = nullptr, const MachineRole& role = {});
  ~MigrationMachine();

  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  QTest& qtest() { return *qtest_; }
  bool has_vhost() const { return role_.vhost; }
  bool has_disk() const { return !role_.disk.empty(); }

  /// Frames as Frame() makes them. Frames that QEMU itself sends after a migration are skipped.
  void SendOnWire(const std::string& frame);
  std::string ReceiveOnWire();

  void WritePort(const std::string& bytes) { WriteAll(port_.get(), bytes); }
  std::string ReadPort(size_t size);
  /// Kills QEMU and returns what it had written to the port and nobody had read.
  std::string EndAndReadPort();

  /// The CPU's counter.
  uint32_t Counter();
  /// All of the guest's memory.
  std::string Memory();
  /// The state of the devices in a stopped QEMU: PCI configuration, rings, receive filter.
  json DeviceState();

 private:
  TempDir dir_{"compat"};
  const MachineRole role_;
  NetLoopback vhost_{dir_ / "vhost"};
  UniqueFd qtest_listener_, wire_, port_;
  std::optional<Qemu> qemu_;
  std::optional<QTest> qtest_;
};

/// Returns once `done` returns true; throws after MigrationMachine::kTimeout.
void Until(const std::function<bool()>& done);

}  // namespace stx
