// SPDX-License-Identifier: GPL-2.0-or-later
// A file that appears whole or not at all.
#pragma once

#include <filesystem>
#include <string_view>

namespace stx {

/// Writes beside `path` and renames at Commit(); without it, nothing is left. SIGINT and SIGTERM
/// are not caught: a leftover is named PATH.tmp and the next run replaces it.
class AtomicOutput {
 public:
  explicit AtomicOutput(std::filesystem::path path);
  AtomicOutput(const AtomicOutput&) = delete;
  AtomicOutput& operator=(const AtomicOutput&) = delete;
  ~AtomicOutput();

  /// Where to write; an empty file stands there already.
  const std::filesystem::path& temporary() const { return temporary_; }
  /// Writes `bytes` as the whole content.
  void Write(std::string_view bytes);
  void Commit();

 private:
  std::filesystem::path path_, temporary_;
};

}  // namespace stx
