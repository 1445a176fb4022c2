// run: boots a pod-shaped guest and says what worked. scripts/run builds what it needs and calls
// it.
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <random>

#include "guest/pod.h"
#include "guest/terminal.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// The first line of --version; throws a sentence when `path` is no x86_64 system QEMU.
std::string QemuVersion(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    throw std::runtime_error("--qemu " + path.string() + ": no such file");
  auto foreign = [&](const std::string& why) {
    return std::runtime_error("--qemu " + path.string() +
                              ": not a QEMU for x86_64 machines: " + why);
  };
  try {
    RunResult version = Run({path.string(), "--version"}, Milliseconds(10000));
    std::string first = version.out.substr(0, version.out.find('\n'));
    if (!version.status.Success() || !first.starts_with("QEMU emulator version "))
      throw foreign("--version says '" + first + "' (" + version.status.ToString() + ")");
    RunResult machines = Run({path.string(), "-machine", "help"}, Milliseconds(10000));
    if (machines.out.find("\nq35 ") == std::string::npos) throw foreign("it has no machine q35");
    return first;
  } catch (const std::system_error& failed) {
    throw foreign(failed.what());
  }
}

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

/// Bytes in both directions through the share; "" or what went wrong.
std::string ShareFailure(Pod& pod) {
  std::random_device random;
  std::string bytes(1 << 20, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  WriteFile(pod.share() / "from-host", bytes);
  if (pod.agent().Read("/share/from-host") != bytes) return "the guest reads other bytes";
  pod.agent().Write("/share/from-guest", bytes);
  if (ReadFile(pod.share() / "from-guest") != bytes) return "the host reads other bytes";
  return "";
}

/// The guest's root must be this image, on the device asked for, ext4, and refuse writes.
std::string RootFailure(const json& info, const std::string& device, const std::string& id) {
  const json& root = info["root"];
  if (info["guest_id"] != id) return "the guest's /guest-id is " + info["guest_id"].dump();
  if (root["source"] != device || root["type"] != "ext4") return "the root is " + root.dump();
  if (root["write_error"] == "" || root["remount_error"] == "") return "the root can be written";
  return "";
}

bool HasNic(const json& nets, const std::string& mac) {
  for (const json& net : nets["nets"])
    if (net["mac"] == mac) return true;
  return false;
}

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
  std::string id = ReadFile(settings.guest / ".made");
  id.erase(id.find_last_not_of('\n') + 1);
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
