// SPDX-License-Identifier: GPL-2.0-or-later
// A QEMU under test. $QEMU names the binary, so that the same suite can judge ours, the plain
// build, Debian's, or a customer's.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/os.h"
#include "base/process.h"
#include "harness/qemu/qmp.h"
#include "harness/qemu/qtest.h"

namespace stx {

/// The binary under test, $QEMU. Throws if it is unset.
std::filesystem::path QemuBinary();

/// Whether `binary` has the accelerator that runs no guest CPU and stops the virtual clock (which
/// QTest's ClockStep advances). Distributions do not build it.
bool HasQtestAccelerator(const std::filesystem::path& binary);
/// Whether `binary` can run a guest without KVM.
bool HasTcg(const std::filesystem::path& binary);

struct QemuOptions {
  /// Defaults to QemuBinary().
  std::filesystem::path binary;
  /// Arguments that come before all others, for something that ends them with "--" (DPDK's EAL).
  std::vector<std::string> first_args;
  /// The arguments that follow those of the harness itself (QMP on the inherited fd 3).
  std::vector<std::string> args;
  /// Drives the machine by qtest: adds the control socket and -accel qtest. On a binary without
  /// that accelerator, it uses TCG and a CPU that our firmware halts; the clock then runs.
  bool qtest = false;
  /// With qtest: the guest's CPU runs under TCG with the machine's firmware, and the socket reads
  /// the guest's memory.
  bool running = false;
  /// Makes QEMU inherit `fd` (vhost-vsock, vhost-net, tap); returns its number in QEMU, for `args`.
  /// The caller still owns and closes `fd`.
  int Inherit(int fd) { return spawn.Inherit(fd) + 1; }  // QMP's descriptor comes first
  /// Its `inherit` list is filled by Inherit.
  SpawnOptions spawn;
};

/// A running QEMU with its QMP socket, started as Kata starts it (contract 1.1): fd 3 is an AF_UNIX
/// socket that already listens. The destructor kills it.
class Qemu {
 public:
  explicit Qemu(QemuOptions options);

  /// Connects on first use. Throws with QEMU's stderr if QEMU has exited.
  Qmp& qmp();
  QTest& qtest();
  Process& process() { return process_; }
  /// Where a second QMP connection can be made after the first is closed.
  std::filesystem::path qmp_socket() const { return dir_ / "qmp.sock"; }
  void CloseQmp() { qmp_.reset(); }
  /// Details for the message of a failed case: exit status, stderr, QMP log.
  std::string Report();

 private:
  TempDir dir_{"qemu"};
  Process process_;
  UniqueFd qtest_listener_;
  std::unique_ptr<Qmp> qmp_;
  std::unique_ptr<QTest> qtest_;
};

/// Starts QEMU with only `args` and waits for it to exit: for start-up errors, -help, -device help.
RunResult RunQemu(const std::vector<std::string>& args, Milliseconds timeout = Milliseconds(20000),
                  SpawnOptions options = {});

}  // namespace stx
