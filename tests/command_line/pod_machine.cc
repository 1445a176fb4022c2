// SPDX-License-Identifier: GPL-2.0-or-later
#include "command_line/pod_machine.h"

#include <grp.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kImageBytes = 4 << 20;
constexpr unsigned kNobody = 65534;

// Of the machine that is started: before_exec is a plain function.
int network_namespace;

bool EnterNetwork() { return setns(network_namespace, CLONE_NEWNET) == 0; }
bool EnterNetworkUnprivileged() {
  return EnterNetwork() && setgroups(0, nullptr) == 0 && setgid(kNobody) == 0 &&
         setuid(kNobody) == 0;
}

}  // namespace

PodMachine::PodMachine(int tap_queues) {
  tap_ = Tap::Make("tap0_kata", tap_queues, &missing_);
  if (!tap_) return;
  // An unprivileged QEMU must reach it too.
  for (const fs::path& path : {dir_.path(), dir_ / "vhost-fs.sock", dir_ / "vhu.sock"})
    chmod(path.c_str(), 0777);
  WriteTinyVmlinux(dir_ / "vmlinux");
  WriteTinyBzImage(dir_ / "bzimage");
  WriteFile(dir_ / "image", std::string(kImageBytes, 'i'));
  WriteFile(dir_ / "initrd", std::string(12345, 'r'));
  const fs::path bios = "/usr/share/seabios/bios-256k.bin";
  if (!fs::exists(bios)) {
    missing_ = bios.string() + " is missing (package seabios)";
    return;
  }
  fs::copy_file(bios, dir_ / "flash");
  std::string fds;
  for (size_t i = 0; i < tap_->fds().size(); ++i) fds += (i ? ":" : "") + std::to_string(4 + i);
  const uint64_t host_mib = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                                static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) >>
                            20;
  values_ = {{"dir", dir_.path()},
             {"maxmem", std::to_string(host_mib + 1024)},
             {"vmlinux", dir_ / "vmlinux"},
             {"bzimage", dir_ / "bzimage"},
             {"initrd", dir_ / "initrd"},
             {"image", dir_ / "image"},
             {"image-bytes", std::to_string(kImageBytes)},
             {"bios", bios},
             {"flash", dir_ / "flash"},
             {"tap", fds}};
}

std::string PodMachine::Fill(std::string text) const {
  for (const auto& [name, value] : values_)
    for (size_t at; (at = text.find("@" + name + "@")) != std::string::npos;)
      text.replace(at, name.size() + 2, value);
  return text;
}

Qemu& PodMachine::Start(const KataCommand& command, bool unprivileged) {
  QemuOptions options;
  options.args = command.Arguments(values_);
  for (const UniqueFd& fd : tap_->fds()) options.fds.push_back(fd.get());
  network_namespace = tap_->network_namespace();
  options.spawn.before_exec = unprivileged ? EnterNetworkUnprivileged : EnterNetwork;
  return qemu_.emplace(std::move(options));
}

}  // namespace stx
