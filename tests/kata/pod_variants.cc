// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/pod_variants.h"

#include "kata/pod_command.h"

namespace stx {
namespace {

constexpr char kRam[] = "-object memory-backend-file,id=dimm1";

/// Removes ",KEY=VALUE" from `option`, if present.
void RemoveKey(std::string& option, const std::string& key) {
  const size_t at = option.find("," + key + "=");
  if (at != std::string::npos) option.erase(at, option.find(',', at + 1) - at);
}

/// "virtio-rng-pci" becomes "virtio-rng-device", which has neither transitional variants nor MSI-X.
void MoveToMmio(std::string& option) {
  const std::string type = option.substr(0, option.find(','));
  if (!option.starts_with("-device ") || !type.ends_with("-pci")) return;
  option.replace(type.size() - 3, 3, "device");
  RemoveKey(option, "disable-modern");
  RemoveKey(option, "vectors");
}

void DropImage(CommandLine& command) {
  command.Substitute("-machine", ",nvdimm=on", "");
  command.Drop("-device nvdimm");
  command.Drop("-object memory-backend-file,id=mem0");
  for (const char* parameters : {kRootParameters, kStatusParameter, kUnitParameters})
    command.Substitute("-append", parameters, "");
}

}  // namespace

void UseMicrovm(CommandLine& command) {
  if (command.Has("-device nvdimm")) UseBlockImage(command);
  command.Substitute("-machine", "q35", "microvm");
  command.Drop("-device pci-bridge");
  command.Transform(MoveToMmio);
  command.Replace("-numa", "-machine memory-backend=dimm1");
  // Not Kata's: in 7.2, virtio-mmio is legacy by default. libvhost-user, which the C virtiofsd and
  // our back-ends use, needs a driver that accepts virtio 1.
  command.Add("-global virtio-mmio.force-legacy=false");
}

void UseBlockImage(CommandLine& command) {
  const std::string file = command.GetValue("-object memory-backend-file,id=mem0", "mem-path");
  const std::string id = std::string("image-") + kHexDigits;
  const std::string modern = command.GetValue("-device virtio-serial", "disable-modern");
  command.Substitute("-machine", ",nvdimm=on", "");
  command.Replace("-device nvdimm", "-device virtio-blk-pci,disable-modern=" + modern + ",drive=" +
                                        id + ",scsi=off,config-wce=off,share-rw=on,serial=" + id);
  command.Replace(
      "-object memory-backend-file,id=mem0",
      "-drive id=" + id + ",file=" + file + ",aio=threads,format=raw,if=none,readonly=on");
  command.Substitute("-append", "/dev/pmem0p1 rootflags=dax,", "/dev/vda1 rootflags=");
}

CommandEdit UseInitrd(const std::filesystem::path& initrd) {
  return [=](CommandLine& command) {
    DropImage(command);
    command.InsertBefore("-append", "-initrd " + initrd.string());
  };
}

void DropVirtioFs(CommandLine& command) {
  command.Drop(std::string("-chardev socket,id=char-") + kHexDigits);
  command.Drop("-device vhost-user-fs");
}

CommandEdit UseVirtio9p(const std::filesystem::path& folder) {
  return [=](CommandLine& command) {
    const std::string modern = command.GetValue("-device virtio-serial", "disable-modern");
    command.Replace(std::string("-chardev socket,id=char-") + kHexDigits,
                    "-device virtio-9p-pci,disable-modern=" + modern +
                        ",fsdev=extra-9p-kataShared,mount_tag=kataShared");
    command.Replace("-device vhost-user-fs",
                    "-fsdev local,id=extra-9p-kataShared,path=" + folder.string() +
                        ",security_model=none,multidevs=remap");
    command.Substitute(kRam, ",mem-path=/dev/shm,share=on", "");
    command.Substitute(kRam, "memory-backend-file", "memory-backend-ram");
  };
}

CommandEdit SetBridges(int count) {
  return [=](CommandLine& command) {
    for (int i = 1; i < count; ++i) {
      const std::string n = std::to_string(i);
      command.InsertBefore("-device virtio-serial",
                           "-device pci-bridge,bus=pcie.0,id=pci-bridge-" + n + ",chassis_nr=" +
                               std::to_string(i + 1) + ",shpc=off,addr=" + std::to_string(i + 2) +
                               ",io-reserve=4k,mem-reserve=1m,pref64-reserve=1m");
    }
  };
}

CommandEdit AddRootPorts(unsigned count) {
  return [=](CommandLine& command) {
    for (unsigned i = count; i-- > 0;) {
      const std::string n = std::to_string(i);
      command.InsertAfter("-device virtio-rng",
                          "-device pcie-root-port,id=rp" + n + ",bus=pcie.0,chassis=0,slot=" + n +
                              ",multifunction=off,pref64-reserve=2097152B,mem-reserve=4194304B");
    }
  };
}

CommandEdit AddColdVfio(const std::string& address, int port) {
  return InsertBefore("-rtc", "-device vfio-pci,host=" + address +
                                  (port < 0 ? "" : ",bus=rp" + std::to_string(port)));
}

CommandEdit AddVhostUserNic(const std::filesystem::path& socket) {
  return [=](CommandLine& command) {
    // Kata's ids differ: they contain sixteen more random digits.
    command.InsertBefore("-rtc", "-chardev socket,id=char-nic,path=" + socket.string());
    command.InsertBefore("-rtc", "-netdev type=vhost-user,id=net-nic,chardev=char-nic,vhostforce");
    command.InsertBefore(
        "-rtc", std::string("-device virtio-net-pci,netdev=net-nic,mac=") + kVhostUserNicMac);
  };
}

void UseHugepages(CommandLine& command) {
  command.Substitute(kRam, "/dev/shm,share=on", "/dev/hugepages,share=on,prealloc=on");
}

CommandEdit UseTemplateMemory(const std::filesystem::path& memory) {
  return Substitute(kRam, "/dev/shm", memory.string());
}

CommandEdit UseCloneMemory(const std::filesystem::path& memory) {
  return [=](CommandLine& command) {
    command.Substitute(kRam, "/dev/shm,share=on", memory.string());
    command.InsertBefore("-pidfile", "-S");
    command.InsertBefore("-pidfile", "-incoming defer");
  };
}

void UseSandbox(CommandLine& command) {
  command.InsertBefore("-smp", "-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny");
}

CommandEdit UseVhostUserVsock(const std::filesystem::path& socket) {
  return [=](CommandLine& command) {
    const std::string id = command.GetValue("-device vhost-vsock", "id");
    command.InsertBefore("-device vhost-vsock",
                         "-chardev socket,id=char-vsock,path=" + socket.string());
    command.Replace("-device vhost-vsock",
                    "-device vhost-user-vsock-pci,chardev=char-vsock,id=" + id);
  };
}

CommandEdit UseSerialAgent(const std::filesystem::path& socket, const std::string& port_name) {
  return [=](CommandLine& command) {
    command.InsertBefore("-device vhost-vsock", "-chardev socket,id=char-agent,path=" +
                                                    socket.string() + ",server=on,wait=off");
    command.Replace("-device vhost-vsock",
                    "-device virtserialport,chardev=char-agent,name=" + port_name);
  };
}

CommandEdit AddInitrd(const std::filesystem::path& initrd) {
  return InsertBefore("-append", "-initrd " + initrd.string());
}

CommandEdit LogConsole(const std::filesystem::path& file) {
  return Substitute("-chardev socket,id=charconsole0", "wait=off",
                    "wait=off,logfile=" + file.string());
}

}  // namespace stx
