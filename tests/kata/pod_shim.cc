// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/pod_shim.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "kata/qmp_calls.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = 1 << 20;
constexpr const char* kBridge = "pci-bridge-0";
constexpr int kBridgeSlot = 2;

/// Device ids in QEMU cannot contain colons.
std::string MakeVfioId(std::string address) {
  std::replace(address.begin(), address.end(), ':', '-');
  return "vfio-" + address;
}

}  // namespace

std::string PodShim::QueryStatus() {
  const std::string status = qmp().Execute("query-status")["status"];
  if (status == "internal-error" || status == "guest-panicked")
    throw std::runtime_error("query-status: the sandbox has failed: " + status);
  return status;
}

std::vector<pid_t> PodShim::GetVcpuThreads() {
  std::map<int, pid_t> by_index;
  for (const json& cpu : qmp().Execute("query-cpus-fast"))
    by_index[cpu.at("cpu-index")] = cpu.at("thread-id");
  std::vector<pid_t> threads;
  for (const auto& [index, thread] : by_index) threads.push_back(thread);
  return threads;
}

void PodShim::Pause() { qmp().Execute("stop"); }
void PodShim::Resume() { qmp().Execute("cont"); }

std::string PodShim::AddVcpu() {
  std::string refusals;
  for (const json& cpu : qmp().Execute("query-hotpluggable-cpus")) {
    if (cpu.contains("qom-path")) continue;
    const json device = MakeVcpu(cpu, static_cast<int>(cpus_.size()));
    try {
      qmp().Execute("device_add", device);
      return cpus_.emplace_back(device.at("id"));
    } catch (const QmpError& error) {
      refusals += std::string("; ") + error.what();
    }
  }
  throw std::runtime_error("no vCPU can be added" + refusals);
}

void PodShim::RemoveVcpu() {
  if (cpus_.empty()) throw std::runtime_error("no vCPU was added that could be removed");
  Remove(cpus_.back());
  cpus_.pop_back();
}

int PodShim::AddMemory(unsigned mib) {
  int slot = 0;
  for (const json& device : qmp().Execute("query-memory-devices")) {
    const json& data = device.at("data");
    if (data.contains("slot")) slot = std::max(slot, data["slot"].get<int>() + 1);
  }
  const std::string id = "mem" + std::to_string(slot);
  qmp().Execute("object-add", MakeMemoryBackend(id, mib * kMiB, pod_.memory_path()));
  try {
    qmp().Execute("device_add", MakeDimm(slot));
  } catch (const QmpError&) {
    qmp().Execute("object-del", {{"id", id}});
    throw;
  }
  return slot;
}

void PodShim::SetUpVirtioMem(unsigned max_mib) {
  const unsigned mib = (max_mib - pod_.values().memory_mib) / 4 * 4;
  qmp().Execute("object-add", MakeMemoryBackend("virtiomem", mib * kMiB, pod_.memory_path()));
  AddOnBridge({{"driver", "virtio-mem-pci"}, {"id", "virtiomem0"}, {"memdev", "virtiomem"}});
}

void PodShim::ResizeVirtioMem(uint64_t bytes) {
  qmp().Execute("qom-set",
                {{"path", "virtiomem0"}, {"property", "requested-size"}, {"value", bytes}});
}

uint64_t PodShim::GetVirtioMemSize() {
  return qmp().Execute("qom-get", {{"path", "virtiomem0"}, {"property", "size"}});
}

std::string PodShim::AddBlock(const std::string& id, const fs::path& path, BlockDriver driver,
                              bool read_only, const std::string& aio) {
  BlockNode node{.id = id, .path = path, .aio = aio, .read_only = read_only};
  // QEMU accepts it only with block_device_cache_set and _direct.
  if (aio == "native") node.cache = {{"direct", true}, {"no-flush", false}};
  qmp().Execute("blockdev-add", MakeBlockNode(node));
  try {
    if (driver == BlockDriver::kVirtioBlk)
      return AddOnBridge(MakeVirtioBlk(id, pod_.values().vcpus));
    int index = 0;
    while (std::ranges::any_of(scsi_, [&](const auto& used) { return used.second == index; }))
      ++index;
    const json disk = MakeScsiDisk(id, index);
    qmp().Execute("device_add", disk);
    scsi_[disk.at("id")] = index;
    return std::to_string(index / 256) + ":" + std::to_string(index % 256);
  } catch (const QmpError&) {
    qmp().Execute("blockdev-del", {{"node-name", id}});
    throw;
  }
}

std::string PodShim::AddVhostUserBlk(const std::string& id, const fs::path& socket) {
  qmp().Execute("chardev-add", MakeSocketChardev(id, socket));
  try {
    const json device = MakeVhostUserBlk(id, id);
    const std::string path = AddOnBridge(device);
    chardevs_[device.at("id")] = id;
    return path;
  } catch (const QmpError&) {
    qmp().Execute("chardev-remove", {{"id", id}});
    throw;
  }
}

void PodShim::RemoveBlock(const std::string& id) {
  const std::string device = "virtio-" + id;
  Remove(device);
  scsi_.erase(device);
  if (chardevs_.erase(device))
    qmp().Execute("chardev-remove", {{"id", id}});
  else
    qmp().Execute("blockdev-del", {{"node-name", id}});
}

std::string PodShim::AddNic(const Tap& tap, const std::string& mac) {
  std::string fds, vhost_fds;
  auto pass = [&](const std::string& name, int fd, std::string* names) {
    qmp().ExecuteWithFd("getfd", {{"fdname", name}}, fd);
    *names += (names->empty() ? "" : ":") + name;
  };
  const size_t queues = tap.fds().size();
  for (size_t i = 0; i < queues; ++i) {
    pass("fd" + std::to_string(i), tap.fds()[i].get(), &fds);
    // QEMU has its own copy once getfd has returned.
    UniqueFd vhost(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
    if (vhost) pass("vhostfd" + std::to_string(i), vhost.get(), &vhost_fds);
  }
  qmp().Execute("netdev_add", MakeTapNetdev(tap.name(), fds, vhost_fds));
  try {
    return AddOnBridge(MakeNic("virtio-" + tap.name(), tap.name(), mac, queues));
  } catch (const QmpError&) {
    qmp().Execute("netdev_del", {{"id", tap.name()}});
    throw;
  }
}

void PodShim::RemoveNic(const std::string& tap_name) {
  Remove("virtio-" + tap_name);
  qmp().Execute("netdev_del", {{"id", tap_name}});
}

std::string PodShim::AddVfio(const std::string& address, std::optional<unsigned> port) {
  const std::string id = MakeVfioId(address);
  json device = MakeVfio(id, address.substr(address.size() < 12 ? 0 : 5));
  if (port) {
    device["bus"] = "rp" + std::to_string(*port);
    qmp().Execute("device_add", device);
  } else {
    AddOnBridge(device);
  }
  const auto get = [&](const std::string& path, const char* property) {
    return qmp().Execute("qom-get", {{"path", path}, {"property", property}});
  };
  const int slot = get(id, "addr").get<int>() >> 3;
  const std::string bus = get(id, "parent_bus");
  const int parent = get(bus.substr(0, bus.rfind('/')), "addr").get<int>() >> 3;
  return FormatSlot(parent) + "/" + FormatSlot(slot);
}

void PodShim::RemoveVfio(const std::string& address) { Remove(MakeVfioId(address)); }

void PodShim::Stop() {
  qmp();  // fail here, before the call, if QEMU cannot be reached
  pid_t pid = 0;
  std::ifstream(pod_.values().dir / "pid") >> pid;
  if (pid <= 0) throw std::runtime_error("the pidfile has no process id");
  if (pid != pod_.qemu().process().pid())
    throw std::runtime_error("the pidfile names process " + std::to_string(pid) +
                             ", which is not this pod's QEMU");
  if (kill(pid, SIGKILL) != 0) ThrowErrno("kill");
  if (!pod_.qemu().process().Wait(kWait)) throw std::runtime_error("QEMU outlives SIGKILL");
}

void PodShim::Remove(const std::string& device) {
  qmp().Execute("device_del", {{"id", device}});
  WaitDeviceDeleted(qmp(), device, kWait);
  slots_.erase(device);
}

std::string PodShim::AddOnBridge(const json& device) {
  int slot = 1;
  while (std::ranges::any_of(slots_, [&](const auto& used) { return used.second == slot; })) ++slot;
  if (slot > kLastBridgeSlot) throw std::runtime_error("all 30 slots of the bridge are taken");
  qmp().Execute("device_add", PlaceOnBridge(device, kBridge, slot));
  slots_[device.at("id")] = slot;
  return FormatSlot(kBridgeSlot) + "/" + FormatSlot(slot);
}

}  // namespace stx
