// SPDX-License-Identifier: GPL-2.0-or-later
// guestd is /init of the initramfs (stage 1) and /sbin/init of the root image (stage 2). Process 1
// reaps and restarts children; one child answers the host, and with guestd.shell another is a
// shell. `guestd agent DEVICE` is a different mode: it answers the host on a virtio-serial port of
// a system with its own init, such as a node of the lab.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "guest/guestd/boot.h"
#include "guest/guestd/server.h"
#include "guest/guestd/sys.h"

namespace stx::guestd {
namespace {

[[noreturn]] void RunShell() {
  setsid();
  for (const std::string& word : Split(ReadAttribute("/proc/cmdline"), ' ')) {
    if (!word.starts_with("console=")) continue;
    std::string name = word.substr(8, word.find(',') - 8);
    // Opened without waiting for carrier. A console= whose device is missing gives ENODEV.
    int tty = open(("/dev/" + name).c_str(), O_RDWR | O_NONBLOCK);
    if (tty < 0) continue;
    fcntl(tty, F_SETFL, 0);
    ioctl(tty, TIOCSCTTY, 1);
    for (int fd : {0, 1, 2}) dup2(tty, fd);
    if (tty > 2) close(tty);
    setenv("PATH", "/bin:/sbin", 1);
    setenv("HOME", "/tmp", 1);
    setenv("TERM", "linux", 0);
    execl("/bin/sh", "-sh", nullptr);
    Log("there is no /bin/sh for guestd.shell");
  }
  _exit(1);
}

[[noreturn]] void Supervise(const BootReport& report) {
  pid_t server = -1, shell = -1;
  bool want_shell = HasBootOption("guestd.shell");
  for (;;) {
    if (server < 0 && (server = fork()) == 0) Serve(report);
    if (want_shell && shell < 0 && (shell = fork()) == 0) RunShell();
    pid_t ended = wait(nullptr);
    if (ended == server) server = -1;
    // Its `exit` ends the guest, because it is the machine's only terminal.
    if (ended == shell) AnswerRequest({{"op", "poweroff"}}).after();
    if (ended < 0) sleep(1);  // fork failed; try again
  }
}

int Main(std::string_view name) {
  MountKernelFilesystems();
  BootReport report = BootReport::FromEnvironment();
  if (name == "/init") {
    report.Mark("init");
    LoadModules(&report);
    report.Mark("modules");
    EnterRoot(&report);
  }
  MountGuestFilesystems(&report);
  report.Mark("ready");
  Supervise(report);
}

}  // namespace
}  // namespace stx::guestd

int main(int argc, char** argv) try {
  // The kernel passes unknown words of its command line to process 1.
  if (getpid() == 1) return stx::guestd::Main(argv[0]);
  if (argc == 3 && std::string_view(argv[1]) == "agent") stx::guestd::ServePort(argv[2]);
  std::fputs("usage: guestd agent DEVICE, a virtio-serial port; else it is process 1 of a guest\n",
             stderr);
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "guestd: %s\n", error.what());
  return 1;
}
