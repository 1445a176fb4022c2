// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pod_shim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "harness/qemu/migration.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kPoll{100};
constexpr int kLastSlot = 0x1e;
constexpr uint64_t kMiB = 1 << 20;
constexpr const char* kBridge = "pci-bridge-0";

std::string TwoDigits(int slot) {
  char text[4];
  std::snprintf(text, sizeof(text), "%02x", slot);
  return text;
}

/// Device ids have no colons in QEMU.
std::string VfioId(std::string address) {
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

std::vector<pid_t> PodShim::VcpuThreads() {
  std::map<int, pid_t> by_index;
  for (const json& cpu : qmp().Execute("query-cpus-fast"))
    by_index[cpu.at("cpu-index")] = cpu.at("thread-id");
  std::vector<pid_t> threads;
  for (const auto& [index, thread] : by_index) threads.push_back(thread);
  return threads;
}

void PodShim::Pause() { qmp().Execute("stop"); }
void PodShim::Resume() { qmp().Execute("cont"); }

std::string PodShim::CpuAdd() {
  std::string refusals;
  for (const json& cpu : qmp().Execute("query-hotpluggable-cpus")) {
    if (cpu.contains("qom-path")) continue;
    const std::string type = cpu.at("type");
    const std::string id = "cpu-" + std::to_string(cpus_.size());
    json device{{"driver", type}, {"id", id}};
    // Text, though QEMU's properties are numbers.
    for (const char* name : {"core-id", "socket-id", "thread-id"})
      device[name] = std::to_string(cpu.at("props").at(name).get<int>());
    if (type == "host-x86_64-cpu")
      device["die-id"] = std::to_string(cpu.at("props").value("die-id", 0));
    try {
      qmp().Execute("device_add", device);
      cpus_.push_back(id);
      return id;
    } catch (const QmpError& error) {
      refusals += std::string("; ") + error.what();
    }
  }
  throw std::runtime_error("no vCPU can be added" + refusals);
}

void PodShim::CpuRemove() {
  if (cpus_.empty()) throw std::runtime_error("no vCPU was added that could be removed");
  Remove(cpus_.back());
  cpus_.pop_back();
}

json PodShim::MemoryBackend(const std::string& id, unsigned mib) const {
  json backend{{"qom-type", "memory-backend-ram"}, {"id", id}, {"size", mib * kMiB}};
  if (pod_.command().form != PodForm::kSandbox) return backend;
  backend["qom-type"] = "memory-backend-file";
  backend["mem-path"] = pod_.command().hugepages ? "/dev/hugepages" : "/dev/shm";
  backend["share"] = true;
  return backend;
}

int PodShim::MemoryAdd(unsigned mib) {
  int slot = 0;
  for (const json& device : qmp().Execute("query-memory-devices")) {
    const json& data = device.at("data");
    if (data.contains("slot")) slot = std::max(slot, data["slot"].get<int>() + 1);
  }
  const std::string id = "mem" + std::to_string(slot);
  qmp().Execute("object-add", MemoryBackend(id, mib));
  try {
    qmp().Execute("device_add", {{"driver", "pc-dimm"}, {"id", "dimm" + id}, {"memdev", id}});
  } catch (const QmpError&) {
    qmp().Execute("object-del", {{"id", id}});
    throw;
  }
  return slot;
}

void PodShim::VirtioMemSetUp(unsigned max_mib) {
  const unsigned mib = (max_mib - pod_.command().memory_mib) / 4 * 4;
  qmp().Execute("object-add", MemoryBackend("virtiomem", mib));
  qmp().Execute("device_add", {{"driver", "virtio-mem-pci"},
                               {"id", "virtiomem0"},
                               {"memdev", "virtiomem"},
                               {"bus", kBridge},
                               {"addr", TakeSlot("virtiomem0")}});
}

void PodShim::VirtioMemResize(uint64_t bytes) {
  qmp().Execute("qom-set",
                {{"path", "virtiomem0"}, {"property", "requested-size"}, {"value", bytes}});
}

uint64_t PodShim::VirtioMemSize() {
  return qmp().Execute("qom-get", {{"path", "virtiomem0"}, {"property", "size"}});
}

std::string PodShim::BlockAdd(const std::string& id, const fs::path& path, BlockDriver driver,
                              bool read_only, const std::string& aio) {
  const std::string device = "virtio-" + id;
  json file{{"driver", "host_device"}, {"filename", path.string()}, {"aio", aio}};
  json node{{"driver", "raw"}, {"node-name", id}, {"read-only", read_only}, {"file", file}};
  if (aio == "native") node["cache"] = {{"direct", true}, {"no-flush", false}};
  qmp().Execute("blockdev-add", node);
  try {
    if (driver == BlockDriver::kVirtioBlk) {
      qmp().Execute("device_add", {{"driver", "virtio-blk-pci"},
                                   {"id", device},
                                   {"drive", id},
                                   {"addr", TakeSlot(device)},
                                   {"bus", kBridge},
                                   {"share-rw", "on"},
                                   {"num-queues", std::to_string(pod_.command().vcpus)},
                                   {"romfile", ""}});
      return PciPath(device);
    }
    int index = 0;
    while (std::ranges::any_of(scsi_, [&](const auto& used) { return used.second == index; }))
      ++index;
    qmp().Execute("device_add", {{"driver", "scsi-hd"},
                                 {"id", device},
                                 {"drive", id},
                                 {"bus", "scsi0.0"},
                                 {"scsi-id", index / 256},
                                 {"lun", index % 256},
                                 {"share-rw", "on"}});
    scsi_[device] = index;
    return std::to_string(index / 256) + ":" + std::to_string(index % 256);
  } catch (const QmpError&) {
    slots_.erase(device);
    qmp().Execute("blockdev-del", {{"node-name", id}});
    throw;
  }
}

std::string PodShim::VhostUserBlkAdd(const std::string& id, const fs::path& socket) {
  const std::string device = "virtio-" + id;
  const json address{{"type", "unix"}, {"data", {{"path", socket.string()}}}};
  qmp().Execute(
      "chardev-add",
      {{"id", id},
       {"backend", {{"type", "socket"}, {"data", {{"server", false}, {"addr", address}}}}}});
  try {
    qmp().Execute("device_add", {{"driver", "vhost-user-blk-pci"},
                                 {"id", device},
                                 {"chardev", id},
                                 {"addr", TakeSlot(device)},
                                 {"bus", kBridge}});
  } catch (const QmpError&) {
    slots_.erase(device);
    qmp().Execute("chardev-remove", {{"id", id}});
    throw;
  }
  chardevs_[device] = id;
  return PciPath(device);
}

void PodShim::BlockRemove(const std::string& id) {
  const std::string device = "virtio-" + id;
  Remove(device);
  scsi_.erase(device);
  if (chardevs_.erase(device))
    qmp().Execute("chardev-remove", {{"id", id}});
  else
    qmp().Execute("blockdev-del", {{"node-name", id}});
}

std::string PodShim::NicAdd(const Tap& tap, const std::string& mac) {
  std::string fds, vhost_fds;
  auto pass = [&](const std::string& name, int fd, std::string* names) {
    qmp().ExecuteWithFd("getfd", {{"fdname", name}}, fd);
    *names += (names->empty() ? "" : ":") + name;
  };
  const size_t queues = tap.fds().size();
  for (size_t i = 0; i < queues; ++i) {
    pass("fd" + std::to_string(i), tap.fds()[i].get(), &fds);
    // QEMU has its own copy when getfd returns.
    UniqueFd vhost(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
    if (vhost) pass("vhostfd" + std::to_string(i), vhost.get(), &vhost_fds);
  }
  json netdev{{"type", "tap"}, {"id", tap.name()}, {"fds", fds}};
  if (!vhost_fds.empty()) {
    netdev["vhost"] = true;
    netdev["vhostfds"] = vhost_fds;
  }
  qmp().Execute("netdev_add", netdev);
  const std::string device = "virtio-" + tap.name();
  try {
    qmp().Execute("device_add", {{"driver", "virtio-net-pci"},
                                 {"id", device},
                                 {"netdev", tap.name()},
                                 {"mac", mac},
                                 {"bus", kBridge},
                                 {"addr", TakeSlot(device)},
                                 {"mq", "on"},
                                 {"vectors", 2 * queues + 2},
                                 {"romfile", ""}});
  } catch (const QmpError&) {
    slots_.erase(device);
    qmp().Execute("netdev_del", {{"id", tap.name()}});
    throw;
  }
  return PciPath(device);
}

void PodShim::NicRemove(const std::string& tap_name) {
  Remove("virtio-" + tap_name);
  qmp().Execute("netdev_del", {{"id", tap_name}});
}

std::string PodShim::VfioAdd(const std::string& address, std::optional<unsigned> port) {
  const std::string id = VfioId(address);
  json device{{"driver", "vfio-pci"},
              {"id", id},
              {"host", address.substr(address.size() < 12 ? 0 : 5)},
              {"romfile", ""}};
  if (port) {
    device["bus"] = "rp" + std::to_string(*port);
  } else {
    device["bus"] = kBridge;
    device["addr"] = TakeSlot(id);
  }
  try {
    qmp().Execute("device_add", device);
  } catch (const QmpError&) {
    slots_.erase(id);
    throw;
  }
  const auto get = [&](const std::string& path, const char* property) {
    return qmp().Execute("qom-get", {{"path", path}, {"property", property}});
  };
  const int slot = get(id, "addr").get<int>() >> 3;
  const std::string bus = get(id, "parent_bus");
  const int parent = get(bus.substr(0, bus.rfind('/')), "addr").get<int>() >> 3;
  return TwoDigits(parent) + "/" + TwoDigits(slot);
}

void PodShim::VfioRemove(const std::string& address) { Remove(VfioId(address)); }

void PodShim::TemplateSave(const fs::path& state) {
  SetMigrationCapability(qmp(), "x-ignore-shared");
  qmp().Execute("migrate", {{"uri", "exec:cat>" + state.string()}});
  PollMigration("save of the template");
}

void PodShim::TemplateRestore(const fs::path& state) {
  SetMigrationCapability(qmp(), "x-ignore-shared");
  qmp().Execute("migrate-incoming", {{"uri", "exec:cat " + state.string()}});
  PollMigration("load of the template");
}

void PodShim::PollMigration(const std::string& what) {
  for (const Deadline deadline(kTemplateTimeout); !deadline.Passed();
       poll(nullptr, 0, kPoll.count())) {
    const json answer = qmp().Execute("query-migrate");
    const std::string status = answer.value("status", "");  // it may be absent at first
    if (status == "completed") return;
    if (status == "failed" || status == "cancelled")
      throw std::runtime_error(what + ": " + answer.dump());
  }
  throw std::runtime_error(what + ": not completed within 5 s");
}

void PodShim::Stop() {
  qmp();  // a failure to connect would end the call here
  pid_t pid = 0;
  std::ifstream(pod_.command().dir / "pid") >> pid;
  if (pid <= 0) throw std::runtime_error("the pidfile has no process id");
  if (pid != pod_.qemu().process().pid())
    throw std::runtime_error("the pidfile names process " + std::to_string(pid) +
                             ", which is not this pod's QEMU");
  if (kill(pid, SIGKILL) != 0) ThrowErrno("kill");
  if (!pod_.qemu().process().Wait(kWait)) throw std::runtime_error("QEMU outlives SIGKILL");
}

void PodShim::Remove(const std::string& device) {
  qmp().Execute("device_del", {{"id", device}});
  qmp().WaitEvent("DEVICE_DELETED", kWait,
                  [&](const json& event) { return event["data"].value("device", "") == device; });
  slots_.erase(device);
}

std::string PodShim::TakeSlot(const std::string& device) {
  for (int slot = 1; slot <= kLastSlot; ++slot) {
    const std::string text = TwoDigits(slot);
    if (std::ranges::any_of(slots_, [&](const auto& used) { return used.second == text; }))
      continue;
    slots_[device] = text;
    return text;
  }
  throw std::runtime_error("all 30 slots of the bridge are taken");
}

}  // namespace stx
