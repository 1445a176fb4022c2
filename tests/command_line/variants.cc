// SPDX-License-Identifier: GPL-2.0-or-later
#include "command_line/variants.h"

namespace stx {
namespace {

std::string Bridge(int i) {
  const std::string n = std::to_string(i);
  return "-device pci-bridge,bus=pcie.0,id=pci-bridge-" + n +
         ",chassis_nr=" + std::to_string(i + 1) + ",shpc=off,addr=" + std::to_string(i + 2) +
         ",io-reserve=4k,mem-reserve=1m,pref64-reserve=1m";
}

Edit Bridges(int count) {
  return [=](KataCommand& command) {
    command.Drop("-device pci-bridge");
    for (int i = 0; i < count; ++i) command.Before("-device virtio-serial", Bridge(i));
  };
}

Edit RootPorts(int count) {
  return [=](KataCommand& command) {
    for (int i = 0; i < count; ++i)
      command.Before("-rtc", "-device pcie-root-port,id=rp" + std::to_string(i) +
                                 ",bus=pcie.0,chassis=0,slot=" + std::to_string(i) +
                                 ",multifunction=off,pref64-reserve=2097152B,mem-reserve=4194304B");
  };
}

Edit Queues(int count) {
  return [=](KataCommand& command) {
    command.Substitute("-device driver=virtio-net", "vectors=4",
                       "vectors=" + std::to_string(2 * count + 2));
  };
}

/// The image on virtio-blk: neither NVDIMM nor DAX.
void ImageOnBlk(KataCommand& command) {
  command.Substitute("-machine", ",nvdimm=on", "");
  command.Replace("-device nvdimm",
                  "-device virtio-blk-pci,disable-modern=false,drive=image-0123456789abcdef,"
                  "scsi=off,config-wce=off,share-rw=on,serial=image-0123456789abcdef");
  command.Replace("-object memory-backend-file,id=mem0",
                  "-drive id=image-0123456789abcdef,file=@image@,aio=threads,format=raw,if=none,"
                  "readonly=on");
  command.Substitute("-append", "/dev/pmem0p1 rootflags=dax,", "/dev/vda1 rootflags=");
}

void NoImage(KataCommand& command) {
  command.Substitute("-machine", ",nvdimm=on", "");
  command.Drop("-device nvdimm");
  command.Drop("-object memory-backend-file,id=mem0");
}

void Initrd(KataCommand& command) {
  NoImage(command);
  command.Before("-append", "-initrd @initrd@");
  command.Replace("-append", "-append tsc=reliable panic=1 nr_cpus=2 quiet");
}

void NoVirtiofs(KataCommand& command) {
  command.Drop("-chardev socket,id=char-fs");
  command.Drop("-device vhost-user-fs");
}

void Virtio9p(KataCommand& command) {
  NoVirtiofs(command);
  command.Before("-netdev",
                 "-device virtio-9p-pci,disable-modern=false,fsdev=extra-9p-kataShared,"
                 "mount_tag=kataShared");
  command.Before("-netdev",
                 "-fsdev local,id=extra-9p-kataShared,path=@dir@,security_model=none,"
                 "multidevs=remap");
  command.Replace("-object memory-backend-file,id=dimm1",
                  "-object memory-backend-ram,id=dimm1,size=2048M");
}

void Nested(KataCommand& command) {
  for (const char* device :
       {"-device virtio-serial", "-device virtio-scsi", "-device driver=virtio-net"})
    command.Substitute(device, "disable-modern=false", "disable-modern=true");
}

/// 256 MiB is the least that Kata gives a pod.
void SmallMemory(KataCommand& command) {
  command.Substitute("-m ", "2048M", "256M");
  command.Substitute("-object memory-backend-file,id=dimm1", "2048M", "256M");
}

std::vector<Variant> Machines() {
  return {
      {.name = "Default",
       .row = "1.1 q35",
       .edits = {},
       .shows = {{"/machine", "type", "pc-q35-7.2-machine"},
                 {"pci-bridge-0", "addr", 2 << 3},
                 {"pci-bridge-0", "shpc", false},
                 {"nv0", "unarmed", true},
                 {"/objects/mem0", "readonly", true},
                 {"/objects/dimm1", "share", true},
                 {"vhost-user-fs-pci", "queue-size", 1024},
                 {"virtio-net-pci", "vectors", 4},
                 {"virtio-net-pci", "romfile", "efi-virtio.rom"}},
       .also = {"1.1 stderr", "1.1 roms", "1.1 scsi", "1.1 late-ids", "1.1 fds", "1.1 firmware",
                "1.1 nvdimm-image", "1.1 shared-ram"}},
      {.name = "Microvm",
       .row = "1.2 microvm",
       .edits = {},
       .base = KataCommand::Microvm(),
       .shows = {{"/machine", "type", "microvm-machine"},
                 {"/machine", "memory-backend", "/objects/dimm1"},
                 {"virtio-blk-device", "serial", "image-0"}}},
      {.name = "MicrovmWith9p",
       .row = "1.2 microvm",
       .edits = {Drop("-chardev socket,id=char-fs"), Drop("-device vhost-user-fs"),
                 Before("-netdev", "-device virtio-9p-device,fsdev=fs9p,mount_tag=kataShared"),
                 Before("-netdev",
                        "-fsdev local,id=fs9p,path=@dir@,security_model=none,multidevs=remap")},
       .base = KataCommand::Microvm(),
       .shows = {{"virtio-9p-device", "mount_tag", "kataShared"}}},
      {.name = "Virt",
       .row = "1.2 virt",
       .edits = {Substitute("-machine", "q35", "virt")},
       .refused = "unsupported machine type"},
      {.name = "AcceleratorsOfAnOldFork",
       .row = "1.2 machine_accelerators",
       .edits = {Substitute("-machine", "nvdimm=on", "nvdimm=on,nosmm,nosata,static-prt,nofw")},
       .refused = "nosmm"},
      {.name = "EmptyCpuFeatures",
       .row = "1.2 cpu_features-empty",
       .edits = {Replace("-cpu", "-cpu max,")}},
      {.name = "NestedDisableModern",
       .row = "1.1 nested",
       .edits = {Nested},
       .shows = {{"serial0", "disable-modern", true},
                 {"scsi0", "disable-modern", true},
                 {"virtio-net-pci", "disable-modern", true}}},
      {.name = "KernelIsABzImage",
       .row = "1.1 firmware",
       .edits = {Substitute("-kernel", "@vmlinux@", "@bzimage@")}},
      {.name = "KernelParametersComeLast",
       .row = "1.1 firmware",
       .edits = {Substitute("-append", " rootfstype=ext4",
                            " rootfstype=ext4 agent.log=debug x=y")}},
      {.name = "FirmwareByName",
       .row = "1.2 firmware",
       .edits = {Add("-bios @bios@")},
       .shows = {{"/machine", "firmware", "@bios@"}}},
      {.name = "FirmwareThatIsNotThere",
       .row = "1.2 firmware",
       .edits = {Add("-bios @dir@/none.fd")},
       .refused = "could not load PC BIOS"},
      {.name = "PflashBare",
       .row = "1.2 pflashes",
       .edits = {Add("-pflash @flash@")},
       .complaints = {"Image format was not specified", "Automatically detecting the format",
                      "Specify the 'raw' format explicitly"}},
      {.name = "SevSnp",
       .row = "1.2 sev-snp",
       .edits = {Add("-object sev-snp-guest,id=snp,cbitpos=51,reduced-phys-bits=1")},
       .refused = "sev-snp-guest"},
      {.name = "Tdx",
       .row = "1.2 tdx",
       .edits = {Add("-object tdx-guest,id=tdx")},
       .refused = "tdx-guest"},
  };
}

std::vector<Variant> Storage() {
  return {
      {.name = "ImageOnVirtioBlk",
       .row = "1.2 image-blk",
       .edits = {ImageOnBlk},
       .shows = {{"virtio-blk-pci", "config-wce", false},
                 {"virtio-blk-pci", "share-rw", true},
                 {"virtio-blk-pci", "serial", "image-0123456789abcdef"}}},
      {.name = "InitrdWithoutImage", .row = "1.2 initrd", .edits = {Initrd}},
      {.name = "InitrdThatIsNotThere",
       .row = "1.2 initrd",
       .edits = {Initrd, Substitute("-initrd", "@initrd@", "@dir@/none")},
       .refused = "none"},
      {.name = "NoScsiController",
       .row = "1.2 block-driver",
       .edits = {Drop("-device virtio-scsi"),
                 Substitute("-append", "quiet", "quiet scsi_mod.scan=none")}},
      {.name = "IothreadThatComesLast",
       .row = "1.2 enable_iothreads",
       .edits = {Substitute("-device virtio-scsi", "disable-modern=false",
                            "disable-modern=false,iothread=iothread-0123456789abcdef"),
                 Add("-object iothread,id=iothread-0123456789abcdef")},
       .shows = {{"/objects/iothread-0123456789abcdef", "type", "iothread"}}},
      {.name = "Virtio9p",
       .row = "1.2 virtio-9p",
       .edits = {Virtio9p},
       .shows = {{"virtio-9p-pci", "mount_tag", "kataShared"},
                 {"/objects/dimm1", "type", "memory-backend-ram"}}},
      {.name = "Virtio9pFolderThatIsNotThere",
       .row = "1.2 virtio-9p",
       .edits = {Virtio9p, Substitute("-fsdev", "path=@dir@", "path=@dir@/none")},
       .refused = "none"},
      {.name = "DaxCache",
       .row = "1.2 virtio_fs_cache_size",
       .edits = {Substitute("-device vhost-user-fs", "queue-size=1024",
                            "queue-size=1024,cache-size=1024M")},
       .refused = "Property 'vhost-user-fs-pci.cache-size' not found"},
      {.name = "ImageArmed",
       .row = "1.1 nvdimm-image",
       .edits = {Substitute("-device nvdimm", ",unarmed=on", "")},
       .refused = "'unarmed' property must be 'on' since memdev mem0 is read-only"},
  };
}

std::vector<Variant> Memory() {
  return {
      {.name = "Prealloc",
       .row = "1.2 enable_mem_prealloc",
       .edits = {SmallMemory, Substitute("-object memory-backend-file,id=dimm1", "share=on",
                                         "share=on,prealloc=on")},
       .shows = {{"/objects/dimm1", "prealloc", true}}},
      {.name = "PreallocOfPrivateRam",
       .row = "1.2 enable_mem_prealloc",
       .edits = {Virtio9p,
                 Replace("-object memory-backend-ram",
                         "-object memory-backend-ram,id=dimm1,size=256M,prealloc=on"),
                 Substitute("-m ", "2048M", "256M")},
       .shows = {{"/objects/dimm1", "prealloc", true}}},
      {.name = "RamInAnotherFolder",
       .row = "1.2 file_mem_backend",
       .edits = {Substitute("-object memory-backend-file,id=dimm1", "/dev/shm", "@dir@")},
       .shows = {{"/objects/dimm1", "mem-path", "@dir@"}}},
      {.name = "RamAndMachineDisagree",
       .row = "1.1 shared-ram",
       .edits = {Substitute("-object memory-backend-file,id=dimm1", "2048M", "1024M")},
       .refused = "total memory for NUMA nodes"},
      {.name = "TemplateCreate",
       .row = "1.2 template-create",
       .edits = {Initrd, NoVirtiofs, Drop("-netdev"), Drop("-device driver=virtio-net"),
                 Substitute("-object memory-backend-file,id=dimm1", "/dev/shm", "@dir@/memory")},
       .shows = {{"/objects/dimm1", "mem-path", "@dir@/memory"}}},
  };
}

std::vector<Variant> Buses() {
  std::vector<Variant> variants = {
      {.name = "Iommu",
       .row = "1.2 enable_iommu",
       .edits = {Substitute("-machine", "nvdimm=on", "nvdimm=on,kernel_irqchip=split"),
                 Before("-device virtio-scsi",
                        "-device intel-iommu,intremap=on,device-iotlb=on,caching-mode=on"),
                 Substitute("-append", "quiet", "quiet intel_iommu=on iommu=pt")},
       .shows = {{"intel-iommu", "intremap", "on"},
                 {"intel-iommu", "device-iotlb", true},
                 {"intel-iommu", "caching-mode", true}}},
      {.name = "IommuOnMicrovm",
       .row = "1.2 enable_iommu",
       .edits = {Before("-device virtio-scsi", "-device intel-iommu,intremap=on")},
       .base = KataCommand::Microvm(),
       .refused = "intel-iommu"},
      {.name = "VsockDescriptorThatIsNone",
       .row = "1.1 vsock-refused",
       .edits = {Before("-rtc",
                        "-device vhost-vsock-pci,disable-modern=false,vhostfd=99,id=vsock-3,"
                        "guest-cid=3")},
       .refused = "vhost-vsock: unable to set non-blocking mode"},
      {.name = "DeviceOnAPortThatIsNotThere",
       .row = "1.2 vfio-no-port",
       .edits = {Add("-device vfio-pci,host=0000:ff:1f.7,bus=rp0")},
       .refused = "Bus 'rp0' not found"},
  };
  for (int count : {1, 2, 3, 4, 5}) {
    Variant variant{.name = "Bridges" + std::to_string(count),
                    .row = "1.2 default_bridges",
                    .edits = {Bridges(count)}};
    for (int i = 0; i < count; ++i)
      variant.shows.push_back({"pci-bridge-" + std::to_string(i), "addr", (i + 2) << 3});
    variants.push_back(variant);
  }
  for (int count : {1, 2, 8}) {
    Variant variant{.name = "RootPorts" + std::to_string(count),
                    .row = "1.2 pcie_root_port",
                    .edits = {RootPorts(count)}};
    for (int i = 0; i < count; ++i)
      for (const Shows& shows : {Shows{"", "pref64-reserve", 2097152},
                                 Shows{"", "mem-reserve", 4194304}, Shows{"", "slot", i}})
        variant.shows.push_back({"rp" + std::to_string(i), shows.property, shows.value});
    variants.push_back(variant);
  }
  return variants;
}

std::vector<Variant> Network() {
  std::vector<Variant> variants = {
      {.name = "TapByName",
       .row = "1.2 tap-ifname",
       .edits = {Replace("-netdev",
                         "-netdev tap,id=network-0,ifname=tap1_kata,downscript=no,"
                         "script=no"),
                 Substitute("-device driver=virtio-net", ",mq=on,vectors=4", "")}},
      {.name = "VhostUserNic",
       .row = "1.2 vhost-user-net",
       .edits = {Replace("-netdev", "-chardev socket,id=char-net,path=@dir@/vhu.sock"),
                 Replace("-device driver=virtio-net",
                         "-netdev type=vhost-user,id=net-1,chardev=char-net,vhostforce"),
                 Before("-rtc", "-device virtio-net-pci,netdev=net-1,mac=02:00:ca:fe:00:02")},
       .complaints = {"warning: short-form boolean option 'vhostforce' deprecated",
                      "Please use vhostforce=on instead"}},
  };
  for (int count : {1, 2, 4})
    variants.push_back(
        {.name = "Queues" + std::to_string(count),
         .row = "1.2 multi-queue",
         .edits = {Queues(count)},
         .shows = {{"virtio-net-pci", "vectors", 2 * count + 2}, {"virtio-net-pci", "mq", true}},
         .queues = count});
  return variants;
}

std::vector<Variant> Operation() {
  return {
      {.name = "LegacySerial",
       .row = "1.2 use_legacy_serial",
       .edits = {Drop("-device virtio-serial"),
                 Replace("-device virtconsole", "-serial chardev:charconsole0"),
                 Substitute("-append", "quiet", "quiet console=ttyS0")},
       .shows = {{"isa-serial", "chardev", "charconsole0"}}},
      {.name = "EntropySource",
       .row = "1.2 entropy_source",
       .edits = {Substitute("-object rng-random", "/dev/urandom", "/dev/random")},
       .shows = {{"/objects/rng0", "filename", "/dev/random"}}},
      {.name = "EntropySourceThatIsNotThere",
       .row = "1.2 entropy_source",
       .edits = {Substitute("-object rng-random", "/dev/urandom", "@dir@/none")},
       .refused = "Could not open '@dir@/none'"},
      {.name = "MemoryDump",
       .row = "1.2 guest_memory_dump_path",
       .edits = {Add("-device pvpanic"), Add("-no-shutdown")},
       .shows = {{"pvpanic", "ioport", 0x505}}},
      {.name = "Sandbox",
       .row = "1.2 seccompsandbox",
       .edits = {Add("-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny")}},
      {.name = "SandboxWithAWordItDoesNotKnow",
       .row = "1.2 seccompsandbox",
       .edits = {Add("-sandbox on,spawn=perhaps")},
       .refused = "spawn"},
  };
}

}  // namespace

std::vector<Variant> Variants() {
  std::vector<Variant> all;
  for (const auto& group : {Machines(), Storage(), Memory(), Buses(), Network(), Operation()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace stx
