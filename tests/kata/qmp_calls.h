// SPDX-License-Identifier: GPL-2.0-or-later
// The QMP calls of Kata's shim (contract 2.2): what device_add, object-add and the others get, with
// the JSON types that Kata sends. The only place where they are written down: PodShim sends them to
// a booted pod, and the suites on qtest to a QtestPod.
#pragma once

#include <filesystem>
#include <string>

#include "harness/qemu/qmp.h"

namespace stx {

/// The last slot of a bridge; the first is 1.
inline constexpr int kLastBridgeSlot = 0x1e;

/// "02", "1e": how Kata writes the slots of a bridge.
std::string FormatSlot(int slot);
/// The `addr` and `bus` of a device on a bridge.
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
/// Without its place on a bridge, as all that follow.
json MakeVirtioBlk(const std::string& drive, unsigned queues);
json MakeVhostUserBlk(const std::string& id, const std::string& chardev);
json MakeNic(const std::string& id, const std::string& netdev, const std::string& mac,
             size_t queues);
json MakeVfio(const std::string& id, const std::string& host_address);
/// `entry` is one of query-hotpluggable-cpus.
json MakeVcpu(const json& entry, int number);
/// The module of memory back-end "mem`slot`".
json MakeDimm(int slot);

/// object-add. `path` empty: private RAM; else a shared file in that folder.
json MakeMemoryBackend(const std::string& id, uint64_t bytes, const std::filesystem::path& path);
/// chardev-add of a client; `reconnect` in seconds, 0: not sent.
json MakeSocketChardev(const std::string& id, const std::filesystem::path& socket,
                       int reconnect = 0);
/// netdev_add. `fds` and `vhost_fds` are names of getfd joined by ":"; the latter may be empty.
json MakeTapNetdev(const std::string& id, const std::string& fds, const std::string& vhost_fds);
/// dump-guest-memory, of a guest that has panicked.
json MakeDump(const std::filesystem::path& file, bool paging);

/// Waits for the DEVICE_DELETED of `device`.
void WaitDeviceDeleted(Qmp& qmp, const std::string& device, Milliseconds timeout);

/// Saves the paused template's devices to `state`, without its RAM. Throws when that does not
/// complete in time; Kata waits 5 s.
void SaveTemplate(Qmp& qmp, const std::filesystem::path& state, Milliseconds timeout);
/// Loads them into a clone, which stays paused.
void LoadTemplate(Qmp& qmp, const std::filesystem::path& state, Milliseconds timeout);

}  // namespace stx
