// SPDX-License-Identifier: GPL-2.0-or-later
// The QMP calls of Kata's shim (contract 2.2): the arguments of device_add, object-add and the
// others, with the JSON types that Kata sends. This is the only place that has them. PodShim sends
// them to a booted pod, and the suites on qtest send them to a QtestPod.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "harness/qemu/qmp.h"

namespace stx {

/// The last slot of a bridge. The first is 1.
inline constexpr int kLastBridgeSlot = 0x1e;

/// "02", "1e": Kata's notation for the slots of a bridge.
std::string FormatSlot(int slot);
/// Adds `addr` and `bus` to a device that goes on a bridge.
json PlaceOnBridge(json device, const std::string& bridge, int slot);

/// blockdev-add. Kata adds block devices of the host; a swap file is a regular file.
struct BlockNode {
  std::string id;
  std::filesystem::path path;
  std::string driver = "host_device";  ///< or "file"
  std::string aio = "io_uring";        ///< block_device_aio
  bool read_only = false;
  json cache = nullptr;  ///< what block_device_cache_* set: {direct, no-flush}; null: not sent
};
json MakeBlockNode(const BlockNode& node);

// device_add.
/// A unit behind scsi0: target `index` / 256, LUN `index` % 256.
json MakeScsiDisk(const std::string& drive, int index);
/// This and the functions below leave out the place on a bridge.
json MakeVirtioBlk(const std::string& drive, unsigned queues);
json MakeVhostUserBlk(const std::string& id, const std::string& chardev);
json MakeNic(const std::string& id, const std::string& netdev, const std::string& mac,
             size_t queues);
json MakeVfio(const std::string& id, const std::string& host_address);
/// `entry` is an entry of query-hotpluggable-cpus.
json MakeVcpu(const json& entry, int number);
/// The module for memory back-end "mem`slot`".
json MakeDimm(int slot);

/// object-add. If `path` is empty, the RAM is private; otherwise it is a shared file in that
/// folder.
json MakeMemoryBackend(const std::string& id, uint64_t bytes, const std::filesystem::path& path);
/// chardev-add for a client. `reconnect` is in seconds; 0 is not sent.
json MakeSocketChardev(const std::string& id, const std::filesystem::path& socket,
                       int reconnect = 0);
/// netdev_add. `fds` and `vhost_fds` are names from getfd, joined by ":". `vhost_fds` may be empty.
json MakeTapNetdev(const std::string& id, const std::string& fds, const std::string& vhost_fds);
/// dump-guest-memory, for a guest that has panicked.
json MakeDump(const std::filesystem::path& file, bool paging);

/// Waits for the DEVICE_DELETED of `device`.
void WaitDeviceDeleted(Qmp& qmp, const std::string& device, Milliseconds timeout);

/// Saves the devices, but not the RAM, of the paused template to `state`. Throws if that does not
/// complete within `timeout`; Kata waits 5 s.
void SaveTemplate(Qmp& qmp, const std::filesystem::path& state, Milliseconds timeout);
/// Loads the saved devices into a clone, which stays paused.
void LoadTemplate(Qmp& qmp, const std::filesystem::path& state, Milliseconds timeout);

}  // namespace stx
