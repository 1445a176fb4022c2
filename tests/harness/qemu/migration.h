// SPDX-License-Identifier: GPL-2.0-or-later
// Live migration between two QEMUs under test, or of one QEMU into memory, so that a test decides
// when the target gets which bytes.
#pragma once

#include <string>

#include "base/os.h"
#include "harness/qemu/qemu.h"

namespace stx {

/// Sets migration capabilities, by name.
void SetMigrationCapability(Qmp& qmp, const std::string& name, bool on = true);

/// Waits until query-migrate says one of completed, failed, cancelled; the last answer.
json WaitMigrationEnd(Qmp& qmp, Milliseconds timeout = Milliseconds(20000));

/// Migrates `source` to a socket of the test and returns the whole stream. The source ends in
/// run state postmigrate.
std::string MigrateToBytes(Qemu& source);

/// The sending end of a migration whose target gets its stream from the test.
class IncomingStream {
 public:
  /// `target` runs with -incoming defer.
  explicit IncomingStream(Qemu& target);
  /// Sends, and returns when the target has read all of it and waits for more, or has died.
  void Send(std::string_view bytes);
  /// Sends the last bytes and ends the stream.
  void Finish(std::string_view bytes);

 private:
  Qemu& target_;
  TempDir dir_{"incoming"};
  UniqueFd fd_;
};

}  // namespace stx
