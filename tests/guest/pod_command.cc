// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pod_command.h"

#include <unistd.h>

#include <algorithm>

#include "guest/protocol.h"

namespace stx {
namespace {

constexpr unsigned kMaxCpus = 240;  // Kata's own limit

std::string Number(uint64_t value) { return std::to_string(value); }

std::string Join(const std::vector<int>& fds) {
  std::string text;
  for (int fd : fds) text += (text.empty() ? "" : ":") + std::to_string(fd);
  return text;
}

/// Without an image Kata drops what is for it and for the systemd in it.
std::string KernelParameters(bool q35, bool image, unsigned cpus) {
  std::string root = q35 ? "root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro"
                         : "root=/dev/vda1 rootflags=data=ordered,errors=remount-ro";
  return "tsc=reliable no_timer_check rcupdate.rcu_expedited=1 i8042.direct=1 i8042.dumbkbd=1 "
         "i8042.nopnp=1 i8042.noaux=1 noreplace-smp reboot=k cryptomgr.notests net.ifnames=0 "
         "pci=lastbus=0 " +
         (image ? root + " ro rootfstype=ext4 " : "") + "console=hvc0 console=hvc1 quiet " +
         (image ? "systemd.show_status=false " : "") + "panic=1 nr_cpus=" + Number(cpus) +
         " selinux=0 " +
         (image ? "systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service "
                  "systemd.mask=systemd-networkd.socket "
                : "") +
         "scsi_mod.scan=none";
}

}  // namespace

unsigned PodCommand::MaxCpus() const {
  if (max_vcpus) return max_vcpus;
  const auto host = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(vcpus, std::min(host, kMaxCpus));
}

std::vector<std::string> PodCommand::Arguments() const {
  const bool q35 = machine == PodMachine::kQ35;
  const bool has_image = form == PodForm::kSandbox;
  const unsigned cpus = MaxCpus();
  const uint64_t host_mib = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                                static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) >>
                            20;
  const std::string accel = kvm ? "kvm" : "tcg";
  const std::string memory = Number(memory_mib) + "M";
  // virtio-mmio has neither transitional devices nor MSI-X vectors.
  const std::string virtio = q35 ? "-pci" : "-device";
  const std::string modern =
      q35 ? std::string(",disable-modern=") + (nested ? "true" : "false") : "";

  std::vector<std::string> args;
  auto add = [&](std::initializer_list<std::string> more) { args.insert(args.end(), more); };
  add({"-name", "sandbox-" + id});
  add({"-machine",
       (q35 ? "q35,accel=" : "microvm,accel=") + accel + (q35 && has_image ? ",nvdimm=on" : "")});
  // Not Kata's: 7.2's virtio-mmio is legacy unless told otherwise, and libvhost-user, on which the
  // C virtiofsd and our vsock stand, ends when a driver does not agree to virtio 1.
  if (!q35) add({"-global", "virtio-mmio.force-legacy=false"});
  add({"-cpu", kvm ? "host,pmu=off" : "max"});
  add({"-m", memory + ",slots=10,maxmem=" + Number(host_mib + 1024) + "M"});
  if (q35)
    add({"-device",
         "pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,"
         "mem-reserve=1m,pref64-reserve=1m"});
  for (unsigned i = 0; i < root_ports; ++i)
    add({"-device", "pcie-root-port,id=rp" + Number(i) + ",bus=pcie.0,chassis=0,slot=" + Number(i) +
                        ",multifunction=off,pref64-reserve=2097152B,mem-reserve=4194304B"});
  add({"-device", "virtio-serial" + virtio + modern + ",id=serial0"});
  add({"-device", "virtconsole,chardev=charconsole0,id=console0"});
  add({"-chardev", "socket,id=charconsole0,path=" + (dir / "console.sock").string() +
                       ",server=on,wait=off" +
                       (console_log.empty() ? "" : ",logfile=" + console_log.string())});
  if (has_image && q35) {
    add({"-device", "nvdimm,id=nv0,memdev=mem0,unarmed=on"});
    add({"-object", "memory-backend-file,id=mem0,mem-path=" + image.string() +
                        ",size=" + Number(std::filesystem::file_size(image)) + ",readonly=on"});
  } else if (has_image) {
    add({"-device", "virtio-blk" + virtio +
                        ",drive=image-0,scsi=off,config-wce=off,share-rw=on,serial=image-0"});
    add({"-drive",
         "id=image-0,file=" + image.string() + ",aio=threads,format=raw,if=none,readonly=on"});
  }
  add({"-device", "virtio-scsi" + virtio + ",id=scsi0" + modern});
  add({"-object", "rng-random,id=rng0,filename=/dev/urandom"});
  add({"-device", "virtio-rng" + virtio + ",rng=rng0"});
  const std::string cid = Number(guest_cid);
  if (serial_agent) {
    add({"-chardev",
         "socket,id=char-agent,path=" + (dir / "agent.sock").string() + ",server=on,wait=off"});
    add({"-device", std::string("virtserialport,chardev=char-agent,name=") + kGuestSerialName});
  } else if (vsock_fd >= 0) {
    add({"-device", "vhost-vsock" + virtio + modern + ",vhostfd=" + std::to_string(vsock_fd) +
                        ",id=vsock-" + cid + ",guest-cid=" + cid});
  } else {
    add({"-chardev", "socket,id=char-vsock,path=" + (dir / "vsock.sock").string()});
    add({"-device", "vhost-user-vsock" + virtio + ",chardev=char-vsock,id=vsock-" + cid});
  }
  if (has_image) {
    add({"-chardev", "socket,id=char-fs,path=" + (dir / "vhost-fs.sock").string()});
    add({"-device", "vhost-user-fs" + virtio + ",chardev=char-fs,tag=kataShared,queue-size=1024"});
  }
  if (!tap_fds.empty()) {
    std::string vhost = vhost_net.empty() ? "" : ",vhost=on,vhostfds=" + Join(vhost_net);
    add({"-netdev", "tap,id=network-0" + vhost + ",fds=" + Join(tap_fds)});
    add({"-device", "driver=virtio-net" + virtio + ",netdev=network-0,mac=" + mac + modern +
                        ",mq=on" + (q35 ? ",vectors=" + Number(2 * tap_fds.size() + 2) : "")});
  }
  for (size_t i = 0; i < vfio.size(); ++i)
    add({"-device",
         "vfio-pci,host=" + vfio[i] + (i < root_ports ? ",bus=rp" + std::to_string(i) : "")});
  if (!vhost_user_nic.empty()) {
    add({"-chardev", "socket,id=char-nic,path=" + vhost_user_nic.string()});
    add({"-netdev", "type=vhost-user,id=net-nic,chardev=char-nic,vhostforce"});
    add({"-device", "virtio-net" + virtio + ",netdev=net-nic,mac=" + kVhostUserNicMac});
  }
  add({"-rtc", "base=utc,driftfix=slew,clock=host"});
  if (kvm) add({"-global", "kvm-pit.lost_tick_policy=discard"});
  add({"-vga", "none", "-no-user-config", "-nodefaults", "-nographic", "--no-reboot"});
  std::string ram = "mem-path=/dev/shm,share=on";
  if (hugepages) ram = "mem-path=/dev/hugepages,share=on,prealloc=on";
  if (!has_image) ram = "mem-path=" + template_memory.string();
  if (form == PodForm::kTemplate) ram += ",share=on";
  add({"-object", "memory-backend-file,id=dimm1,size=" + memory + "," + ram});
  if (q35)
    add({"-numa", "node,memdev=dimm1"});
  else
    add({"-machine", "memory-backend=dimm1"});
  if (form == PodForm::kClone) add({"-S", "-incoming", "defer"});
  add({"-kernel", kernel.string(), "-initrd", initrd.string()});
  add({"-append", KernelParameters(q35, has_image, cpus) + (append.empty() ? "" : " " + append)});
  add({"-pidfile", (dir / "pid").string()});
  add({"-smp",
       Number(vcpus) + ",cores=1,threads=1,sockets=" + Number(cpus) + ",maxcpus=" + Number(cpus)});
  if (sandbox) add({"-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"});
  return args;
}

}  // namespace stx
