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

/// One file of a patch: in hw/FILE.c, the second line `from` becomes `to`.
struct Edit {
  int file;
  std::string to;
  std::string from = "two";
};

class Clone {
 public:
  /// An empty series on `pinned`, a Build-Depends that is met, and a profile "small".
  explicit Clone(const Archive& archive = Archive::Shared(),
                 const std::string& pinned = Archive::kPinned);

  const std::filesystem::path& path() const { return dir_.path(); }
  std::filesystem::path operator/(std::string_view name) const { return dir_ / name; }
  std::filesystem::path Base(const std::string& name) const { return dir_ / "cache/base" / name; }
  void Pin(const std::string& version);
  void WritePatch(const std::string& name, const std::vector<Edit>& edits) const;
  void WriteSeries(const std::string& lines) const;
  /// Everything that a step made, gone.
  void Reset() const;

  /// The command of a step, to be started by the caller with Environment().
  std::vector<std::string> Command(const std::string& step,
                                   const std::vector<std::string>& arguments = {}) const;
  SpawnOptions Environment() const;
  /// Runs a step to its end; `before` is a command that runs it (unshare ...).
  RunResult Step(const std::string& step, const std::vector<std::string>& arguments = {},
                 std::vector<std::string> before = {}) const;
  /// Starts the step as a process group of its own, and kills that after `after`. False when the
  /// step had ended before.
  bool StartAndKill(const std::string& step, Milliseconds after) const;
  /// The same, as soon as `moment` is true.
  bool StartAndKill(const std::string& step, const std::function<bool()>& moment) const;

 private:
  const Archive& archive_;
  TempDir dir_;
};

/// Path and bytes of each file below `folder`, with a mark for what may be executed; links as "->
/// TARGET".
std::map<std::string, std::string> Content(const std::filesystem::path& folder);
/// "" when equal, else the first path that differs: a failure's text stays short.
std::string Difference(const std::map<std::string, std::string>& a,
                       const std::map<std::string, std::string>& b);

}  // namespace stx
