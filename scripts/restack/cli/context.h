// SPDX-License-Identifier: GPL-2.0-or-later
// What every command needs: where things are, and how it speaks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "restack/folder.h"
#include "restack/rebase.h"
#include "restack/store.h"

namespace restack::cli {

/// Exit codes that scripts rely on.
enum Exit { kClean = 0, kNeedsPerson = 1, kBadInput = 2 };

struct Context {
  std::string series = "patches";           ///< folder of the series
  std::string packages = "cache/packages";  ///< source packages, as apt fetches them
  std::string cache = "cache/restack.git";  ///< trees read from them
  bool json = false;
  bool quiet = false;  ///< no progress, and only what needs a person

  /// For what takes over a second.
  Progress progress() const;

  /// Opened when first asked for.
  Result<std::shared_ptr<Store>> store();
  /// NAME=VERSION of a package, a folder, a tarball, or git:REPOSITORY:REVISION.
  Result<std::shared_ptr<Tree>> OpenBase(const std::string& base);
  /// Reads the packages among those bases that are not kept yet, several at a time.
  Result<void> Warm(std::vector<std::string> bases);
  /// The series of a folder, or Debian's own of a package ("debian:NAME=VERSION").
  Result<Series> OpenSeries(const std::string& series);
  /// A package's version with its epoch, as its .dsc says ("1:10.0.13+ds-0+deb13u1"); empty for
  /// other bases.
  std::string FullVersion(const std::string& base);
  /// Input for Rebase: the trees that the series may have been made for, given or all known ones of
  /// the same package as `onto`; what its patches say in Applies-To first.
  Result<RebaseInput> Input(const Series& series, const std::string& onto, const std::string& from);

  /// The same with a store of its own, for another thread.
  Context Apart() const;

 private:
  std::shared_ptr<Store> store_;
};

/// A line on standard error, for what takes over a second; on a terminal it replaces the last one.
void Say(const std::string& message);
/// The error's message; returns kBadInput.
int Fail(const Error& error);
/// Indented; bytes that are not UTF-8 as U+FFFD.
std::string Dump(const nlohmann::json& value);
/// Standard output is a terminal that wants colour.
bool Colour();

}  // namespace restack::cli
