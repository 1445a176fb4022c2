// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/on_node.h"

#include <cstdio>

#include "base/process.h"

namespace stx {

void ReportFact(const std::string& text) {
  std::printf("fact: %s\n", text.c_str());
  std::fflush(stdout);
}

PodSettings NodePod() {
  PodSettings pod;
  pod.vmlinux = true;
  pod.console_log = "/var/log/pod-console";
  pod.memory_mib = 256;  // the least that Kata accepts, because a node is small
  // With room for hot-plug above 4 GiB, Linux clears 64 MiB of bounce buffers during the boot. That
  // is a third of all exits, and exits are slow on an emulated node. The other parameters make a
  // guest that does not come up report why (Pod::AskWhereItIs).
  pod.append = "swiotlb=noforce unknown_nmi_panic panic_print=1";
  pod.qemu = QemuBinary();
  pod.guest = EnvOr("GUEST", "");
  pod.virtiofsd = EnvOr("VIRTIOFSD", "");
  return pod;
}

std::string Shell(const std::string& script, Milliseconds timeout) {
  return RunWell({"/bin/sh", "-ec", script}, script, timeout).out;
}

std::string Trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

const std::string& VirtualFunction() {
  static const std::string address = Shell(R"sh(
modprobe -a nvme vfio-pci
for i in $(seq 50); do [ -e /dev/nvme0 ] && break; sleep 0.1; done
pf=$(readlink -f /sys/class/nvme/nvme0/device)
if [ "$(cat $pf/sriov_numvfs)" = 0 ]; then
  echo 0 >$pf/sriov_drivers_autoprobe
  echo 1 >$pf/sriov_numvfs
  # What QEMU's docs/system/devices/nvme.rst says of SR-IOV: resources are given to the function, which then goes online.
  vf=$(readlink -f $pf/virtfn0)
  nvme virt-mgmt /dev/nvme0 -c 1 -r 0 -a 8 -n 2 >/dev/null
  nvme virt-mgmt /dev/nvme0 -c 1 -r 1 -a 8 -n 1 >/dev/null
  echo 1 >$vf/reset
  nvme virt-mgmt /dev/nvme0 -c 1 -r 0 -a 9 -n 0 >/dev/null
  echo vfio-pci >$vf/driver_override
  echo $(basename $vf) >/sys/bus/pci/drivers_probe
fi
basename $(readlink -f $pf/virtfn0) | tr -d '\n'
)sh");
  return address;
}

std::string Text(Milliseconds time) {
  char text[32];
  if (time.count() < 1000)
    std::snprintf(text, sizeof(text), "%ld ms", static_cast<long>(time.count()));
  else
    std::snprintf(text, sizeof(text), "%.1f s", static_cast<double>(time.count()) / 1000);
  return text;
}

}  // namespace stx
