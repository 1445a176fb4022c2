// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/qemu.h"

#include <iostream>

#include <map>
#include <stdexcept>

namespace stx {
namespace {

constexpr Milliseconds kStartTimeout{30000};

/// Firmware that halts the CPU at once: cli; hlt; and again after a wake-up.
std::string MakeHaltingFirmware() {
  std::string image(256 << 10, '\xf4');
  image.replace(image.size() - 16, 4, "\xfa\xf4\xeb\xfd");
  return image;
}

const std::string& ReadAcceleratorHelp(const std::filesystem::path& binary) {
  static std::map<std::filesystem::path, std::string> known;
  const auto found = known.find(binary);
  if (found != known.end()) return found->second;
  return known[binary] = Run({binary, "-accel", "help"}, kStartTimeout).out;
}

}  // namespace

std::filesystem::path QemuBinary() {
  std::string path = EnvOr("QEMU", "");
  if (path.empty())
    throw std::runtime_error("$QEMU is not set; it must name the qemu-system-x86_64 under test");
  return path;
}

bool HasQtestAccelerator(const std::filesystem::path& binary) {
  return ReadAcceleratorHelp(binary).find("qtest") != std::string::npos;
}

bool HasTcg(const std::filesystem::path& binary) {
  return ReadAcceleratorHelp(binary).find("tcg") != std::string::npos;
}

/// Waits until someone has attached gdb to the QEMU that was just started.
static void AwaitDebugger(pid_t pid) {
  std::cerr << "STX_DEBUG: QEMU is process " << pid << "; attach with 'gdb -p " << pid
            << "', continue it there, then press Enter here\n";
  std::string line;
  std::getline(std::cin, line);
}

Qemu::Qemu(QemuOptions options) {
  UniqueFd qmp_listener = ListenUnix(qmp_socket());
  std::vector<std::string> argv{options.binary.empty() ? QemuBinary() : options.binary};
  argv.insert(argv.end(), options.first_args.begin(), options.first_args.end());
  argv.insert(argv.end(), {"-qmp", "unix:fd=3,server=on,wait=off"});
  if (options.qtest) {
    std::filesystem::path path = dir_ / "qtest.sock";
    qtest_listener_ = ListenUnix(path);
    argv.insert(argv.end(),
                {"-qtest", "unix:" + path.string(), "-qtest-log", "none", "-display", "none"});
    if (options.running) {
      argv.insert(argv.end(), {"-accel", "tcg"});
    } else if (HasQtestAccelerator(argv[0])) {
      argv.insert(argv.end(), {"-accel", "qtest"});
    } else {
      WriteFile(dir_ / "firmware", MakeHaltingFirmware());
      argv.insert(argv.end(), {"-accel", "tcg", "-bios", dir_ / "firmware"});
    }
  }
  argv.insert(argv.end(), options.args.begin(), options.args.end());
  std::vector<int>& inherit = options.spawn.inherit;
  inherit.insert(inherit.begin(), qmp_listener.get());
  process_ = Process(argv, options.spawn);
  if (!EnvOr("STX_DEBUG", "").empty()) AwaitDebugger(process_.pid());
}

Qmp& Qemu::qmp() {
  if (!qmp_) {
    try {
      // The listener existed before QEMU was started, so connecting never races, and the greeting
      // waits. Connecting fails only if QEMU has exited.
      if (!process_.Running()) throw std::runtime_error("it has ended");
      qmp_ = std::make_unique<Qmp>(qmp_socket(), kStartTimeout);
    } catch (const std::exception& error) {
      throw std::runtime_error(std::string("no QMP: ") + error.what() + "\n" + Report());
    }
  }
  return *qmp_;
}

QTest& Qemu::qtest() {
  if (!qtest_) {
    Deadline deadline(kStartTimeout);
    while (!WaitFor(qtest_listener_.get(), 1 /* POLLIN */, Deadline(Milliseconds(50)))) {
      if (!process_.Running() || deadline.Passed())
        throw std::runtime_error("QEMU did not connect to the qtest socket\n" + Report());
    }
    qtest_ = std::make_unique<QTest>(Accept(qtest_listener_.get(), deadline));
  }
  return *qtest_;
}

std::string Qemu::Report() {
  auto status = process_.Wait(Milliseconds(100));
  std::string text = "QEMU " + (status ? status->ToString() : std::string("is running")) +
                     "\nstderr:\n" + process_.Stderr();
  if (qmp_) text += "\nQMP:\n" + qmp_->log();
  return text;
}

RunResult RunQemu(const std::vector<std::string>& args, Milliseconds timeout,
                  SpawnOptions options) {
  std::vector<std::string> argv{QemuBinary()};
  argv.insert(argv.end(), args.begin(), args.end());
  return Run(argv, timeout, std::move(options));
}

}  // namespace stx
