// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/guestd/boot.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "guest/guestd/sys.h"

namespace stx::guestd {

namespace {

constexpr const char* kNotes = "GUESTD_NOTES";
constexpr const char* kTimes = "GUESTD_TIMES";
constexpr const char* kShareTag = "kataShared";
constexpr int64_t kRootDeviceMs = 10000;

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::vector<std::string> Environment(const char* name) {
  const char* text = getenv(name);
  return Split(text ? text : "", '\n');
}

int Mount(const std::string& source, const std::string& target, const std::string& type,
          unsigned long flags = 0, const std::string& options = "") {
  return mount(source.c_str(), target.c_str(), type.c_str(), flags, options.c_str()) ? errno : 0;
}

std::string Without(const std::string& options, const std::string& name) {
  std::string rest;
  for (const std::string& option : Split(options, ','))
    if (option != name) rest += (rest.empty() ? "" : ",") + option;
  return rest;
}

std::string ModuleParameters(const std::string& module, const std::vector<std::string>& words) {
  std::string parameters;
  for (const std::string& word : words)
    if (word.starts_with(module + ".")) parameters += word.substr(module.size() + 1) + " ";
  return parameters;
}

bool MountRoot(const std::string& device, const std::string& target, BootReport* report) {
  int64_t deadline = GetUptimeMs() + kRootDeviceMs;
  // The driver creates the node in devtmpfs once its probe and the partition scan are over.
  while (access(device.c_str(), F_OK) != 0) {
    if (GetUptimeMs() > deadline) {
      report->Note("the root device " + device + " did not appear");
      return false;
    }
    usleep(1000);
  }
  std::string type = ReadBootOption("rootfstype", "ext4");
  std::string options = ReadBootOption("rootflags", "");
  unsigned long flags = HasBootOption("rw") ? 0 : MS_RDONLY;
  int error = Mount(device, target, type, flags, options);
  std::string no_dax = Without(options, "dax");
  if (error && no_dax != options) {
    report->Note("root with dax was refused (" + std::string(strerror(error)) +
                 "), mounted without");
    error = Mount(device, target, type, flags, no_dax);
  }
  if (error)
    report->Note("cannot mount root " + device + " as " + type + " with \"" + options +
                 "\": " + strerror(error));
  return error == 0;
}

}  // namespace

BootReport BootReport::FromEnvironment() { return {Environment(kNotes), Environment(kTimes)}; }

void BootReport::ToEnvironment() const {
  setenv(kNotes, Join(notes).c_str(), 1);
  setenv(kTimes, Join(times).c_str(), 1);
}

void BootReport::Note(const std::string& message) {
  notes.push_back(message);
  Log(message);
}

void BootReport::Mark(const std::string& name) {
  times.push_back(name + " " + std::to_string(GetUptimeMs()) + " " +
                  std::to_string(__builtin_ia32_rdtsc()));
}

void MountKernelFilesystems() {
  if (access("/proc/self", F_OK) == 0) return;  // stage 1 has moved all three here
  Mount("proc", "/proc", "proc");
  Mount("sysfs", "/sys", "sysfs");
  Mount("devtmpfs", "/dev", "devtmpfs");  // EBUSY: the kernel has already mounted it
}

void LoadModules(BootReport* report) {
  auto words = Split(ReadAttribute("/proc/cmdline"), ' ');
  for (const std::string& name : Split(ReadAttribute("/modules/list"), '\n')) {
    Fd file(open(("/modules/" + name + ".ko").c_str(), O_RDONLY | O_CLOEXEC));
    std::string parameters = ModuleParameters(name, words);
    if (file && syscall(SYS_finit_module, file.get(), parameters.c_str(), 0) == 0) continue;
    if (errno != EEXIST) report->Note("module " + name + " failed: " + strerror(errno));
  }
}

void EnterRoot(BootReport* report) {
  std::string device = ReadBootOption("root", "");
  const std::string target = "/root";
  if (device.empty() || !MountRoot(device, target, report)) return;
  report->Mark("root");
  for (const char* moved : {"/proc", "/sys", "/dev"})
    if (mount(moved, (target + moved).c_str(), nullptr, MS_MOVE, nullptr) != 0)
      report->Note("cannot move " + std::string(moved) + " to the root: " + strerror(errno));
  if (chdir(target.c_str()) != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
      chroot(".") != 0 || chdir("/") != 0) {
    report->Note("cannot enter the root: " + std::string(strerror(errno)));
    return;
  }
  report->ToEnvironment();
  execl("/sbin/init", "/sbin/init", nullptr);
  report->Note("cannot execute the root's /sbin/init: " + std::string(strerror(errno)));
}

void MountGuestFilesystems(BootReport* report) {
  for (const char* folder : {"/run", "/tmp"})
    if (int error = Mount("tmpfs", folder, "tmpfs"))
      report->Note("cannot mount tmpfs on " + std::string(folder) + ": " + strerror(error));
  bool plan9 = ReadBootOption("guestd.share", "virtiofs") == "9p";
  int error = plan9 ? Mount(kShareTag, "/share", "9p", 0,
                            "trans=virtio,version=9p2000.L,msize=262144,cache=mmap")
                    : Mount(kShareTag, "/share", "virtiofs");
  // virtio-fs returns EINVAL for a tag that no device has, and ENODEV without its driver.
  if (error && (plan9 || (error != EINVAL && error != ENODEV)))
    report->Note("cannot mount the share: " + std::string(strerror(error)));
}

}  // namespace stx::guestd
