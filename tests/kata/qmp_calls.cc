// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/qmp_calls.h"

#include <cstdio>
#include <stdexcept>

#include "base/waiting.h"
#include "harness/qemu/migration.h"

namespace stx {
namespace {

void PollMigration(Qmp& qmp, const std::string& what, Milliseconds timeout) {
  constexpr Milliseconds kKatasPause{100};
  WaitUntil(
      what + " completed", Deadline(timeout),
      [&] {
        const json answer = qmp.Execute("query-migrate");
        const std::string status = answer.value("status", "");  // it may be absent at first
        if (status == "failed" || status == "cancelled")
          throw std::runtime_error(what + ": " + answer.dump());
        return status == "completed";
      },
      kKatasPause);
}

}  // namespace

std::string FormatSlot(int slot) {
  char text[4];
  std::snprintf(text, sizeof(text), "%02x", static_cast<unsigned>(slot) & 0xff);
  return text;
}

json PlaceOnBridge(json device, const std::string& bridge, int slot) {
  device["bus"] = bridge;
  device["addr"] = FormatSlot(slot);
  return device;
}

json MakeBlockNode(const BlockNode& node) {
  json arguments{
      {"driver", "raw"},
      {"node-name", node.id},
      {"read-only", node.read_only},
      {"file", {{"driver", node.driver}, {"filename", node.path.string()}, {"aio", node.aio}}}};
  if (!node.cache.is_null()) arguments["cache"] = node.cache;
  return arguments;
}

json MakeScsiDisk(const std::string& drive, int index) {
  return {{"driver", "scsi-hd"}, {"id", "virtio-" + drive}, {"drive", drive},
          {"bus", "scsi0.0"},    {"scsi-id", index / 256},  {"lun", index % 256},
          {"share-rw", "on"}};
}

json MakeVirtioBlk(const std::string& drive, unsigned queues) {
  return {{"driver", "virtio-blk-pci"},
          {"id", "virtio-" + drive},
          {"drive", drive},
          {"share-rw", "on"},
          {"num-queues", std::to_string(queues)},
          {"romfile", ""}};
}

json MakeVhostUserBlk(const std::string& id, const std::string& chardev) {
  return {{"driver", "vhost-user-blk-pci"}, {"id", "virtio-" + id}, {"chardev", chardev}};
}

json MakeNic(const std::string& id, const std::string& netdev, const std::string& mac,
             size_t queues) {
  return {
      {"driver", "virtio-net-pci"}, {"id", id},     {"netdev", netdev}, {"mac", mac}, {"mq", "on"},
      {"vectors", 2 * queues + 2},  {"romfile", ""}};
}

json MakeVfio(const std::string& id, const std::string& host_address) {
  return {{"driver", "vfio-pci"}, {"id", id}, {"host", host_address}, {"romfile", ""}};
}

json MakeVcpu(const json& entry, int number) {
  const json& props = entry.at("props");
  json device{{"driver", entry.at("type")}, {"id", "cpu-" + std::to_string(number)}};
  // These are strings here, although QEMU's properties are numbers.
  for (const char* name : {"core-id", "socket-id", "thread-id"})
    device[name] = std::to_string(props.at(name).get<int>());
  if (entry.at("type") == "host-x86_64-cpu")
    device["die-id"] = std::to_string(props.value("die-id", 0));
  return device;
}

json MakeDimm(int slot) {
  const std::string memory = "mem" + std::to_string(slot);
  return {{"driver", "pc-dimm"}, {"id", "dimm" + memory}, {"memdev", memory}};
}

json MakeMemoryBackend(const std::string& id, uint64_t bytes, const std::filesystem::path& path) {
  json backend{{"qom-type", "memory-backend-ram"}, {"id", id}, {"size", bytes}};
  if (path.empty()) return backend;
  backend["qom-type"] = "memory-backend-file";
  backend["mem-path"] = path.string();
  backend["share"] = true;
  return backend;
}

json MakeSocketChardev(const std::string& id, const std::filesystem::path& socket, int reconnect) {
  const json address{{"type", "unix"}, {"data", {{"path", socket.string()}}}};
  json data{{"server", false}, {"addr", address}};
  if (reconnect) data["reconnect"] = reconnect;
  return {{"id", id}, {"backend", {{"type", "socket"}, {"data", data}}}};
}

json MakeTapNetdev(const std::string& id, const std::string& fds, const std::string& vhost_fds) {
  json netdev{{"type", "tap"}, {"id", id}, {"fds", fds}};
  if (!vhost_fds.empty()) {
    netdev["vhost"] = true;
    netdev["vhostfds"] = vhost_fds;
  }
  return netdev;
}

json MakeDump(const std::filesystem::path& file, bool paging) {
  return {{"protocol", "file:" + file.string()}, {"paging", paging}, {"format", "elf"}};
}

void WaitDeviceDeleted(Qmp& qmp, const std::string& device, Milliseconds timeout) {
  qmp.WaitEvent("DEVICE_DELETED", timeout,
                [&](const json& event) { return event["data"].value("device", "") == device; });
}

void SaveTemplate(Qmp& qmp, const std::filesystem::path& state, Milliseconds timeout) {
  SetMigrationCapability(qmp, "x-ignore-shared");
  qmp.Execute("migrate", {{"uri", "exec:cat>" + state.string()}});
  PollMigration(qmp, "the save of the template", timeout);
}

void LoadTemplate(Qmp& qmp, const std::filesystem::path& state, Milliseconds timeout) {
  SetMigrationCapability(qmp, "x-ignore-shared");
  qmp.Execute("migrate-incoming", {{"uri", "exec:cat " + state.string()}});
  PollMigration(qmp, "the load of the template", timeout);
}

}  // namespace stx
