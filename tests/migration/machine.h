// SPDX-License-Identifier: GPL-2.0-or-later
// A QEMU with a virtio-net on a wire, a vhost-user-net, a virtio-serial port and a disk, and the
// host's ends of them: what a guest on the move is to find again.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "harness/qemu/qemu.h"
#include "harness/vhost_user/net_loopback.h"

namespace stx {

/// Of a virtio-net with one pair of queues.
inline constexpr uint16_t kNetControl = 2;

/// A frame behind a virtio-net header of zeros, for the guest's address or its neighbour's.
std::string Frame(const std::string& payload, char to = 1);

struct MachineRole {
  /// Waits for migrate-incoming.
  bool target = false;
  /// With the vhost-user-net.
  bool vhost = true;
  /// With a virtio-blk on this file, which is source's and target's alike; none when empty.
  std::filesystem::path disk = {};
};

class Machine {
 public:
  /// In PCI bus 0.
  static constexpr uint8_t kNetSlot = 5, kVhostSlot = 6, kSerialSlot = 7, kDiskSlot = 8;
  static constexpr Milliseconds kTimeout{10000};

  /// Does not run yet. `type` as in -machine. With a stream this is a target, which has loaded that
  /// when the constructor returns. Throws with QEMU's stderr when it refuses.
  Machine(const std::filesystem::path& binary, const std::string& type,
          const std::string* stream = nullptr, const MachineRole& role = {});
  ~Machine();

  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  QTest& qtest() { return *qtest_; }
  bool has_vhost() const { return role_.vhost; }
  bool has_disk() const { return !role_.disk.empty(); }

  /// Frames as Frame() makes them. QEMU's own, after a migration, are passed over.
  void SendOnWire(const std::string& frame);
  std::string ReceiveOnWire();

  void WritePort(const std::string& bytes) { WriteAll(port_.get(), bytes); }
  std::string ReadPort(size_t size);
  /// Kills QEMU; what it had written to the port and nobody had read.
  std::string EndAndReadPort();

  /// How far the CPU has counted.
  uint32_t Counter();
  /// All of the guest's memory.
  std::string Memory();
  /// The devices as a stopped QEMU knows them: PCI configuration, rings, receive filter.
  json DeviceState();

 private:
  TempDir dir_{"compat"};
  const MachineRole role_;
  NetLoopback vhost_{dir_ / "vhost"};
  UniqueFd qtest_listener_, wire_, port_;
  std::optional<Qemu> qemu_;
  std::optional<QTest> qtest_;
};

/// Returns once `done` says true; throws after Machine::kTimeout.
void Until(const std::function<bool()>& done);

}  // namespace stx
