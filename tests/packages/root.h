// SPDX-License-Identifier: GPL-2.0-or-later
// A Debian 12 system in a folder, for installing packages in it: made by debootstrap from the
// machine's own archive, kept as a template, copied for each use.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/process.h"

namespace stx {

class Root {
 public:
  /// A copy of the template `name` below $ROOTS, which `make` has filled when it was not there.
  Root(const std::string& name, const std::function<void(Root&)>& make);
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  std::filesystem::path operator/(std::string_view path) const { return path_ / path; }
  /// Runs a shell script as root of this system, in mount and pid namespaces of its own: what it
  /// leaves running ends with it. Throws with all it said when it fails.
  RunResult Shell(const std::string& script) const;
  /// The folder `packages` as an archive of this system's apt, at /debs; not yet read by apt.
  void AddArchive(const std::filesystem::path& packages);
  /// Files and links that belong to no package: path and, for files, size and sum. Without what
  /// apt, dpkg and others keep for themselves (lists, logs, caches).
  std::map<std::string, std::string> Unowned() const;
  /// The packages that are installed or have configuration left, "NAME VERSION STATE" a line.
  std::string Packages(const std::string& pattern) const;

 private:
  explicit Root(std::filesystem::path path) : path_(std::move(path)) {}
  static void Debootstrap(const std::filesystem::path& to);

  std::filesystem::path path_;
  std::unique_ptr<TempDir> dir_;
};

}  // namespace stx
