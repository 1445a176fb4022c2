// SPDX-License-Identifier: GPL-2.0-or-later
// podrun acts as Kata's shim on a QEMU and reports the result of each step.
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>

#include "base/arguments.h"
#include "kata/pod_checks.h"
#include "podrun/steps.h"
#include "podrun_help.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// The number that the option has, or `otherwise` if it was not given.
unsigned ReadNumber(const Arguments& arguments, const std::string& option, unsigned least,
                    unsigned most, unsigned otherwise) {
  if (!arguments.Has(option)) return otherwise;
  const std::string text = arguments.Value(option);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    throw BadInput(option + " is a number from " + std::to_string(least) + " to " +
                   std::to_string(most) + ", not " + text);
  return number;
}

PodSettings ReadSettings(const Arguments& arguments) {
  const fs::path build = arguments.Value("--build");
  const auto choose = [&](const char* option, const fs::path& built, const fs::path& otherwise) {
    if (arguments.Has(option)) return fs::path(arguments.Value(option));
    return build.empty() ? otherwise : build / built;
  };
  PodSettings pod;
  pod.qemu = choose("--qemu", "kata/qemu-system-x86_64", "/usr/bin/qemu-system-x86_64");
  pod.virtiofsd =
      choose("--virtiofsd", "tools/tools/virtiofsd/virtiofsd", "/usr/lib/qemu/virtiofsd");
  pod.guest = choose("--guest", "guest", "");
  if (pod.guest.empty()) throw BadInput("--guest or --build is missing");
  if (arguments.Has("--guest") && !fs::is_directory(pod.guest))
    throw BadInput("--guest " + pod.guest.string() + ": is not a folder");
  pod.machine =
      arguments.Value("--machine") == "microvm" ? MachineType::kMicrovm : MachineType::kQ35;
  pod.memory_mib = ReadNumber(arguments, "--memory", 128, 1 << 20, 512);
  pod.vcpus = ReadNumber(arguments, "--vcpus", 1, 240, 1);
  pod.max_vcpus = ReadNumber(arguments, "--max-vcpus", 0, 240, 0);
  pod.mtu = static_cast<int>(ReadNumber(arguments, "--mtu", 1280, 65521, 1500));
  pod.root_ports = ReadNumber(arguments, "--root-ports", 0, 16, 0);
  pod.hugepages = arguments.Has("--hugepages");
  pod.vmlinux = arguments.Has("--vmlinux");
  pod.sandbox = arguments.Has("--sandbox");
  pod.vfio = arguments.Values("--vfio");
  pod.append = arguments.Value("--append");
  if (arguments.Has("--shell")) {
    if (!arguments.Has("--boot")) throw BadInput("--shell needs --boot");
    pod.append += " guestd.shell";
  }
  return pod;
}

PodrunOptions ReadOptions(const Arguments& arguments) {
  PodrunOptions options;
  options.block = arguments.Value("--block");
  if (!options.block.empty() && !fs::exists(options.block))
    throw BadInput("--block " + options.block.string() + ": no such device");
  if (arguments.Has("--aio")) options.aio = arguments.Value("--aio");
  options.vfio = arguments.Values("--vfio-hotplug");
  options.virtio_mem_mib = ReadNumber(arguments, "--virtio-mem", 256, 1 << 20, 0);
  options.shell = arguments.Has("--shell");
  return options;
}

std::string ReadHostRelease() {
  utsname name{};
  uname(&name);
  return name.release;
}

std::string ReadVersion(const fs::path& qemu) {
  try {
    return ReadQemuVersion(qemu);
  } catch (const std::invalid_argument& error) {
    throw BadInput(error.what());
  }
}

int RunSteps(const Arguments& arguments) {
  const PodSettings settings = ReadSettings(arguments);
  const PodrunOptions options = ReadOptions(arguments);
  const unsigned clones = ReadNumber(arguments, "--template", 1, 1000, 0);
  const unsigned count = ReadNumber(arguments, "--count", 1, 100000, 0);
  const unsigned at_once = ReadNumber(arguments, "--at-once", 1, 1000, 0);

  const std::string version = ReadVersion(settings.qemu);
  Steps steps;
  steps.PrintFact("host kernel", ReadHostRelease());
  steps.PrintFact("qemu", version);
  const Accel accel = DetectAccel();
  steps.PrintFact("acceleration", std::string(accel.name()) + " (" + accel.reason + ")");
  if (arguments.Has("--boot"))
    BootPod(settings, options, &steps);
  else if (clones)
    RunTemplate(settings, clones, &steps);
  else if (count || at_once)
    RunMany(settings, std::max(count, at_once), std::max(at_once, 1u), &steps);
  else
    RunPod(settings, options, &steps);
  steps.PrintFact("result", steps.Total());
  return steps.all_ok() ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("podrun", kHelp, "", argc, argv, stx::RunSteps);
}
