// SPDX-License-Identifier: GPL-2.0-or-later
// A QEMU under test. Which binary: $QEMU, so that the same suite judges ours, the plain build,
// Debian's, or a customer's.
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

/// The binary under test: $QEMU; throws when it is unset.
std::filesystem::path QemuBinary();

/// Whether `binary` has the accelerator that runs no guest CPU and stops the virtual clock (QTest's
/// ClockStep moves it). Distributions leave it out.
bool HasQtestAccelerator(const std::filesystem::path& binary);
/// Whether `binary` can run a guest without KVM.
bool HasTcg(const std::filesystem::path& binary);

struct QemuOptions {
  /// Defaults to QemuBinary().
  std::filesystem::path binary;
  /// Before all others: arguments that end with "--" and are for someone else (DPDK's EAL).
  std::vector<std::string> first_args;
  /// Everything after the arguments that the harness itself adds (QMP on the inherited fd 3).
  std::vector<std::string> args;
  /// Drive the machine by qtest: adds the control socket and -accel qtest; on a binary without
  /// that, TCG with a CPU that firmware of ours halts, while the clock runs.
  bool qtest = false;
  /// With qtest: the guest's CPU runs, by TCG and with the machine's firmware; the socket reads
  /// what it leaves in memory.
  bool running = false;
  /// Has QEMU inherit `fd` (vhost-vsock, vhost-net, tap); returns the number that it has there, for
  /// `args`. It stays the caller's to close.
  int Inherit(int fd) { return spawn.Inherit(fd) + 1; }  // QMP's comes first
  /// `inherit` is Inherit's.
  SpawnOptions spawn;
};

/// A running QEMU with its QMP socket, started like Kata starts it (contract 1.1): fd 3 is an
/// already listening AF_UNIX socket. Killed at the end of its life.
class Qemu {
 public:
  explicit Qemu(QemuOptions options);

  /// Connects on first use; throws with QEMU's stderr when it died before.
  Qmp& qmp();
  QTest& qtest();
  Process& process() { return process_; }
  /// A second QMP connection may be made here after the first is closed.
  std::filesystem::path qmp_socket() const { return dir_ / "qmp.sock"; }
  void CloseQmp() { qmp_.reset(); }
  /// What a failed case wants to show: exit status, stderr, QMP log.
  std::string Report();

 private:
  TempDir dir_{"qemu"};
  Process process_;
  UniqueFd qtest_listener_;
  std::unique_ptr<Qmp> qmp_;
  std::unique_ptr<QTest> qtest_;
};

/// Starts QEMU with `args` alone and waits for its end: for start-up errors, -help, -device help.
RunResult RunQemu(const std::vector<std::string>& args, Milliseconds timeout = Milliseconds(20000),
                  SpawnOptions options = {});

}  // namespace stx
