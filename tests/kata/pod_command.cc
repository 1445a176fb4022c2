// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/pod_command.h"

#include <unistd.h>

#include <algorithm>

namespace stx {
namespace {

constexpr unsigned kMostVcpus = 240;  // Kata's own limit

std::string JoinFds(const std::vector<int>& fds) {
  std::string text;
  for (int fd : fds) text += (text.empty() ? "" : ":") + std::to_string(fd);
  return text;
}

std::string MakeKernelParameters(const PodValues& values) {
  return "tsc=reliable no_timer_check rcupdate.rcu_expedited=1 i8042.direct=1 i8042.dumbkbd=1 "
         "i8042.nopnp=1 i8042.noaux=1 noreplace-smp reboot=k cryptomgr.notests net.ifnames=0 "
         "pci=lastbus=0" +
         std::string(kRootParameters) + " console=hvc0 console=hvc1 quiet" + kStatusParameter +
         " panic=1 nr_cpus=" + std::to_string(values.MaxVcpus()) + " selinux=0" + kUnitParameters +
         " scsi_mod.scan=none" + (values.kernel_params.empty() ? "" : " " + values.kernel_params);
}

}  // namespace

unsigned PodValues::MaxVcpus() const {
  if (max_vcpus) return max_vcpus;
  const auto host = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(vcpus, std::min(host, kMostVcpus));
}

CommandLine MakePodCommand(const PodValues& values) {
  const bool kvm = values.accel == "kvm";
  const std::string dir = values.dir.string(), hex = kHexDigits;
  const std::string memory = std::to_string(values.memory_mib) + "M";
  const uint64_t host_mib = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                                static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) >>
                            20;
  const std::string modern = std::string(",disable-modern=") + (values.nested ? "true" : "false");
  const std::string cid = std::to_string(values.guest_cid);
  const std::string sockets = std::to_string(values.MaxVcpus());
  std::error_code none;  // if the file does not exist, QEMU has to report it
  const auto image_bytes = std::filesystem::file_size(values.image, none);

  CommandLine command;
  auto add = [&](const std::string& option) { command.Add(option); };
  add("-name sandbox-" + values.id);
  // Not Kata's: it generates one for each sandbox.
  add("-uuid 8d2b3bb6-9f2b-4a6b-8a4e-0c7f9b2d1e33");
  add("-machine q35" + (values.accel.empty() ? "" : ",accel=" + values.accel) + ",nvdimm=on");
  // Not Kata's without KVM, because the model "host" needs KVM.
  add(kvm ? "-cpu host,pmu=off" : "-cpu max,pmu=off");
  add("-m " + memory + ",slots=10,maxmem=" + std::to_string(host_mib + 1024) + "M");
  add("-device pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,"
      "mem-reserve=1m,pref64-reserve=1m");
  add("-device virtio-serial-pci" + modern + ",id=serial0");
  add("-device virtconsole,chardev=charconsole0,id=console0");
  add("-chardev socket,id=charconsole0,path=" + dir + "/console.sock,server=on,wait=off");
  add("-device nvdimm,id=nv0,memdev=mem0,unarmed=on");
  add("-object memory-backend-file,id=mem0,mem-path=" + values.image.string() +
      ",size=" + std::to_string(image_bytes) + ",readonly=on");
  add("-device virtio-scsi-pci,id=scsi0" + modern);
  add("-object rng-random,id=rng0,filename=/dev/urandom");
  add("-device virtio-rng-pci,rng=rng0");
  add("-device vhost-vsock-pci" + modern + ",vhostfd=" + std::to_string(values.vsock_fd) +
      ",id=vsock-" + cid + ",guest-cid=" + cid);
  add("-chardev socket,id=char-" + hex + ",path=" + dir + "/vhost-fs.sock");
  add("-device vhost-user-fs-pci,chardev=char-" + hex + ",tag=kataShared,queue-size=1024");
  if (const auto& nic = values.nic) {
    add("-netdev tap,id=network-0" +
        (nic->vhost_fds.empty() ? "" : ",vhost=on,vhostfds=" + JoinFds(nic->vhost_fds)) +
        ",fds=" + JoinFds(nic->tap_fds));
    add("-device driver=virtio-net-pci,netdev=network-0,mac=" + nic->mac + modern +
        ",mq=on,vectors=" + std::to_string(2 * nic->tap_fds.size() + 2));
  }
  add("-rtc base=utc,driftfix=slew,clock=host");
  // Not Kata's without KVM, because QEMU would complain about a property that nothing uses.
  if (kvm) add("-global kvm-pit.lost_tick_policy=discard");
  for (const char* option :
       {"-vga none", "-no-user-config", "-nodefaults", "-nographic", "--no-reboot"})
    add(option);
  add("-object memory-backend-file,id=dimm1,size=" + memory + ",mem-path=/dev/shm,share=on");
  add("-numa node,memdev=dimm1");
  add("-kernel " + values.kernel.string());
  add("-append " + MakeKernelParameters(values));
  add("-pidfile " + dir + "/pid");
  add("-smp " + std::to_string(values.vcpus) + ",cores=1,threads=1,sockets=" + sockets +
      ",maxcpus=" + sockets);
  return command;
}

}  // namespace stx
