// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/tiny_pod.h"

#include <grp.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include "kata/pod_command.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kNobody = 65534;
constexpr char kBios[] = "/usr/share/seabios/bios-256k.bin";

// Of the machine that is being started; global because before_exec is a plain function.
int network_namespace;

bool EnterNetwork() { return setns(network_namespace, CLONE_NEWNET) == 0; }
bool EnterNetworkUnprivileged() {
  return EnterNetwork() && setgroups(0, nullptr) == 0 && setgid(kNobody) == 0 &&
         setuid(kNobody) == 0;
}

}  // namespace

TinyPod::TinyPod(int tap_queues) {
  tap_ = Tap::Make("tap0_kata", tap_queues, &missing_);
  if (!tap_) return;
  // An unprivileged QEMU has to reach it, too.
  for (const fs::path& path : {dir_.path(), dir_ / "vhost-fs.sock", dir_ / "vhu.sock"})
    chmod(path.c_str(), 0777);
  WriteTinyVmlinux(dir_ / "vmlinux");
  WriteTinyBzImage(dir_ / "bzimage");
  WriteFile(dir_ / "image", std::string(4 << 20, 'i'));
  WriteFile(dir_ / "initrd", std::string(12345, 'r'));
  if (!fs::exists(kBios)) {
    missing_ = std::string(kBios) + " is missing (package seabios)";
    return;
  }
  fs::copy_file(kBios, dir_ / "flash");
  for (const UniqueFd& fd : tap_->fds()) tap_fds_.push_back(options_.Inherit(fd.get()));
}

CommandLine TinyPod::Command() const {
  PodValues values;
  values.id = "test";
  values.dir = dir_.path();
  values.kernel = dir_ / "vmlinux";
  values.image = dir_ / "image";
  values.accel = "tcg";
  values.max_vcpus = 2;
  values.nic = PodNic{{}, tap_fds_, "02:00:ca:fe:00:01"};
  CommandLine command = MakePodCommand(values);
  command.Drop("-device vhost-vsock");
  return command;
}

std::string TinyPod::Fill(std::string text) const {
  for (size_t at; (at = text.find('@')) != std::string::npos;) {
    const size_t end = text.find('@', at + 1);
    const std::string name = text.substr(at + 1, end - at - 1);
    if (end == std::string::npos) throw std::logic_error("half a placeholder: " + text);
    const bool known = name == "vmlinux" || name == "bzimage" || name == "initrd" ||
                       name == "image" || name == "flash";
    if (!known && name != "dir" && name != "bios")
      throw std::logic_error("no placeholder @" + name + "@");
    const std::string value = name == "dir"    ? dir_.path().string()
                              : name == "bios" ? kBios
                                               : (dir_ / name).string();
    text.replace(at, end - at + 1, value);
  }
  return text;
}

Qemu& TinyPod::Start(const CommandLine& command, bool unprivileged) {
  QemuOptions options = options_;
  for (const std::string& argument : command.GetArguments()) options.args.push_back(Fill(argument));
  network_namespace = tap_->network_namespace();
  options.spawn.before_exec = unprivileged ? EnterNetworkUnprivileged : EnterNetwork;
  return qemu_.emplace(std::move(options));
}

}  // namespace stx
