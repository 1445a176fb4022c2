// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/node.h"

#include <stdexcept>

#include "base/process.h"
#include "guest/host_tsc.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kBoot{180000}, kQuick{60000};

std::string LastLines(const std::string& text, size_t bytes) {
  return text.size() > bytes ? text.substr(text.find('\n', text.size() - bytes) + 1) : text;
}

}  // namespace

Node::Node(const NodeSettings& settings, const fs::path& logs)
    : settings_(settings), logs_(logs), accel_(DetectAccel()) {
  fs::create_directories(logs_);
  if (settings_.devices) {
    // Sparse, so it takes only the space that a scenario writes.
    WriteFile(dir_ / "nvme.img", "");
    fs::resize_file(dir_ / "nvme.img", 64 << 20);
  }
  QemuOptions options;
  options.binary = settings_.qemu;
  options.args = Arguments();
  started_ = Clock::now();
  qemu_.emplace(std::move(options));
  qemu_->qmp();
}

Node::~Node() {
  agent_.reset();
  if (qemu_) qemu_->process().Kill();
}

std::vector<std::string> Node::Arguments() const {
  std::vector<std::string> args;
  auto add = [&](std::initializer_list<std::string> more) { args.insert(args.end(), more); };
  add({"-name", settings_.name, "-nodefaults", "-no-user-config", "-display", "none",
       "-no-reboot"});
  add({"-machine", "q35"});
  std::string accel = "kvm";
  // Where many pods come and go, keep few translations. Those of a pod that has ended make every
  // write to its pages slow until they are dropped, and a full buffer drops all of them at once.
  if (!accel_.kvm)
    accel = std::string("tcg,thread=multi,tb-size=") + (settings_.lan ? "1024" : "128");
  else if (settings_.devices)
    accel += ",kernel-irqchip=split";
  add({"-accel", accel});
  // TCG's `max` does not include 1 GiB pages unless they are named.
  add({"-cpu", accel_.kvm ? "host" : "max,pdpe1gb=on"});
  add({"-smp", std::to_string(settings_.cpus), "-m", std::to_string(settings_.memory_mib) + "M"});
  if (settings_.devices) add({"-device", "intel-iommu,intremap=on,caching-mode=on"});
  add({"-drive",
       "id=root,if=none,format=raw,snapshot=on,cache=unsafe,file=" + settings_.image.string()});
  add({"-device", "virtio-blk-pci,drive=root"});
  add({"-drive", "id=lab,if=none,format=raw,readonly=on,file=" + settings_.payload.string()});
  add({"-device", "virtio-blk-pci,drive=lab"});
  add({"-device", "virtio-serial-pci"});
  add({"-chardev", "socket,id=agent,server=on,wait=off,path=" + (dir_ / "agent.sock").string()});
  add({"-device", std::string("virtserialport,chardev=agent,name=") + kGuestSerialName});
  add({"-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"});
  add({"-chardev", "socket,id=console,server=on,wait=off,path=" + console().string() +
                       ",logfile=" + console_log().string()});
  add({"-serial", "chardev:console"});
  if (settings_.lan) {
    const LanEnd& lan = *settings_.lan;
    add({"-netdev", std::string("stream,id=lan,server=") + (lan.first ? "on" : "off") +
                        ",addr.type=unix,addr.path=" + lan.socket.string()});
    add({"-device", "virtio-net-pci,netdev=lan,romfile=,mac=52:54:00:77:00:0" +
                        std::string(lan.first ? "1" : "2")});
  }
  if (settings_.devices) {
    add({"-device", "pcie-root-port,id=rp2,chassis=2,slot=2", "-device",
         "nvme-subsys,id=subsystem"});
    add({"-drive", "id=nvme,if=none,format=raw,cache=unsafe,file=" + (dir_ / "nvme.img").string()});
    add({"-device",
         "nvme,serial=lab,id=nvme0,subsys=subsystem,bus=rp2,sriov_max_vfs=2,sriov_vq_flexible=4,"
         "sriov_vi_flexible=2,max_ioqpairs=10,msix_qsize=8"});
    add({"-device", "nvme-ns,drive=nvme,nsid=1,shared=on,bus=nvme0"});
  }
  add({"-kernel", settings_.kernel.string(), "-initrd", settings_.initrd.string()});
  std::string append =
      "root=/dev/vda rw rootfstype=ext4 console=ttyS0 quiet apparmor=0 mitigations=off nokaslr "
      "audit=0 "
      "net.ifnames=0 panic=-1 reboot=t no_timer_check systemd.show_status=false "
      "systemd.hostname=" +
      settings_.name;
  // Each read of a clock other than the TSC would leave TCG for QEMU's big lock, for which two
  // vCPUs of a busy node compete until neither makes progress. The same is true of each round of
  // KVM's polling when its guest halts.
  if (!accel_.kvm)
    append += " tsc=reliable init_on_alloc=0 kvm.halt_poll_ns=0 nmi_watchdog=0 " +
              MakeTcgClockParameter();
  if (settings_.devices) append += " intel_iommu=on iommu=pt";
  if (settings_.cgroup_v1)
    append += " systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1";
  if (settings_.huge_1g)
    append += " hugepagesz=1G hugepages=" + std::to_string(settings_.huge_1g) +
              " hugepagesz=2M hugepages=0";
  add({"-append", append});
  return args;
}

void Node::WaitUp() {
  try {
    agent_.emplace(GuestAgent::Connect(dir_ / "agent.sock", Deadline(kBoot)));
  } catch (const std::exception& error) {
    agent_.reset();
    throw std::runtime_error(settings_.name + " did not come up: " + error.what() + "\n" +
                             LastLines(ReadFile(console_log()), 2000) + "\n" + qemu_->Report());
  }
  to_up_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - started_);
  // Loaded here, because udev would take longer.
  Shell("modprobe -q kvm_amd || modprobe -q kvm_intel; test -e /dev/kvm");
  // Jumbo frames: the cable between two QEMUs has no segmentation offload, so both of them handle
  // each frame as a packet.
  if (settings_.lan)
    Shell(
        "nic=$(basename $(dirname $(grep -l ^52:54:00:77 /sys/class/net/*/address)));"
        "ip link set $nic name lan0; ip address add " +
        settings_.lan->address + " dev lan0; ip link set lan0 mtu 9000 up");
}

GuestAgent& Node::agent() {
  if (!agent_) throw std::logic_error("WaitUp() comes first");
  return *agent_;
}

RunResult Node::Exec(const std::vector<std::string>& argv, Milliseconds timeout) {
  return agent().Exec(argv, timeout);
}

std::string Node::Shell(const std::string& script) {
  return agent().MustExec({"/bin/sh", "-ec", script}, kQuick).out;
}

std::vector<fs::path> Node::Diagnose() {
  std::vector<fs::path> written{console_log()};
  auto keep = [&](const std::string& what, auto&& text) {
    const fs::path file = logs_ / (settings_.name + "." + what);
    try {
      WriteFile(file, text());
      written.push_back(file);
    } catch (const std::exception&) {
      // A node that hangs still has a console and QEMU's report.
    }
  };
  keep("journal",
       [&] { return Shell("journalctl -b --no-pager -o short-monotonic | tail -n 2000"); });
  keep("dmesg", [&] { return Shell("dmesg"); });
  keep("processes", [&] { return Shell("ps axwwo pid,ppid,psr,stat,etime,rss,args"); });
  keep("pods", [&] { return Shell("cat /var/log/pod-console* 2>/dev/null || true"); });
  keep("containerd", [&] {
    return Shell("journalctl -b --no-pager -o short-monotonic -u containerd | tail -n 5000");
  });
  keep("libvirt",
       [&] { return Shell("tail -n 200 /var/log/libvirt/qemu/*.log 2>/dev/null || true"); });
  keep("qemu", [&] { return qemu_->qmp().Hmp("info registers -a") + qemu_->Report(); });
  return written;
}

}  // namespace stx
