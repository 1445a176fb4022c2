// SPDX-License-Identifier: GPL-2.0-or-later
// A machine with a virtio-fs device, a daemon that serves a folder of the host to it, and a FUSE
// client as its driver.
#pragma once

#include <cstdint>
#include <memory>

#include "base/pattern.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_mmio.h"
#include "harness/virtio/virtio_pci.h"
#include "virtiofs/fuse_client.h"
#include "virtiofs/virtiofsd.h"

namespace stx {

class VirtioFsMachine : public MachineTest {
 protected:
  static constexpr uint8_t kSlot = 5;

  void StartDaemon(DaemonKind kind) { daemon.emplace(kind, shared.path(), dir / "fs.sock"); }
  /// As Kata starts it: queue-size=1024.
  void StartFsMachine(bool mmio = false, const std::string& options = "") {
    std::vector<std::string> args{
        "-chardev", "socket,id=fs,path=" + (dir / "fs.sock").string(), "-device",
        std::string(mmio ? "vhost-user-fs-device" : "vhost-user-fs-pci,addr=5") +
            ",chardev=fs,tag=kataShared,queue-size=1024" + options};
    if (mmio) args.insert(args.end(), {"-global", "virtio-mmio.force-legacy=false"});
    StartMachine(args, mmio ? "microvm" : "q35");
    if (mmio) {
      auto found = VirtioMmioDevice::FindOnMicrovm(qtest(), FuseClient::kDeviceType);
      if (!found) throw std::runtime_error("no virtio-fs on microvm's transports");
      device = std::make_unique<VirtioMmioDevice>(*found);
    } else {
      device = std::make_unique<VirtioPciDevice>(*bus, bus->At(kSlot));
    }
  }
  void TearDown() override {
    if (HasFailure() && daemon) std::cerr << "virtiofsd: " << daemon->process().Stderr() << "\n";
    MachineTest::TearDown();
  }
  std::string HostRead(const std::string& name) { return ReadFile(shared / name); }

  /// `place` is where the host's folder is created; by default it is TempDir's.
  explicit VirtioFsMachine(const std::filesystem::path& place = {}) : shared("shared", place) {}

  TempDir shared;
  std::optional<Virtiofsd> daemon;
  std::unique_ptr<VirtioDevice> device;
  std::optional<FuseClient> fs;
};

}  // namespace stx
