// SPDX-License-Identifier: GPL-2.0-or-later
// A libvirt guest in the shape that nova defines, with guestd inside, on one of two nodes. There is
// one at a time.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "guest/guest_client.h"
#include "lab/on_node/on_node.h"

namespace stx {

struct DomainSettings {
  std::string name = "instance-1";
  std::string machine = "q35";
  unsigned memory_mib = 192;
  unsigned vcpus = 1;
  std::string memory_backing;          ///< elements of <memoryBacking>: "<locked/>", "<hugepages/>"
  std::string cpu_tune;                ///< of <cputune>
  std::string devices;                 ///< more of <devices>
  std::vector<std::string> arguments;  ///< of QEMU, passed on by libvirt
  /// What nova adds to every guest, besides disks: VNC, watchdog, guest agent, balloon, a NIC on a
  /// bridge. Otherwise only what guestd needs.
  bool nova = false;
};

/// The domain's XML (libvirt's documentation, "Domain XML format").
std::string DomainXml(const DomainSettings& settings);

class Domain {
 public:
  /// Defines it, starts it on this node, and waits for guestd. Throws with libvirt's message.
  explicit Domain(const DomainSettings& settings);
  /// Destroys and undefines it on the node where it is.
  ~Domain();

  const std::string& name() const { return settings_.name; }
  bool here() const { return uri_ == kHere; }
  /// Runs virsh on the node where the domain is. Throws with virsh's output if it fails.
  std::string Virsh(const std::string& arguments, Milliseconds timeout = Milliseconds(60000)) const;
  nlohmann::json Qmp(const std::string& command, const nlohmann::json& arguments = nullptr) const;
  std::string State() const;
  /// The process id of its QEMU, if it is on this node.
  pid_t Pid() const;

  /// Talks to guestd on the node where the domain is; reconnects after a move.
  GuestAgent& Agent();
  /// Call this after a migration: the domain is on the other node now.
  void Moved();
  /// Call this when the same domain runs in another QEMU: after a restore or a start.
  void Restarted() { agent_.reset(); }

  static constexpr const char* kHere = "qemu:///system";
  static constexpr const char* kThere = "qemu+tcp://node-b/system";
  /// The URI by which the source's libvirt reaches the target.
  const char* OtherUri() const { return here() ? kThere : "qemu+tcp://node-a/system"; }
  const char* OtherAddress() const { return here() ? "tcp://10.77.0.2" : "tcp://10.77.0.1"; }

 private:
  DomainSettings settings_;
  std::string uri_ = kHere;  ///< of the libvirt that manages it now
  Process relay_;
  std::optional<GuestAgent> agent_;
};

}  // namespace stx
