#include "guest/pod_command.h"

#include <unistd.h>

#include <algorithm>

namespace stx {
namespace {

constexpr long kMaxCpus = 240;  // Kata's own limit

std::string Number(uint64_t value) { return std::to_string(value); }

std::string KernelParameters(bool q35, long cpus) {
  std::string cpu_count = std::to_string(cpus);
  std::string root = q35 ? "root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro"
                         : "root=/dev/vda1 rootflags=data=ordered,errors=remount-ro";
  return "tsc=reliable no_timer_check rcupdate.rcu_expedited=1 i8042.direct=1 i8042.dumbkbd=1 "
         "i8042.nopnp=1 i8042.noaux=1 noreplace-smp reboot=k cryptomgr.notests net.ifnames=0 "
         "pci=lastbus=0 " +
         root +
         " ro rootfstype=ext4 console=hvc0 console=hvc1 quiet systemd.show_status=false panic=1 "
         "nr_cpus=" +
         cpu_count +
         " selinux=0 systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service "
         "systemd.mask=systemd-networkd.socket scsi_mod.scan=none";
}

}  // namespace

std::vector<std::string> PodCommand::Arguments() const {
  const bool q35 = machine == PodMachine::kQ35;
  const long cpus = std::min(sysconf(_SC_NPROCESSORS_ONLN), kMaxCpus);
  const uint64_t host_mib = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                                static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) >>
                            20;
  const std::string accel = kvm ? "kvm" : "tcg";
  const std::string memory = Number(memory_mib) + "M";
  const std::string image_bytes = Number(std::filesystem::file_size(image));
  // virtio-mmio has neither transitional devices nor MSI-X vectors.
  const std::string form = q35 ? "-pci" : "-device";
  const std::string modern =
      q35 ? std::string(",disable-modern=") + (nested ? "true" : "false") : "";

  std::vector<std::string> args;
  auto add = [&](std::initializer_list<std::string> more) { args.insert(args.end(), more); };
  add({"-name", "sandbox-" + id});
  add({"-machine", q35 ? "q35,accel=" + accel + ",nvdimm=on" : "microvm,accel=" + accel});
  // Not Kata's: 7.2's virtio-mmio is legacy unless told otherwise, and libvhost-user, on which the
  // C virtiofsd and our vsock stand, ends when a driver does not agree to virtio 1.
  if (!q35) add({"-global", "virtio-mmio.force-legacy=false"});
  add({"-cpu", kvm ? "host,pmu=off" : "max"});
  add({"-m", memory + ",slots=10,maxmem=" + Number(host_mib + 1024) + "M"});
  if (q35)
    add({"-device",
         "pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,"
         "mem-reserve=1m,pref64-reserve=1m"});
  add({"-device", "virtio-serial" + form + modern + ",id=serial0"});
  add({"-device", "virtconsole,chardev=charconsole0,id=console0"});
  add({"-chardev",
       "socket,id=charconsole0,path=" + (dir / "console.sock").string() + ",server=on,wait=off"});
  if (q35) {
    add({"-device", "nvdimm,id=nv0,memdev=mem0,unarmed=on"});
    add({"-object", "memory-backend-file,id=mem0,mem-path=" + image.string() +
                        ",size=" + image_bytes + ",readonly=on"});
  } else {
    add({"-device", "virtio-blk" + form +
                        ",drive=image-0,scsi=off,config-wce=off,share-rw=on,serial=image-0"});
    add({"-drive",
         "id=image-0,file=" + image.string() + ",aio=threads,format=raw,if=none,readonly=on"});
  }
  add({"-device", "virtio-scsi" + form + ",id=scsi0" + modern});
  add({"-object", "rng-random,id=rng0,filename=/dev/urandom"});
  add({"-device", "virtio-rng" + form + ",rng=rng0"});
  const std::string cid = Number(guest_cid);
  if (vsock_fd >= 0) {
    add({"-device", "vhost-vsock" + form + modern + ",vhostfd=" + std::to_string(vsock_fd) +
                        ",id=vsock-" + cid + ",guest-cid=" + cid});
  } else {
    add({"-chardev", "socket,id=char-vsock,path=" + (dir / "vsock.sock").string()});
    add({"-device", "vhost-user-vsock" + form + ",chardev=char-vsock,id=vsock-" + cid});
  }
  add({"-chardev", "socket,id=char-fs,path=" + (dir / "vhost-fs.sock").string()});
  add({"-device", "vhost-user-fs" + form + ",chardev=char-fs,tag=kataShared,queue-size=1024"});
  if (tap_fd >= 0) {
    std::string vhost =
        vhost_net_fd >= 0 ? ",vhost=on,vhostfds=" + std::to_string(vhost_net_fd) : "";
    add({"-netdev", "tap,id=network-0" + vhost + ",fds=" + std::to_string(tap_fd)});
    add({"-device", "driver=virtio-net" + form + ",netdev=network-0,mac=" + mac + modern +
                        ",mq=on" + (q35 ? ",vectors=4" : "")});
  }
  add({"-rtc", "base=utc,driftfix=slew,clock=host"});
  if (kvm) add({"-global", "kvm-pit.lost_tick_policy=discard"});
  add({"-vga", "none", "-no-user-config", "-nodefaults", "-nographic", "--no-reboot"});
  add({"-object", "memory-backend-file,id=dimm1,size=" + memory + ",mem-path=/dev/shm,share=on"});
  if (q35)
    add({"-numa", "node,memdev=dimm1"});
  else
    add({"-machine", "memory-backend=dimm1"});
  add({"-kernel", kernel.string(), "-initrd", initrd.string()});
  add({"-append", KernelParameters(q35, cpus) + (append.empty() ? "" : " " + append)});
  add({"-pidfile", (dir / "pid").string()});
  const std::string n = std::to_string(cpus);
  add({"-smp", "1,cores=1,threads=1,sockets=" + n + ",maxcpus=" + n});
  if (sandbox) add({"-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"});
  return args;
}

}  // namespace stx
