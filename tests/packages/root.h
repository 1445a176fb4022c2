// SPDX-License-Identifier: GPL-2.0-or-later
// A Debian system in a folder, for installing packages: a copy of the minimal one that
// scripts/step/root made. With what all tests need it is kept as a template and copied for each
// use.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/process.h"

namespace stx {

class Root {
 public:
  /// A copy of the template `name` in $ROOTS. If the template does not exist, it is made: a copy of
  /// the template `minbase`, which is always there, that `make` fills.
  Root(const std::string& name, const std::function<void(Root&)>& make);
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  std::filesystem::path operator/(std::string_view path) const { return path_ / path; }
  /// Runs a shell script as root of this system, in its own mount and pid namespaces, so that
  /// anything that it leaves running ends with it. Throws with all of its output if it fails.
  RunResult Shell(const std::string& script) const;
  /// Adds the folder `packages` to this system's apt, at /debs. apt has not read it yet.
  void AddArchive(const std::filesystem::path& packages);
  /// Files and links that belong to no package: path and, for files, size and checksum. What apt,
  /// dpkg and others keep for themselves (lists, logs, caches) is left out.
  std::map<std::string, std::string> Unowned() const;
  /// The packages that are installed or have remaining configuration files, one "NAME VERSION
  /// STATE" per line.
  std::string Packages(const std::string& pattern) const;

 private:
  explicit Root(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  std::unique_ptr<TempDir> dir_;
};

}  // namespace stx
