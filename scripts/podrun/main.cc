// SPDX-License-Identifier: GPL-2.0-or-later
// podrun: plays Kata's shim against a QEMU and says what came of each step.
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "kata/pod_checks.h"
#include "podrun/steps.h"

namespace stx {
namespace {

constexpr const char* kManual = R"(Plays Kata's shim against a QEMU and says what came of each step.

Without options it starts one pod as Kata Containers 3.1.3 does (its command line, its inherited
descriptors), waits for the guest, and does over QMP what the shim does: hot-plugs a vCPU, memory,
disks and a NIC, which the guest then must have and use, pauses and resumes it, takes back what Kata
takes back, and ends it as Kata does, which must leave nothing behind. A step is a line:

  NAME: ok (WHAT WAS SEEN), TIME | FAILED: WHY | not here: WHAT THIS HOST LACKS

Exit codes: 0 no step failed, 1 a step failed, 2 bad input. /dev/kvm, /dev/vhost-vsock,
/dev/vhost-net, /dev/net/tun and /dev/loop-control are used where they work; all but the first need
root.)";

struct Options {
  PodSettings settings;
  PodrunOptions run;
  bool boot = false;
  unsigned clones = 0, count = 0, at_once = 0;
  std::filesystem::path build;
};

void AddOptions(CLI::App& app, Options* options, std::string* machine) {
  PodSettings& pod = options->settings;
  pod.qemu = "/usr/bin/qemu-system-x86_64";
  pod.virtiofsd = "/usr/lib/qemu/virtiofsd";
  app.add_option("--qemu", pod.qemu, "The binary")->capture_default_str();
  app.add_option(
         "--guest", pod.guest,
         "Folder with the guest's vmlinuz, vmlinux, initrd and root.img (scripts/step/guest "
         "makes build/guest)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--virtiofsd", pod.virtiofsd, "The C daemon of QEMU 7.2")->capture_default_str();
  app.add_option("--machine", *machine, "q35, or microvm, which has no hot-plug")
      ->check(CLI::IsMember({"q35", "microvm"}))
      ->capture_default_str();
  app.add_option("--memory", pod.memory_mib, "default_memory, MiB")
      ->check(CLI::Range(128, 1 << 20))
      ->capture_default_str();
  app.add_option("--vcpus", pod.vcpus, "default_vcpus; the NIC has as many queues")
      ->check(CLI::Range(1, 240))
      ->capture_default_str();
  app.add_option("--max-vcpus", pod.max_vcpus, "default_maxvcpus; 0: the host's CPUs")
      ->check(CLI::Range(0, 240))
      ->capture_default_str();
  app.add_flag("--hugepages", pod.hugepages,
               "enable_hugepages: RAM from the hugetlbfs at /dev/hugepages");
  app.add_flag("--vmlinux", pod.vmlinux, "The ELF kernel through PVH, Kata's way");
  app.add_flag("--sandbox", pod.sandbox, "seccompsandbox with Kata's denials");
  app.add_option("--append", pod.append, "kernel_params");
  app.add_option("--mtu", pod.mtu, "Of the tap and of the guest's NIC")
      ->check(CLI::Range(1280, 65521))
      ->capture_default_str();
  app.add_option("--root-ports", pod.root_ports, "pcie_root_port")
      ->check(CLI::Range(0, 16))
      ->capture_default_str();
  app.add_option("--vfio", pod.vfio,
                 "A PCI function of the host bound to vfio-pci, \"0000:02:10.0\", given to the pod "
                 "at its start (may be repeated); on a root port as far as --root-ports has some");
  app.add_option("--vfio-hotplug", options->run.vfio,
                 "Such a function, hot-plugged, used and removed twice: on the bridge, and with "
                 "--root-ports on the last of them (may be repeated)");
  app.add_option("--block", options->run.block,
                 "A block device of the host to hot-plug, whose content is OVERWRITTEN; without, a "
                 "loop device over a file of 16 MiB")
      ->check(CLI::ExistingFile);
  app.add_option("--aio", options->run.aio, "block_device_aio")
      ->check(CLI::IsMember({"io_uring", "native", "threads"}))
      ->capture_default_str();
  app.add_option("--virtio-mem", options->run.virtio_mem_mib,
                 "enable_virtio_mem with a device that may grow to that many MiB in all")
      ->check(CLI::Range(256, 1 << 20));
  auto* boot = app.add_flag("--boot", options->boot,
                            "Instead: boots the guest, checks it, and has it power itself off");
  app.add_flag("--shell", options->run.shell,
               "With --boot: then a shell in the guest (exit or Ctrl-] ends it)")
      ->needs(boot);
  auto* clones = app.add_option("--template", options->clones,
                                "Instead: a VM template and that many clones of it, all at once")
                     ->check(CLI::Range(1, 1000));
  auto* count = app.add_option("--count", options->count,
                               "Instead: that many pods one after another, started and stopped")
                    ->check(CLI::Range(1, 100000));
  app.add_option("--at-once", options->at_once,
                 "With --count: so many of them at a time; alone: so many once")
      ->check(CLI::Range(1, 1000));
  clones->excludes(count);
  boot->excludes(clones)->excludes(count);
  // scripts/run's: the folder in which it built everything.
  app.add_option("--build", options->build)->group("");
}

std::string ReadHostRelease() {
  utsname name{};
  uname(&name);
  return name.release;
}

/// Throws std::invalid_argument for what no check of the option itself finds.
void Complete(const CLI::App& app, const std::string& machine, Options* options) {
  PodSettings& pod = options->settings;
  pod.machine = machine == "q35" ? MachineType::kQ35 : MachineType::kMicrovm;
  if (options->run.shell) pod.append += " guestd.shell";
  if (!options->build.empty()) {
    if (app.count("--qemu") == 0) pod.qemu = options->build / "kata/qemu-system-x86_64";
    pod.guest = options->build / "guest";
    if (app.count("--virtiofsd") == 0)
      pod.virtiofsd = options->build / "tools/tools/virtiofsd/virtiofsd";
  }
  if (pod.guest.empty()) throw std::invalid_argument("--guest is missing");
}

int Main(int argc, char** argv) {
  CLI::App app{kManual};
  Options options;
  options.settings.memory_mib = 512;
  std::string machine = "q35";
  AddOptions(app, &options, &machine);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  Complete(app, machine, &options);

  const std::string version = ReadQemuVersion(options.settings.qemu);
  Steps steps;
  steps.Fact("host kernel", ReadHostRelease());
  steps.Fact("qemu", version);
  const Accel accel = DetectAccel();
  steps.Fact("acceleration", std::string(accel.name()) + " (" + accel.reason + ")");
  if (options.boot)
    BootPod(options.settings, options.run, &steps);
  else if (options.clones)
    RunTemplate(options.settings, options.clones, &steps);
  else if (options.count || options.at_once)
    RunMany(options.settings, std::max(options.count, options.at_once),
            std::max(options.at_once, 1u), &steps);
  else
    RunPod(options.settings, options.run, &steps);
  steps.Fact("result", steps.Total());
  return steps.all_ok() ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::invalid_argument& error) {
  std::fprintf(stderr, "podrun: %s\n", error.what());
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "podrun: %s\n", error.what());
  return 1;
}
