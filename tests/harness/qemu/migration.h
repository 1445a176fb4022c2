// SPDX-License-Identifier: GPL-2.0-or-later
// Live migration between two QEMUs under test, or from one QEMU into memory, so that a test decides
// which bytes the target receives, and when.
#pragma once

#include <string>

#include "base/os.h"
#include "harness/qemu/qemu.h"

namespace stx {

/// Sets a migration capability.
void SetMigrationCapability(Qmp& qmp, const std::string& name, bool on = true);

/// Waits until query-migrate reports completed, failed or cancelled; returns the last reply.
json WaitMigrationEnd(Qmp& qmp, Milliseconds timeout = Milliseconds(20000));

/// Migrates `source` to a socket of the test and returns the whole stream. The source then is in
/// run state postmigrate.
std::string MigrateToBytes(Qemu& source);

/// Migrates to a target that listens and reads nothing; returns the last reply to query-migrate.
/// Throws if the migration does not fail within 30 s.
json MigrateToNobody(Qmp& source);

/// The sending end of a migration whose target receives its stream from the test.
class IncomingStream {
 public:
  /// `target` runs with -incoming defer.
  explicit IncomingStream(Qemu& target);
  /// Sends `bytes`. Returns once the target has read all of them and waits for more, or has exited.
  void Send(std::string_view bytes);
  /// Sends the last bytes and ends the stream.
  void Finish(std::string_view bytes);

 private:
  Qemu& target_;
  TempDir dir_{"incoming"};
  UniqueFd fd_;
};

}  // namespace stx
