// SPDX-License-Identifier: GPL-2.0-or-later
// A rebase that waits for a person: its folder beside the result, safe to kill at any point.
//
//   OUTPUT.restack/plan.json       what was asked
//   OUTPUT.restack/map.toml        where files and functions went; editable
//   OUTPUT.restack/resolutions/N/  the remembered edits after step N: NAME.patch, on top of what
//   restack lands OUTPUT.restack/work/           the files of the first patch that needs a person,
//   with conflict markers OUTPUT.restack/base/           the same files as restack landed them,
//   without the open hunks OUTPUT.restack/series/         the result so far; what OUTPUT was, once
//   the rebase has ended
//
// OUTPUT itself changes once: the two folders exchange their names.
#pragma once

#include <optional>
#include <string>

#include "context.h"
#include "restack/maps.h"

namespace restack::cli {

struct Plan {
  std::string series, onto, from, output, build;
};

class Session {
 public:
  explicit Session(std::string output)
      : output_(std::move(output)), folder_(output_ + ".restack") {}

  bool Exists() const;
  bool Finished() const;  ///< the result is in place; only undo is left
  Result<Plan> ReadPlan() const;
  Result<void> Begin(const Plan& plan);
  Result<Maps> ReadMaps() const;
  Result<Resolutions> ReadResolutions() const;
  size_t Step() const;
  /// The patch that lies in work/, "" when none does.
  std::string Working() const;

  /// Writes verdict, map, result so far and work folder of the first open patch (or of `open`, when
  /// that is not "").
  Result<void> Write(const Plan& plan, const RebaseOutcome& outcome, const Series& series,
                     const Maps& given, const std::string& open);
  /// The person's edits in work/ become resolution N+1. Error: markers are left, with file and
  /// line.
  Result<void> TakeWork(const RebaseOutcome& outcome);
  /// The result takes OUTPUT's place.
  Result<void> Finish(const Plan& plan);
  /// One step back: the last resolution, or the whole rebase. Returns what it did as a sentence.
  Result<std::string> Undo(const Plan& plan);
  const std::string& folder() const { return folder_; }

 private:
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string output_, folder_;
};

}  // namespace restack::cli
