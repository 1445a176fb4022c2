// SPDX-License-Identifier: GPL-2.0-or-later
// What Kata Containers 3.1.3 does to a running pod over QMP, with the arguments and types that it
// sends (contract 2.2), in its order. Each method throws QmpError with QEMU's sentence when QEMU
// refuses. Kata itself waits for ever; here a wait ends in an error after kWait.
//
// What Kata's agent then does in the guest is guest/pod_agent.h.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "guest/pod.h"

namespace stx {

/// block_device_driver.
enum class BlockDriver { kScsi, kVirtioBlk };

class PodShim {
 public:
  static constexpr Milliseconds kWait{30000};
  /// Kata's limit for the save and for the load of a template.
  static constexpr Milliseconds kTemplateTimeout{5000};

  explicit PodShim(Pod& pod) : pod_(pod) {}

  /// Of the 5 s monitor. Throws for the states that mark a sandbox as failed: "internal-error",
  /// "guest-panicked".
  std::string QueryStatus();
  /// Thread ids by vCPU index (query-cpus-fast), for cgroups and pinning.
  std::vector<pid_t> VcpuThreads();
  void Pause();
  void Resume();

  /// Plugs the first free vCPU that QEMU takes; its id, "cpu-0" and so on. Throws when none is
  /// free.
  std::string CpuAdd();
  /// Unplugs the newest of CpuAdd and waits for its DEVICE_DELETED. Under TCG 7.2 that never comes.
  void CpuRemove();

  /// Adds a pc-dimm of `mib` in the next free slot; the slot. Kata never removes it. Its size is a
  /// multiple of the guest's memory block (128 MiB).
  int MemoryAdd(unsigned mib);
  /// enable_virtio_mem: a device that may grow to `max_mib` - default_memory, rounded down to
  /// 4 MiB. Kata's `max_mib` is the host's RAM; it takes slot 1 of the bridge.
  void VirtioMemSetUp(unsigned max_mib);
  /// The reply comes before the guest has followed.
  void VirtioMemResize(uint64_t bytes);
  /// What the guest has plugged, in bytes.
  uint64_t VirtioMemSize();

  /// Adds the host's block device `path` as node `id`; where the guest finds it: "0:1" (SCSI target
  /// and LUN) or a PCI path, "02/01".
  std::string BlockAdd(const std::string& id, const std::filesystem::path& path, BlockDriver driver,
                       bool read_only = false, const std::string& aio = "io_uring");
  /// vhost-user-blk, for enable_vhost_user_store: a back-end that listens at `socket`; PCI path.
  std::string VhostUserBlkAdd(const std::string& id, const std::filesystem::path& socket);
  void BlockRemove(const std::string& id);

  /// Passes the tap's descriptors, and as many of /dev/vhost-net where the host has it; PCI path.
  std::string NicAdd(const Tap& tap, const std::string& mac);
  void NicRemove(const std::string& tap_name);

  /// Adds the PCI function "0000:02:10.0" of the host, on the bridge or on root port rp`port`
  /// (hotplug_vfio_on_root_bus); then asks QEMU where it is: its PCI path.
  std::string VfioAdd(const std::string& address, std::optional<unsigned> port = std::nullopt);
  void VfioRemove(const std::string& address);

  /// Saves the paused template's devices to `state`, without its RAM. Throws after
  /// kTemplateTimeout.
  void TemplateSave(const std::filesystem::path& state);
  /// Loads them into a clone, which stays paused.
  void TemplateRestore(const std::filesystem::path& state);

  /// SIGKILL to the process of the pidfile; returns when it has ended.
  void Stop();

 private:
  Qmp& qmp() { return pod_.qmp(); }
  /// What object-add gets for `mib` more of memory: of the kind that the pod's RAM is.
  json MemoryBackend(const std::string& id, unsigned mib) const;
  /// device_del, its return and its event, in either order.
  void Remove(const std::string& device);
  /// The next free slot of pci-bridge-0 for `device`, as Kata writes it: "01" to "1e".
  std::string TakeSlot(const std::string& device);
  std::string PciPath(const std::string& device) const { return "02/" + slots_.at(device); }
  void PollMigration(const std::string& what);

  Pod& pod_;
  std::vector<std::string> cpus_;
  std::map<std::string, std::string> slots_;
  std::map<std::string, int> scsi_;
  std::map<std::string, std::string> chardevs_;  // of vhost-user-blk devices
};

}  // namespace stx
