// SPDX-License-Identifier: GPL-2.0-or-later
// A clone of the repository whose base is a package of an Archive: the real scripts, with patches
// and profiles that a test writes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/process.h"
#include "scripts/archive.h"

namespace stx {

/// One edit of a patch: in hw/FILE.c, the second line changes from `from` to `to`.
struct Edit {
  int file;
  std::string to;
  std::string from = "two";
};

class Clone {
 public:
  /// A clone with an empty series on `pinned`, a satisfied Build-Depends, and a profile "small".
  explicit Clone(const Archive& archive = Archive::Shared(),
                 const std::string& pinned = Archive::kPinned);

  const std::filesystem::path& path() const { return dir_.path(); }
  std::filesystem::path operator/(std::string_view name) const { return dir_ / name; }
  std::filesystem::path Base(const std::string& name) const { return dir_ / "cache/base" / name; }
  void Pin(const std::string& version);
  void WritePatch(const std::string& name, const std::vector<Edit>& edits) const;
  void WriteSeries(const std::string& lines) const;
  /// Removes everything that a step has made.
  void Reset() const;

  /// The command of a step. The caller starts it with Environment().
  std::vector<std::string> Command(const std::string& step,
                                   const std::vector<std::string>& arguments = {}) const;
  SpawnOptions Environment() const;
  /// Runs a step to its end; `before` is a prefix of its command (unshare ...).
  RunResult Step(const std::string& step, const std::vector<std::string>& arguments = {},
                 std::vector<std::string> before = {}) const;
  /// Starts the step in its own process group, and kills the group after `after`. False if the step
  /// ended earlier.
  bool StartAndKill(const std::string& step, Milliseconds after) const;
  /// The same, as soon as `moment` returns true.
  bool StartAndKill(const std::string& step, const std::function<bool()>& moment) const;

 private:
  const Archive& archive_;
  TempDir dir_;
};

/// Path and bytes of each file in `folder`, with a mark for executable files; links as "-> TARGET".
std::map<std::string, std::string> Content(const std::filesystem::path& folder);
/// "" if they are equal, otherwise the first path that differs, so that the text of a failure stays
/// short.
std::string Difference(const std::map<std::string, std::string>& a,
                       const std::map<std::string, std::string>& b);

}  // namespace stx
