// SPDX-License-Identifier: GPL-2.0-or-later
#include "command_line/kata_command.h"

#include <algorithm>
#include <stdexcept>

namespace stx {

KataCommand KataCommand::Q35() {
  return KataCommand({
      "-name sandbox-test",
      "-uuid 8d2b3bb6-9f2b-4a6b-8a4e-0c7f9b2d1e33",
      "-machine q35,accel=tcg,nvdimm=on",
      "-cpu max,pmu=off",
      "-m 2048M,slots=10,maxmem=@maxmem@M",
      "-device pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,"
      "mem-reserve=1m,pref64-reserve=1m",
      "-device virtio-serial-pci,disable-modern=false,id=serial0",
      "-device virtconsole,chardev=charconsole0,id=console0",
      "-chardev socket,id=charconsole0,path=@dir@/console.sock,server=on,wait=off",
      "-device nvdimm,id=nv0,memdev=mem0,unarmed=on",
      "-object memory-backend-file,id=mem0,mem-path=@image@,size=@image-bytes@,readonly=on",
      "-device virtio-scsi-pci,id=scsi0,disable-modern=false",
      "-object rng-random,id=rng0,filename=/dev/urandom",
      "-device virtio-rng-pci,rng=rng0",
      "-chardev socket,id=char-fs,path=@dir@/vhost-fs.sock",
      "-device vhost-user-fs-pci,chardev=char-fs,tag=kataShared,queue-size=1024",
      "-netdev tap,id=network-0,fds=@tap@",
      "-device driver=virtio-net-pci,netdev=network-0,mac=02:00:ca:fe:00:01,disable-modern=false,"
      "mq=on,vectors=4",
      "-rtc base=utc,driftfix=slew,clock=host",
      "-vga none",
      "-no-user-config",
      "-nodefaults",
      "-nographic",
      "--no-reboot",
      "-object memory-backend-file,id=dimm1,size=2048M,mem-path=/dev/shm,share=on",
      "-numa node,memdev=dimm1",
      "-kernel @vmlinux@",
      "-append tsc=reliable no_timer_check rcupdate.rcu_expedited=1 panic=1 nr_cpus=2 quiet "
      "root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro ro rootfstype=ext4",
      "-pidfile @dir@/pid",
      "-smp 1,cores=1,threads=1,sockets=2,maxcpus=2",
  });
}

KataCommand KataCommand::Microvm() {
  KataCommand command = Q35();
  // Not Kata's: 7.2's virtio-mmio is legacy unless told otherwise, and libvhost-user, on which the
  // back-ends of the tests stand, wants virtio 1.
  command.Add("-global virtio-mmio.force-legacy=false");
  command.Replace("-machine", "-machine microvm,accel=tcg");
  command.Drop("-device pci-bridge");
  command.Replace("-device virtio-serial", "-device virtio-serial-device,id=serial0");
  command.Replace("-device nvdimm",
                  "-device virtio-blk-device,drive=image-0,scsi=off,config-wce=off,share-rw=on,"
                  "serial=image-0");
  command.Replace("-object memory-backend-file,id=mem0",
                  "-drive id=image-0,file=@image@,aio=threads,format=raw,if=none,readonly=on");
  command.Replace("-device virtio-scsi", "-device virtio-scsi-device,id=scsi0");
  command.Replace("-device virtio-rng", "-device virtio-rng-device,rng=rng0");
  command.Replace("-device vhost-user-fs",
                  "-device vhost-user-fs-device,chardev=char-fs,tag=kataShared,queue-size=1024");
  command.Replace("-device driver=virtio-net",
                  "-device driver=virtio-net-device,netdev=network-0,mac=02:00:ca:fe:00:01,mq=on");
  command.Replace("-numa", "-machine memory-backend=dimm1");
  return command;
}

std::vector<std::string>::iterator KataCommand::Find(const std::string& start) {
  const auto starts = [&](const std::string& line) { return line.starts_with(start); };
  const auto found = std::find_if(lines_.begin(), lines_.end(), starts);
  if (found == lines_.end() || std::find_if(found + 1, lines_.end(), starts) != lines_.end())
    throw std::logic_error("not exactly one option starts with: " + start);
  return found;
}

void KataCommand::Drop(const std::string& start) { lines_.erase(Find(start)); }
void KataCommand::Replace(const std::string& start, const std::string& line) {
  *Find(start) = line;
}
void KataCommand::Before(const std::string& start, const std::string& line) {
  lines_.insert(Find(start), line);
}

void KataCommand::Substitute(const std::string& start, const std::string& from,
                             const std::string& to) {
  std::string& line = *Find(start);
  const size_t at = line.find(from);
  if (at == std::string::npos) throw std::logic_error(line + " has no " + from);
  line.replace(at, from.size(), to);
}

std::vector<std::string> KataCommand::Arguments(
    const std::map<std::string, std::string>& values) const {
  std::vector<std::string> arguments;
  for (std::string line : lines_) {
    for (size_t at; (at = line.find('@')) != std::string::npos;) {
      const size_t end = line.find('@', at + 1);
      if (end == std::string::npos) throw std::logic_error("half a placeholder: " + line);
      line.replace(at, end - at + 1, values.at(line.substr(at + 1, end - at - 1)));
    }
    const size_t space = line.find(' ');
    arguments.push_back(line.substr(0, space));
    if (space != std::string::npos) arguments.push_back(line.substr(space + 1));
  }
  return arguments;
}

Edit Drop(std::string start) {
  return [=](KataCommand& command) { command.Drop(start); };
}
Edit Replace(std::string start, std::string line) {
  return [=](KataCommand& command) { command.Replace(start, line); };
}
Edit Substitute(std::string start, std::string from, std::string to) {
  return [=](KataCommand& command) { command.Substitute(start, from, to); };
}
Edit Before(std::string start, std::string line) {
  return [=](KataCommand& command) { command.Before(start, line); };
}
Edit Add(std::string line) {
  return [=](KataCommand& command) { command.Add(line); };
}

}  // namespace stx
