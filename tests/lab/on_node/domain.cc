// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/domain.h"

#include <sys/socket.h>

#include "base/process.h"

namespace stx {
namespace {

using json = nlohmann::json;

constexpr Milliseconds kBoot{120000};
// Where libvirt lets QEMU create sockets, and the port on which a node relays the socket
// (lab-relay.service). Both nodes use the same, so a node can have one domain at a time.
constexpr const char* kAgentSocket = "/var/lib/libvirt/qemu/lab-agent";
constexpr const char* kRelayPort = "5001";

std::string Element(const std::string& name, const std::string& content) {
  return content.empty() ? "" : "<" + name + ">" + content + "</" + name + ">";
}

}  // namespace

std::string DomainXml(const DomainSettings& settings) {
  std::string xml = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>";
  xml += Element("name", settings.name);
  xml += "<memory unit='MiB'>" + std::to_string(settings.memory_mib) + "</memory>";
  xml += Element("memoryBacking", settings.memory_backing);
  xml += Element("vcpu", std::to_string(settings.vcpus));
  xml += Element("cputune", settings.cpu_tune);
  xml += "<os><type arch='x86_64' machine='" + settings.machine + "'>hvm</type>" +
         "<kernel>/lab/guest/vmlinuz</kernel><initrd>/lab/guest/initrd</initrd>"
         "<cmdline>console=ttyS0 quiet panic=-1 reboot=t no_timer_check "
         "cryptomgr.notests</cmdline></os>";
  xml += "<features><acpi/><apic/></features><cpu mode='host-passthrough' check='none'/>";
  xml +=
      "<clock offset='utc'><timer name='pit' tickpolicy='delay'/><timer name='rtc' "
      "tickpolicy='catchup'/>"
      "<timer name='hpet' present='no'/></clock>";
  xml +=
      "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</"
      "on_crash>";
  xml += "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>";
  xml += "<controller type='virtio-serial' index='0'/>";
  xml += std::string("<channel type='unix'><source mode='bind' path='") + kAgentSocket +
         "'/><target type='virtio' name='" + kGuestSerialName + "'/></channel>";
  xml += "<serial type='pty'/>";
  if (settings.nova)
    xml +=
        "<controller type='scsi' index='0' model='virtio-scsi'/>"
        "<interface type='bridge'><mac address='52:54:00:11:22:33'/><source bridge='lab0'/>"
        "<model type='virtio'/><mtu size='1500'/></interface>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>"
        "<video><model type='vga'/></video>"
        "<watchdog model='i6300esb' action='reset'/>"
        "<memballoon model='virtio'><stats period='10'/></memballoon>"
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
  else
    xml += "<memballoon model='none'/>";
  xml += settings.devices + "</devices>";
  if (!settings.arguments.empty()) {
    xml += "<qemu:commandline>";
    for (const std::string& argument : settings.arguments)
      xml += "<qemu:arg value='" + argument + "'/>";
    xml += "</qemu:commandline>";
  }
  return xml + "</domain>";
}

Domain::Domain(const DomainSettings& settings) : settings_(settings) {
  const TempDir dir;
  WriteFile(dir / "domain.xml", DomainXml(settings_));
  Virsh("define " + (dir / "domain.xml").string());
  Virsh("start " + name());
  Agent();
}

Domain::~Domain() {
  for (const char* uri : {kHere, kThere})
    if (uri_ == uri || uri_ == kThere)
      Run({"sh", "-c",
           std::string("virsh -q -c ") + uri + " destroy " + name() + "; virsh -q -c " + uri +
               " undefine --managed-save " + name()},
          Milliseconds(60000));
}

std::string Domain::Virsh(const std::string& arguments, Milliseconds timeout) const {
  return Shell("virsh -q -c " + uri_ + " " + arguments, timeout);
}

json Domain::Qmp(const std::string& command, const json& arguments) const {
  json request{{"execute", command}};
  if (!arguments.is_null()) request["arguments"] = arguments;
  const json reply =
      json::parse(Virsh("qemu-monitor-command " + name() + " '" + request.dump() + "'"));
  if (reply.contains("error"))
    throw std::runtime_error(command + ": " + reply["error"]["desc"].get<std::string>());
  return reply.at("return");
}

std::string Domain::State() const {
  const std::string said = Virsh("domstate " + name());
  return said.substr(0, said.find('\n'));
}

pid_t Domain::Pid() const { return std::stoi(ReadFile("/run/libvirt/qemu/" + name() + ".pid")); }

GuestAgent& Domain::Agent() {
  if (agent_) return *agent_;
  if (here()) {
    agent_.emplace(GuestAgent::Connect(kAgentSocket, Deadline(kBoot)));
  } else {
    // The other node's relay, which connects to that node's socket.
    auto dial = [&] {
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ThrowErrno("socketpair");
      UniqueFd near(ends[0]), far(ends[1]);
      SpawnOptions options;
      const std::string fd = std::to_string(options.Inherit(far.get()));
      relay_ = Process({"socat", "TCP:node-b:" + std::string(kRelayPort), "FD:" + fd}, options);
      return near;
    };
    agent_.emplace(GuestAgent::Connect(dial, Deadline(kBoot)));
  }
  return *agent_;
}

void Domain::Moved() {
  uri_ = here() ? kThere : kHere;
  agent_.reset();
}

}  // namespace stx
