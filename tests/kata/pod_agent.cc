// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/pod_agent.h"

#include <algorithm>

#include "base/waiting.h"

namespace stx {
namespace {

/// Whether the sysfs path `path` goes through the PCI path "02/01", whatever the number of the bus
/// behind the bridge.
bool GoesThrough(const std::string& path, const std::string& pci_path) {
  const std::string bridge = "/0000:00:" + pci_path.substr(0, 2) + ".0/";
  const size_t at = path.find(bridge);
  if (at == std::string::npos) return false;
  // "0000:01:01.0"
  const std::string function = path.substr(at + bridge.size(), 12);
  return function.size() == 12 && function.substr(7) == ":" + pci_path.substr(3) + ".0";
}

template <typename F>
json Find(GuestAgent& agent, const std::string& list, F&& is) {
  const json entries = agent.Request({{"op", list}}).at(list);
  const auto found = std::ranges::find_if(entries, is);
  return found == entries.end() ? json() : *found;
}

template <typename F>
json Await(GuestAgent& agent, const std::string& what, const std::string& list, F&& is) {
  json found;
  WaitUntil(what, Deadline(kGuestWait), [&] { return !(found = Find(agent, list, is)).is_null(); });
  return found;
}

}  // namespace

size_t CountOnlineCpus(GuestAgent& agent) {
  return agent.Request({{"op", "cpus"}})["online"].size();
}

uint64_t ReadTotalMemoryKb(GuestAgent& agent) {
  return agent.Request({{"op", "memory"}})["total_kb"];
}

void OnlineCpus(GuestAgent& agent, size_t cpus) {
  WaitUntil(std::to_string(cpus) + " online CPUs", Deadline(kGuestWait), [&] {
    const json state = agent.Request({{"op", "cpus"}});
    const auto online = state["online"].get<std::vector<int>>();
    for (int cpu : state["present"].get<std::vector<int>>())
      if (std::ranges::find(online, cpu) == online.end())
        agent.Request({{"op", "online"}, {"cpu", cpu}});
    return CountOnlineCpus(agent) == cpus;
  });
}

void OnlineMemory(GuestAgent& agent, uint64_t total_kb) {
  WaitUntil(std::to_string(total_kb) + " kB of memory", Deadline(kGuestWait), [&] {
    const json memory = agent.Request({{"op", "memory"}});
    for (const json& block : memory["blocks"])
      if (block["state"] == "offline")
        agent.Request({{"op", "online"}, {"memory", block["block"]}});
    return ReadTotalMemoryKb(agent) >= total_kb;
  });
}

void OnlineMemoryAlways(GuestAgent& agent) {
  agent.Write("/sys/devices/system/memory/auto_online_blocks", "online");
}

std::string FindBlock(GuestAgent& agent, const std::string& where) {
  const size_t colon = where.find(':');
  if (colon == std::string::npos)
    return Await(agent, "a disk at PCI path " + where, "blocks",
                 [&](const json& block) { return GoesThrough(block["device"], where); })["name"];
  const std::string target = where.substr(0, colon), lun = where.substr(colon + 1);
  const json hosts = agent.Request({{"op", "list"}, {"path", "/sys/class/scsi_host"}}).at("names");
  for (const json& host : hosts)
    agent.Write("/sys/class/scsi_host/" + host.get<std::string>() + "/scan",
                "0 " + target + " " + lun);
  return Await(agent, "a disk at SCSI address " + where, "blocks", [&](const json& block) {
    return block["device"].get<std::string>().ends_with(":0:" + target + ":" + lun);
  })["name"];
}

void WaitBlockGone(GuestAgent& agent, const std::string& name, Milliseconds timeout) {
  WaitUntil("the end of " + name, Deadline(timeout), [&] {
    return Find(agent, "blocks", [&](const json& block) { return block["name"] == name; })
        .is_null();
  });
}

std::string FindNic(GuestAgent& agent, const std::string& mac) {
  return Await(agent, "a NIC " + mac, "nets",
               [&](const json& net) { return net["mac"] == mac; })["name"];
}

void WaitNicGone(GuestAgent& agent, const std::string& mac) {
  WaitUntil("the end of NIC " + mac, Deadline(kGuestWait), [&] {
    return Find(agent, "nets", [&](const json& net) { return net["mac"] == mac; }).is_null();
  });
}

json FindPciFunction(GuestAgent& agent, const std::string& path) {
  return Await(agent, "a PCI function at path " + path, "pci",
               [&](const json& pci) { return GoesThrough(pci["path"], path); });
}

void ConfigureNic6(GuestAgent& agent, const std::string& nic, const std::string& address, int mtu) {
  agent.MustExec({"ip", "link", "set", nic, "mtu", std::to_string(mtu), "up"});
  agent.MustExec({"ip", "-6", "addr", "add", address + "/64", "dev", nic});
}

void Ping6(GuestAgent& agent, const std::string& address, int count, int bytes) {
  // A new address cannot be used to send until duplicate detection has ended, which takes a second
  // or two.
  WaitUntil("an answer from " + address, Deadline(kGuestWait), [&] {
    return agent.Exec({"ping6", "-c", "1", "-W", "1", address}).status.Success();
  });
  agent.MustExec({"ping6", "-c", std::to_string(count), "-i", "0.2", "-W", "2", "-s",
                  std::to_string(bytes), address},
                 Milliseconds(60000));
}

}  // namespace stx
