// SPDX-License-Identifier: GPL-2.0-or-later
// What Kata Containers 3.1.3 does to a running pod over QMP, in its order and with the arguments
// and types that it sends (contract 2.2). Each method throws QmpError with QEMU's message if QEMU
// refuses. Kata itself waits for ever; here a wait fails after kWait.
//
// What Kata's agent then does in the guest is in kata/pod_agent.h.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kata/pod.h"

namespace stx {

/// block_device_driver.
enum class BlockDriver { kScsi, kVirtioBlk };

class PodShim {
 public:
  static constexpr Milliseconds kWait{30000};

  explicit PodShim(Pod& pod) : pod_(pod) {}

  /// As the shim's 5 s monitor does. Throws for the states that mark a sandbox as failed:
  /// "internal-error" and "guest-panicked".
  std::string QueryStatus();
  /// Thread ids by vCPU index (query-cpus-fast), for cgroups and pinning.
  std::vector<pid_t> GetVcpuThreads();
  void Pause();
  void Resume();

  /// Plugs the first free vCPU that QEMU accepts and returns its id, "cpu-0" and so on. Throws if
  /// none is free.
  std::string AddVcpu();
  /// Unplugs the vCPU that AddVcpu added last, and waits for its DEVICE_DELETED. Under TCG, QEMU
  /// 7.2 never sends that event.
  void RemoveVcpu();

  /// Adds a pc-dimm of `mib` in the next free slot, and returns the slot. Kata never removes it.
  /// The size is a multiple of the guest's memory block (128 MiB).
  int AddMemory(unsigned mib);
  /// enable_virtio_mem: adds a device that may grow to `max_mib` - default_memory, rounded down to
  /// 4 MiB. Kata uses the host's RAM for `max_mib`. The device takes slot 1 of the bridge.
  void SetUpVirtioMem(unsigned max_mib);
  /// The reply arrives before the guest has resized its memory.
  void ResizeVirtioMem(uint64_t bytes);
  /// The size that the guest has plugged, in bytes.
  uint64_t GetVirtioMemSize();

  /// Adds the host's block device `path` as node `id`. Returns where the guest finds it: "0:1"
  /// (SCSI target and LUN) or a PCI path, "02/01".
  std::string AddBlock(const std::string& id, const std::filesystem::path& path, BlockDriver driver,
                       bool read_only = false, const std::string& aio = "io_uring");
  /// Adds vhost-user-blk, for enable_vhost_user_store; the back-end listens at `socket`. Returns
  /// the PCI path.
  std::string AddVhostUserBlk(const std::string& id, const std::filesystem::path& socket);
  void RemoveBlock(const std::string& id);

  /// Passes the tap's descriptors, and the same number of /dev/vhost-net descriptors if the host
  /// has that device. Returns the PCI path.
  std::string AddNic(const Tap& tap, const std::string& mac);
  void RemoveNic(const std::string& tap_name);

  /// Adds the PCI function "0000:02:10.0" of the host to the bridge, or to root port rp`port`
  /// (hotplug_vfio_on_root_bus). Then asks QEMU where it is, and returns its PCI path.
  std::string AddVfio(const std::string& address, std::optional<unsigned> port = std::nullopt);
  void RemoveVfio(const std::string& address);

  /// Sends SIGKILL to the process in the pidfile; returns once it has ended.
  void Stop();

 private:
  Qmp& qmp() { return pod_.qmp(); }
  /// Sends device_del and waits for its reply and its event, in either order.
  void Remove(const std::string& device);
  /// Sends device_add for the next free slot of pci-bridge-0; returns the PCI path.
  std::string AddOnBridge(const json& device);

  Pod& pod_;
  std::vector<std::string> cpus_;
  std::map<std::string, int> slots_;
  std::map<std::string, int> scsi_;
  std::map<std::string, std::string> chardevs_;  // of vhost-user-blk devices
};

}  // namespace stx
