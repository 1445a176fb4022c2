// SPDX-License-Identifier: GPL-2.0-or-later
// run: boots a pod-shaped guest and says what worked. scripts/run builds what it needs and calls
// it.
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "guest/pod.h"
#include "guest/pod_checks.h"
#include "guest/terminal.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

std::string HostRelease() {
  utsname name{};
  uname(&name);
  return name.release;
}

/// One line of the summary: "NAME: ok (DETAIL)" or "NAME: FAILED: WHY".
class Summary {
 public:
  void Fact(const std::string& name, const std::string& value) {
    std::printf("%s: %s\n", name.c_str(), value.c_str());
  }
  void Check(const std::string& name, const std::string& failure, const std::string& detail = "") {
    all_ok_ &= failure.empty();
    Fact(name, failure.empty() ? "ok" + (detail.empty() ? "" : " (" + detail + ")")
                               : "FAILED: " + failure);
  }
  bool all_ok() const { return all_ok_; }

 private:
  bool all_ok_ = true;
};

int Main(int argc, char** argv) {
  CLI::App app{"Boots a pod-shaped guest on QEMU and says what worked."};
  PodSettings settings;
  bool shell = false;
  std::string machine = "q35";
  app.add_option("--qemu", settings.qemu, "Another binary than build/kata/qemu-system-x86_64");
  app.add_option("--machine", machine, "q35 or microvm")
      ->check(CLI::IsMember({"q35", "microvm"}))
      ->capture_default_str();
  app.add_flag("--vmlinux", settings.vmlinux, "Boot the ELF kernel through PVH, Kata's way");
  app.add_flag("--sandbox", settings.sandbox, "QEMU's seccomp filter with Kata's denials");
  app.add_flag("--shell", shell, "Then a shell in the guest (end it with exit or Ctrl-])");
  fs::path build;
  app.add_option("--build", build, "Where scripts/run built everything")->required()->group("");
  CLI11_PARSE(app, argc, argv);

  if (settings.qemu.empty()) settings.qemu = build / "kata/qemu-system-x86_64";
  settings.guest = build / "guest";
  settings.virtiofsd = build / "tools/tools/virtiofsd/virtiofsd";
  settings.machine = machine == "q35" ? PodMachine::kQ35 : PodMachine::kMicrovm;
  if (shell) settings.append = "guestd.shell";
  const bool nvdimm = settings.machine == PodMachine::kQ35;

  std::string version = QemuVersion(settings.qemu);
  std::string id = GuestId(settings.guest);
  Pod pod(settings);
  json info = pod.agent().Info();

  Summary summary;
  summary.Fact("host kernel", HostRelease());
  summary.Fact("guest kernel", info["release"]);
  summary.Fact("qemu", version);
  summary.Fact("acceleration", std::string(pod.accel().name()) + " (" + pod.accel().reason + ")");
  summary.Check("virtio-fs", ShareFailure(pod));
  summary.Check("vsock", "", pod.VsockKind());  // guestd called back and answers
  bool dax = info["root"].value("dax", false);
  summary.Check(nvdimm ? "nvdimm root" : "virtio-blk root",
                RootFailure(info, nvdimm ? "/dev/pmem0p1" : "/dev/vda1", id), dax ? "dax" : "");
  if (pod.mac().empty())
    summary.Fact("network", pod.network());
  else
    summary.Check("network",
                  HasNic(pod.agent().Request({{"op", "nets"}}), pod.mac())
                      ? ""
                      : "the guest has no interface " + pod.mac(),
                  pod.network());
  summary.Fact("QMP ready", std::to_string(pod.to_qmp().count()) + " ms");
  summary.Fact("guest up", std::to_string(pod.to_guest().count()) + " ms");
  std::fflush(stdout);
  const bool ended = shell && JoinConsole(pod.console());
  if (!ended) pod.agent().PowerOff();
  auto status = pod.qemu().process().Wait(Milliseconds(30000));
  summary.Check("power off", status && status->Success() ? ""
                             : status                    ? status->ToString()
                                                         : "QEMU still runs after 30 s");
  // Kata logs every line that is no warning as an error.
  for (const std::string& line : SplitStderr(pod.qemu().process().Stderr()).errors)
    summary.Fact("qemu said", line);
  return summary.all_ok() ? 0 : 1;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "run: %s\n", error.what());
  return 1;
}
