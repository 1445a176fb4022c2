// SPDX-License-Identifier: GPL-2.0-or-later
#include "command_line/variants.h"

#include "kata/pod_command.h"
#include "kata/pod_variants.h"

namespace stx {
namespace {

constexpr char kRam[] = "-object memory-backend-file,id=dimm1";

CommandEdit UseTestInitrd() { return UseInitrd("@initrd@"); }

void NestPod(CommandLine& command) {
  for (const char* device :
       {"-device virtio-serial", "-device virtio-scsi", "-device driver=virtio-net"})
    command.Substitute(device, "disable-modern=false", "disable-modern=true");
}

/// 256 MiB is the least that Kata gives a pod.
void UseSmallMemory(CommandLine& command) {
  command.Substitute("-m ", "2048M", "256M");
  command.Substitute(kRam, "2048M", "256M");
}

std::vector<KataVariant> ListMachines() {
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
       .edits = {UseMicrovm},
       .shows = {{"/machine", "type", "microvm-machine"},
                 {"/machine", "memory-backend", "/objects/dimm1"},
                 {"virtio-blk-device", "serial", "image-0123456789abcdef"}}},
      {.name = "MicrovmWith9p",
       .row = "1.2 microvm",
       .edits = {UseVirtio9p("@dir@"), UseMicrovm},
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
       .edits = {Substitute("-cpu", "pmu=off", "")}},
      {.name = "NestedDisableModern",
       .row = "1.1 nested",
       .edits = {NestPod},
       .shows = {{"serial0", "disable-modern", true},
                 {"scsi0", "disable-modern", true},
                 {"virtio-net-pci", "disable-modern", true}}},
      {.name = "KernelIsABzImage",
       .row = "1.1 firmware",
       .edits = {Replace("-kernel", "-kernel @bzimage@")}},
      {.name = "KernelParametersComeLast",
       .row = "1.1 firmware",
       .edits = {Substitute("-append", "scsi_mod.scan=none",
                            "scsi_mod.scan=none agent.log=debug x=y")}},
      {.name = "FirmwareByName",
       .row = "1.2 firmware",
       .edits = {InsertBefore("-pidfile", "-bios @bios@")},
       .shows = {{"/machine", "firmware", "@bios@"}}},
      {.name = "FirmwareThatIsNotThere",
       .row = "1.2 firmware",
       .edits = {InsertBefore("-pidfile", "-bios @dir@/none.fd")},
       .refused = "could not load PC BIOS"},
      {.name = "PflashBare",
       .row = "1.2 pflashes",
       .edits = {InsertBefore("-vga", "-pflash @flash@")},
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

std::vector<KataVariant> ListStorage() {
  return {
      {.name = "ImageOnVirtioBlk",
       .row = "1.2 image-blk",
       .edits = {UseBlockImage},
       .shows = {{"virtio-blk-pci", "config-wce", false},
                 {"virtio-blk-pci", "share-rw", true},
                 {"virtio-blk-pci", "serial", "image-0123456789abcdef"}}},
      {.name = "InitrdWithoutImage", .row = "1.2 initrd", .edits = {UseTestInitrd()}},
      {.name = "InitrdThatIsNotThere",
       .row = "1.2 initrd",
       .edits = {UseTestInitrd(), Substitute("-initrd", "@initrd@", "@dir@/none")},
       .refused = "none"},
      {.name = "NoScsiController",
       .row = "1.2 block-driver",
       .edits = {Drop("-device virtio-scsi"), Substitute("-append", " scsi_mod.scan=none", "")}},
      {.name = "IothreadThatComesLast",
       .row = "1.2 enable_iothreads",
       .edits = {Substitute("-device virtio-scsi", "disable-modern=false",
                            "disable-modern=false,iothread=iothread-0123456789abcdef"),
                 InsertBefore("-pidfile", "-object iothread,id=iothread-0123456789abcdef")},
       .shows = {{"/objects/iothread-0123456789abcdef", "type", "iothread"}}},
      {.name = "Virtio9p",
       .row = "1.2 virtio-9p",
       .edits = {UseVirtio9p("@dir@")},
       .shows = {{"virtio-9p-pci", "mount_tag", "kataShared"},
                 {"/objects/dimm1", "type", "memory-backend-ram"}}},
      {.name = "Virtio9pFolderThatIsNotThere",
       .row = "1.2 virtio-9p",
       .edits = {UseVirtio9p("@dir@"), Substitute("-fsdev", "path=@dir@", "path=@dir@/none")},
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

std::vector<KataVariant> ListMemory() {
  return {
      {.name = "Prealloc",
       .row = "1.2 enable_mem_prealloc",
       .edits = {UseSmallMemory, Substitute(kRam, "share=on", "share=on,prealloc=on")},
       .shows = {{"/objects/dimm1", "prealloc", true}}},
      {.name = "PreallocOfPrivateRam",
       .row = "1.2 enable_mem_prealloc",
       .edits = {UseVirtio9p("@dir@"),
                 Substitute("-object memory-backend-ram", "2048M", "2048M,prealloc=on"),
                 Substitute("-object memory-backend-ram", "2048M", "256M"),
                 Substitute("-m ", "2048M", "256M")},
       .shows = {{"/objects/dimm1", "prealloc", true}}},
      {.name = "RamInAnotherFolder",
       .row = "1.2 file_mem_backend",
       .edits = {Substitute(kRam, "/dev/shm", "@dir@")},
       .shows = {{"/objects/dimm1", "mem-path", "@dir@"}}},
      {.name = "RamAndMachineDisagree",
       .row = "1.1 shared-ram",
       .edits = {Substitute(kRam, "2048M", "1024M")},
       .refused = "total memory for NUMA nodes"},
      {.name = "TemplateCreate",
       .row = "1.2 template-create",
       .edits = {UseTestInitrd(), DropVirtioFs, Drop("-netdev"), Drop("-device driver=virtio-net"),
                 UseTemplateMemory("@dir@/memory")},
       .shows = {{"/objects/dimm1", "mem-path", "@dir@/memory"}}},
  };
}

std::vector<KataVariant> ListBuses() {
  std::vector<KataVariant> variants = {
      {.name = "Iommu",
       .row = "1.2 enable_iommu",
       .edits = {Substitute("-machine", "nvdimm=on", "nvdimm=on,kernel_irqchip=split"),
                 InsertBefore("-device virtio-scsi",
                              "-device intel-iommu,intremap=on,device-iotlb=on,caching-mode=on"),
                 Substitute("-append", "pci=lastbus=0", "pci=lastbus=0 intel_iommu=on iommu=pt")},
       .shows = {{"intel-iommu", "intremap", "on"},
                 {"intel-iommu", "device-iotlb", true},
                 {"intel-iommu", "caching-mode", true}}},
      {.name = "IommuOnMicrovm",
       .row = "1.2 enable_iommu",
       .edits = {UseMicrovm,
                 InsertBefore("-device virtio-scsi", "-device intel-iommu,intremap=on")},
       .refused = "intel-iommu"},
      {.name = "VsockDescriptorThatIsNone",
       .row = "1.1 vsock-refused",
       .edits = {InsertAfter("-device virtio-rng",
                             "-device vhost-vsock-pci,disable-modern=false,vhostfd=99,id=vsock-3,"
                             "guest-cid=3")},
       .refused = "vhost-vsock: unable to set non-blocking mode"},
      {.name = "DeviceOnAPortThatIsNotThere",
       .row = "1.2 vfio-no-port",
       .edits = {AddColdVfio("0000:ff:1f.7", 0)},
       .refused = "Bus 'rp0' not found"},
  };
  for (int count : {1, 2, 3, 4, 5}) {
    KataVariant variant{.name = "Bridges" + std::to_string(count),
                        .row = "1.2 default_bridges",
                        .edits = {SetBridges(count)}};
    for (int i = 0; i < count; ++i)
      variant.shows.push_back({"pci-bridge-" + std::to_string(i), "addr", (i + 2) << 3});
    variants.push_back(variant);
  }
  for (int count : {1, 2, 8}) {
    KataVariant variant{.name = "RootPorts" + std::to_string(count),
                        .row = "1.2 pcie_root_port",
                        .edits = {AddRootPorts(static_cast<unsigned>(count))}};
    for (int i = 0; i < count; ++i)
      for (const Shows& shows : {Shows{"", "pref64-reserve", 2097152},
                                 Shows{"", "mem-reserve", 4194304}, Shows{"", "slot", i}})
        variant.shows.push_back({"rp" + std::to_string(i), shows.property, shows.value});
    variants.push_back(variant);
  }
  return variants;
}

std::vector<KataVariant> ListNetwork() {
  std::vector<KataVariant> variants = {
      {.name = "TapByName",
       .row = "1.2 tap-ifname",
       .edits = {Replace("-netdev",
                         "-netdev tap,id=network-0,ifname=tap1_kata,downscript=no,"
                         "script=no"),
                 Substitute("-device driver=virtio-net", ",mq=on,vectors=4", "")}},
      {.name = "VhostUserNic",
       .row = "1.2 vhost-user-net",
       .edits = {Drop("-netdev"), Drop("-device driver=virtio-net"),
                 AddVhostUserNic("@dir@/vhu.sock")},
       .complaints = {"warning: short-form boolean option 'vhostforce' deprecated",
                      "Please use vhostforce=on instead"}},
  };
  for (int count : {1, 2, 4})
    variants.push_back(
        {.name = "Queues" + std::to_string(count),
         .row = "1.2 multi-queue",
         .edits = {},
         .shows = {{"virtio-net-pci", "vectors", 2 * count + 2}, {"virtio-net-pci", "mq", true}},
         .queues = count});
  return variants;
}

std::vector<KataVariant> ListOperation() {
  return {
      {.name = "LegacySerial",
       .row = "1.2 use_legacy_serial",
       .edits = {Drop("-device virtio-serial"),
                 Replace("-device virtconsole", "-serial chardev:charconsole0"),
                 Substitute("-append", "console=hvc0 console=hvc1", "console=ttyS0")},
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
       .edits = {InsertBefore("-device virtio-scsi", "-device pvpanic"), Add("-no-shutdown")},
       .shows = {{"pvpanic", "ioport", 0x505}}},
      {.name = "Sandbox", .row = "1.2 seccompsandbox", .edits = {UseSandbox}},
      {.name = "SandboxWithAWordItDoesNotKnow",
       .row = "1.2 seccompsandbox",
       .edits = {InsertBefore("-smp", "-sandbox on,spawn=perhaps")},
       .refused = "spawn"},
  };
}

}  // namespace

std::vector<KataVariant> ListVariants() {
  std::vector<KataVariant> all;
  for (const auto& group :
       {ListMachines(), ListStorage(), ListMemory(), ListBuses(), ListNetwork(), ListOperation()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace stx
