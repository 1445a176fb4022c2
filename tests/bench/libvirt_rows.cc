// SPDX-License-Identifier: GPL-2.0-or-later
// libvirt starts each binary once before its first guest, without a machine, and asks what it can
// do: qemuProcessQMP and virQEMUCapsInitQMPMonitor of libvirt 9.0, Debian 12's.
#include "bench/monitor.h"
#include "bench/rows.h"

namespace stx {
namespace {

constexpr double kMiB = 1 << 20;
constexpr int kRounds = 15;
constexpr Milliseconds kProbe{60000};

/// Of those types whose properties libvirt reads: some that every binary has, and some that only
/// the host's have.
constexpr const char* kDevices[] = {"virtio-blk-pci",
                                    "virtio-net-pci",
                                    "virtio-scsi-pci",
                                    "virtio-balloon-pci",
                                    "virtio-gpu-pci",
                                    "virtio-iommu-pci",
                                    "virtio-mem-pci",
                                    "vhost-user-fs-pci",
                                    "vhost-vsock-pci",
                                    "scsi-hd",
                                    "scsi-block",
                                    "ide-hd",
                                    "usb-host",
                                    "usb-storage",
                                    "pcie-root-port",
                                    "pci-bridge",
                                    "VGA",
                                    "qxl",
                                    "isa-serial",
                                    "isa-fdc",
                                    "nvdimm",
                                    "vfio-pci",
                                    "intel-iommu",
                                    "ICH9-LPC",
                                    "PIIX4_PM",
                                    "i440FX-pcihost",
                                    "q35-pcihost",
                                    "usb-redir",
                                    "nec-usb-xhci",
                                    "piix3-usb-uhci",
                                    "ich9-usb-uhci1",
                                    "virtio-rng-pci",
                                    "virtio-keyboard-pci",
                                    "virtio-tablet-pci",
                                    "tpm-crb",
                                    "vmcoreinfo",
                                    "fw_cfg"};
constexpr const char* kObjects[] = {"memory-backend-file", "memory-backend-memfd",
                                    "max-x86_64-cpu"};

void Probe(Monitor& monitor) {
  monitor.WaitFor("{\"QMP\"");
  for (const char* command : {"qmp_capabilities", "query-version", "query-target",
                              "query-qmp-schema", "query-kvm", "qom-list-types"})
    monitor.Ask(command);
  for (const char* type : kDevices) monitor.Ask("device-list-properties", {{"typename", type}});
  for (const char* type : kObjects) monitor.Ask("qom-list-properties", {{"typename", type}});
  for (const char* command :
       {"query-machines", "query-cpu-definitions", "query-tpm-models", "query-tpm-types",
        "query-command-line-options", "query-migrate-capabilities", "query-sev-capabilities"})
    monitor.Ask(command);
  for (const char* model : {"max", "qemu64"})
    monitor.Ask("query-cpu-model-expansion", {{"type", "full"}, {"model", {{"name", model}}}});
}

}  // namespace

void MeasureLibvirt(const Plan& plan, Results* results) {
  Interleave(plan.binaries, plan.rounds ? plan.rounds : kRounds, [&](const Binary& binary) {
    const Clock::time_point start = Clock::now();
    QemuOptions options;
    options.binary = binary.path;
    options.spawn.environment = binary.environment;
    options.args = {"-S",         "-no-user-config", "-nodefaults",
                    "-nographic", "-machine",        "none,accel=kvm:tcg"};
    Qemu qemu(std::move(options));
    Monitor monitor(qemu.qmp_socket(), kProbe);
    Probe(monitor);
    const auto add = [&](const char* what, const char* unit, double value) {
      results->Add(std::string("libvirt's questions: ") + what, unit, binary.name, value);
    };
    add("fork to the last answer", "ms",
        std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    add("CPU time", "ms", ReadCpuMs(qemu.process().pid()));
    add("PSS", "MiB", ReadFootprint(qemu.process().pid()).pss / kMiB);
  });
}

}  // namespace stx
