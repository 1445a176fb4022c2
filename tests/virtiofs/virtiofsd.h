// SPDX-License-Identifier: GPL-2.0-or-later
// The daemons that serve virtio-fs: the C daemon of the 7.2 tree ($VIRTIOFSD), and the Rust daemon
// that Kata ships ($VIRTIOFSD_RUST), which is started as Kata starts it (contract, section 3).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/os.h"
#include "base/process.h"

namespace stx {

enum class DaemonKind { kC, kRust };

class Virtiofsd {
 public:
  /// Serves `shared` at `socket` for one QEMU. Throws with its stderr if it does not start.
  Virtiofsd(DaemonKind kind, const std::filesystem::path& shared,
            const std::filesystem::path& socket);
  /// Why this daemon is not available here; unset if it is.
  static std::optional<std::string> Missing(DaemonKind kind);

  Process& process() { return process_; }

 private:
  UniqueFd listener_;
  Process process_;
};

}  // namespace stx
