// SPDX-License-Identifier: GPL-2.0-or-later
// A file that appears either completely or not at all.
#pragma once

#include <filesystem>
#include <string_view>

namespace stx {

/// Writes a temporary file next to `path` and renames it in Commit(); without Commit(), nothing is
/// left. SIGINT and SIGTERM are not caught: the leftover file is named PATH.tmp, and the next run
/// replaces it.
class AtomicOutput {
 public:
  explicit AtomicOutput(std::filesystem::path path);
  AtomicOutput(const AtomicOutput&) = delete;
  AtomicOutput& operator=(const AtomicOutput&) = delete;
  ~AtomicOutput();

  /// The file to write; it already exists and is empty.
  const std::filesystem::path& temporary() const { return temporary_; }
  /// Writes `bytes` as the whole content.
  void Write(std::string_view bytes);
  void Commit();

 private:
  std::filesystem::path path_, temporary_;
};

}  // namespace stx
