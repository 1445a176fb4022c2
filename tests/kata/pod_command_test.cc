// SPDX-License-Identifier: GPL-2.0-or-later
// The whole command line, option by option, as printed by the code of Kata 3.1.3 (contract 1.1,
// 1.2).
#include "kata/pod_command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/os.h"
#include "kata/pod_variants.h"

namespace stx {
namespace {

class PodCommand : public testing::Test {
 protected:
  PodCommand() {
    WriteFile(dir / "image", std::string(4096, 'i'));
    values.id = "0a1b";
    values.dir = "/run/vc/vm/0a1b";
    values.kernel = "/usr/share/kata-containers/vmlinux.container";
    values.image = dir / "image";
    values.max_vcpus = 8;
    values.guest_cid = 77;
    values.vsock_fd = 4;
    values.nic = PodNic{{5}, {6}, "02:00:ca:fe:00:01"};
  }
  CommandLine Make(const std::vector<CommandEdit>& edits = {}) {
    CommandLine command = MakePodCommand(values);
    for (const CommandEdit& edit : edits) edit(command);
    return command;
  }
  std::string MaxMemory() {
    const auto bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                       static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    return std::to_string((bytes >> 20) + 1024) + "M";
  }
  /// -append. `root` and `status` end with a space, or are empty.
  static std::string Append(const std::string& root, const std::string& status,
                            const std::string& units) {
    return "-append tsc=reliable no_timer_check rcupdate.rcu_expedited=1 i8042.direct=1 "
           "i8042.dumbkbd=1 i8042.nopnp=1 i8042.noaux=1 noreplace-smp reboot=k "
           "cryptomgr.notests net.ifnames=0 pci=lastbus=0 " +
           root + "console=hvc0 console=hvc1 quiet " + status + "panic=1 nr_cpus=8 selinux=0 " +
           units + "scsi_mod.scan=none";
  }
  static constexpr const char* kStatus = "systemd.show_status=false ";
  static constexpr const char* kUnits =
      "systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service "
      "systemd.mask=systemd-networkd.socket ";

  TempDir dir;
  PodValues values;
};

TEST_F(PodCommand, IsKatasOptionForOption) {
  const std::vector<std::string> kata{
      "-name sandbox-0a1b",
      "-uuid 8d2b3bb6-9f2b-4a6b-8a4e-0c7f9b2d1e33",
      "-machine q35,accel=kvm,nvdimm=on",
      "-cpu host,pmu=off",
      "-m 2048M,slots=10,maxmem=" + MaxMemory(),
      "-device pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,"
      "mem-reserve=1m,pref64-reserve=1m",
      "-device virtio-serial-pci,disable-modern=false,id=serial0",
      "-device virtconsole,chardev=charconsole0,id=console0",
      "-chardev socket,id=charconsole0,path=/run/vc/vm/0a1b/console.sock,server=on,wait=off",
      "-device nvdimm,id=nv0,memdev=mem0,unarmed=on",
      "-object memory-backend-file,id=mem0,mem-path=" + (dir / "image").string() +
          ",size=4096,readonly=on",
      "-device virtio-scsi-pci,id=scsi0,disable-modern=false",
      "-object rng-random,id=rng0,filename=/dev/urandom",
      "-device virtio-rng-pci,rng=rng0",
      "-device vhost-vsock-pci,disable-modern=false,vhostfd=4,id=vsock-77,guest-cid=77",
      "-chardev socket,id=char-0123456789abcdef,path=/run/vc/vm/0a1b/vhost-fs.sock",
      "-device vhost-user-fs-pci,chardev=char-0123456789abcdef,tag=kataShared,queue-size=1024",
      "-netdev tap,id=network-0,vhost=on,vhostfds=5,fds=6",
      "-device driver=virtio-net-pci,netdev=network-0,mac=02:00:ca:fe:00:01,disable-modern=false,"
      "mq=on,vectors=4",
      "-rtc base=utc,driftfix=slew,clock=host",
      "-global kvm-pit.lost_tick_policy=discard",
      "-vga none",
      "-no-user-config",
      "-nodefaults",
      "-nographic",
      "--no-reboot",
      "-object memory-backend-file,id=dimm1,size=2048M,mem-path=/dev/shm,share=on",
      "-numa node,memdev=dimm1",
      "-kernel /usr/share/kata-containers/vmlinux.container",
      Append("root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro ro rootfstype=ext4 ",
             kStatus, kUnits),
      "-pidfile /run/vc/vm/0a1b/pid",
      "-smp 1,cores=1,threads=1,sockets=8,maxcpus=8",
  };
  EXPECT_EQ(Make().options(), kata);
}

TEST_F(PodCommand, MicrovmHasTheSameDevicesOnMmio) {
  const std::vector<std::string> kata{
      "-name sandbox-0a1b",
      "-uuid 8d2b3bb6-9f2b-4a6b-8a4e-0c7f9b2d1e33",
      "-machine microvm,accel=kvm",
      "-cpu host,pmu=off",
      "-m 2048M,slots=10,maxmem=" + MaxMemory(),
      "-device virtio-serial-device,id=serial0",
      "-device virtconsole,chardev=charconsole0,id=console0",
      "-chardev socket,id=charconsole0,path=/run/vc/vm/0a1b/console.sock,server=on,wait=off",
      "-device virtio-blk-device,drive=image-0123456789abcdef,scsi=off,config-wce=off,share-rw=on,"
      "serial=image-0123456789abcdef",
      "-drive id=image-0123456789abcdef,file=" + (dir / "image").string() +
          ",aio=threads,format=raw,if=none,readonly=on",
      "-device virtio-scsi-device,id=scsi0",
      "-object rng-random,id=rng0,filename=/dev/urandom",
      "-device virtio-rng-device,rng=rng0",
      "-device vhost-vsock-device,vhostfd=4,id=vsock-77,guest-cid=77",
      "-chardev socket,id=char-0123456789abcdef,path=/run/vc/vm/0a1b/vhost-fs.sock",
      "-device vhost-user-fs-device,chardev=char-0123456789abcdef,tag=kataShared,queue-size=1024",
      "-netdev tap,id=network-0,vhost=on,vhostfds=5,fds=6",
      "-device driver=virtio-net-device,netdev=network-0,mac=02:00:ca:fe:00:01,mq=on",
      "-rtc base=utc,driftfix=slew,clock=host",
      "-global kvm-pit.lost_tick_policy=discard",
      "-vga none",
      "-no-user-config",
      "-nodefaults",
      "-nographic",
      "--no-reboot",
      "-object memory-backend-file,id=dimm1,size=2048M,mem-path=/dev/shm,share=on",
      "-machine memory-backend=dimm1",
      "-kernel /usr/share/kata-containers/vmlinux.container",
      Append("root=/dev/vda1 rootflags=data=ordered,errors=remount-ro ro rootfstype=ext4 ", kStatus,
             kUnits),
      "-pidfile /run/vc/vm/0a1b/pid",
      "-smp 1,cores=1,threads=1,sockets=8,maxcpus=8",
      "-global virtio-mmio.force-legacy=false",
  };
  EXPECT_EQ(Make({UseMicrovm}).options(), kata);
}

TEST_F(PodCommand, ACloneWaitsForItsStateOnPrivateMemory) {
  values.nic.reset();
  const CommandLine command =
      Make({UseInitrd("/boot/initrd"), DropVirtioFs, UseCloneMemory("/run/template/memory")});
  const std::vector<std::string> end{
      "--no-reboot",
      "-object memory-backend-file,id=dimm1,size=2048M,mem-path=/run/template/memory",
      "-numa node,memdev=dimm1",
      "-kernel /usr/share/kata-containers/vmlinux.container",
      "-initrd /boot/initrd",
      Append("", "", ""),
      "-S",
      "-incoming defer",
      "-pidfile /run/vc/vm/0a1b/pid",
      "-smp 1,cores=1,threads=1,sockets=8,maxcpus=8",
  };
  const auto& options = command.options();
  ASSERT_GT(options.size(), end.size());
  EXPECT_EQ(std::vector<std::string>(options.end() - static_cast<long>(end.size()), options.end()),
            end);
  EXPECT_TRUE(command.Has("-machine q35,accel=kvm"));
  for (const char* start : {"-device nvdimm", "-object memory-backend-file,id=mem0",
                            "-device vhost-user-fs", "-netdev", "-machine q35,accel=kvm,nvdimm"})
    EXPECT_FALSE(command.Has(start)) << start;
}

/// The options between the one that starts with `first` and the one that starts with `last`.
std::vector<std::string> Between(const CommandLine& command, const std::string& first,
                                 const std::string& last) {
  std::vector<std::string> found;
  bool inside = false;
  for (const std::string& option : command.options()) {
    if (option.starts_with(last)) break;
    if (inside) found.push_back(option);
    inside |= option.starts_with(first);
  }
  return found;
}

TEST_F(PodCommand, BridgesAndRootPortsAreWhereKataPutsThem) {
  const CommandLine command = Make({SetBridges(3), AddRootPorts(2)});
  std::vector<std::string> bridges;
  for (const char* numbers : {"1,chassis_nr=2,shpc=off,addr=3", "2,chassis_nr=3,shpc=off,addr=4"})
    bridges.push_back(std::string("-device pci-bridge,bus=pcie.0,id=pci-bridge-") + numbers +
                      ",io-reserve=4k,mem-reserve=1m,pref64-reserve=1m");
  EXPECT_EQ(
      Between(command, "-device pci-bridge,bus=pcie.0,id=pci-bridge-0", "-device virtio-serial"),
      bridges);
  std::vector<std::string> ports;
  for (const char* n : {"0", "1"})
    ports.push_back(std::string("-device pcie-root-port,id=rp") + n +
                    ",bus=pcie.0,chassis=0,slot=" + n +
                    ",multifunction=off,pref64-reserve=2097152B,mem-reserve=4194304B");
  EXPECT_EQ(Between(command, "-device virtio-rng", "-device vhost-vsock"), ports);
}

TEST_F(PodCommand, FurtherNicsComeAfterTheFirst) {
  const CommandLine command =
      Make({AddColdVfio("02:10.0", 0), AddColdVfio("02:10.1", -1), AddVhostUserNic("/run/vhu")});
  EXPECT_EQ(Between(command, "-device driver=virtio-net", "-rtc"),
            (std::vector<std::string>{
                "-device vfio-pci,host=02:10.0,bus=rp0", "-device vfio-pci,host=02:10.1",
                "-chardev socket,id=char-nic,path=/run/vhu",
                "-netdev type=vhost-user,id=net-nic,chardev=char-nic,vhostforce",
                "-device virtio-net-pci,netdev=net-nic,mac=02:00:ca:fe:00:02"}));
}

TEST_F(PodCommand, SettingsOfMemoryAndSandbox) {
  CommandLine command = Make({UseHugepages, UseSandbox});
  EXPECT_TRUE(
      command.Has("-object memory-backend-file,id=dimm1,size=2048M,mem-path=/dev/hugepages,"
                  "share=on,prealloc=on"));
  EXPECT_EQ(
      Between(command, "-pidfile", "-smp"),
      (std::vector<std::string>{"-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny"}));
  command = Make({UseVirtio9p("/shared")});
  EXPECT_TRUE(command.Has("-object memory-backend-ram,id=dimm1,size=2048M"));
  EXPECT_EQ(Between(command, "-device vhost-vsock", "-netdev"),
            (std::vector<std::string>{
                "-device virtio-9p-pci,disable-modern=false,fsdev=extra-9p-kataShared,"
                "mount_tag=kataShared",
                "-fsdev local,id=extra-9p-kataShared,path=/shared,security_model=none,"
                "multidevs=remap"}));
}

TEST_F(PodCommand, NestedAndManyQueues) {
  values.nested = true;
  values.nic = PodNic{{}, {4, 5}, "02:00:ca:fe:00:01"};
  const CommandLine command = Make();
  for (const char* device : {"virtio-serial", "virtio-scsi", "vhost-vsock", "driver=virtio-net"})
    EXPECT_EQ(command.GetValue(std::string("-device ") + device, "disable-modern"), "true");
  EXPECT_EQ(command.GetValue("-device driver=virtio-net", "vectors"), "6");
  EXPECT_TRUE(command.Has("-netdev tap,id=network-0,fds=4:5"));
}

TEST_F(PodCommand, KernelParametersOfTheUserComeLast) {
  values.kernel_params = "agent.log=debug x=y";
  const std::vector<std::string> arguments = Make().GetArguments();
  const auto append = std::find(arguments.begin(), arguments.end(), "-append");
  ASSERT_NE(append, arguments.end());
  EXPECT_TRUE((append + 1)->ends_with(" scsi_mod.scan=none agent.log=debug x=y")) << append[1];
}

TEST(CommandLineEdits, AreOfExactlyOneOption) {
  CommandLine command({"-m 1G", "-device a,id=1", "-device b"});
  EXPECT_THROW(command.Drop("-device"), std::logic_error);
  EXPECT_THROW(command.Replace("-smp", "-smp 2"), std::logic_error);
  EXPECT_THROW(command.Substitute("-m", "2G", "3G"), std::logic_error);
  EXPECT_THROW(command.GetValue("-device b", "id"), std::logic_error);
  command.InsertBefore("-device b", "-x");
  command.InsertAfter("-device b", "-y z  w");
  EXPECT_EQ(command.GetArguments(), (std::vector<std::string>{"-m", "1G", "-device", "a,id=1", "-x",
                                                              "-device", "b", "-y", "z  w"}));
}

}  // namespace
}  // namespace stx
