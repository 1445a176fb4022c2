// SPDX-License-Identifier: GPL-2.0-or-later
/// A rebase that waits for a person: its folder beside the result, safe to kill at any point.
///
///   OUTPUT.restack/plan.json       what was asked
///   OUTPUT.restack/map.toml        where files and functions went; editable
///   OUTPUT.restack/resolutions/N/  the remembered edits after step N: NAME.patch, on top of what
///                                  restack lands
///   OUTPUT.restack/work/           the files of the first patch that needs a person, with conflict
///                                  markers
///   OUTPUT.restack/base/           the same files as restack landed them, without the open hunks
///   OUTPUT.restack/series/         the result so far; what OUTPUT was, once the rebase has ended
///
/// OUTPUT itself changes once: the two folders exchange their names. The usual order of calls is
/// Open, Remembered, Rebase() of rebase.h, Begin, Write, and, when nothing is open, Finish; and after
/// a person's edits Open, ReadPlan, TakeWork, Rebase(), Write, Finish.
///
/// A Session holds a lock on its folder while it exists: one process at a time works on an output.
/// It may be used by one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "restack/maps.h"
#include "restack/rebase.h"

namespace restack {

/// What the user asked for: names as on the command line, which the library only keeps.
struct Plan {
  std::string series;  ///< folder of the series, or another name of it
  std::string onto, from, output, build;
};

/// The user's work that is used again.
struct Remembered {
  Maps maps;
  Resolutions resolutions;
};

class Session {
 public:
  /// `output`: the folder for the moved series; a symbolic link to a folder is followed. Error: it
  /// is a file, or has files and no series; another process works on it.
  static Result<std::unique_ptr<Session>> Open(const std::string& output);
  /// Gives the lock back; takes away a folder that has stayed empty.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool Exists() const;
  bool Finished() const;  ///< the result is in place; only undo is left
  Result<Plan> ReadPlan() const;
  /// Of the session under way; without one, of the last time that this output was made.
  Result<Remembered> ReadRemembered() const;
  size_t Step() const;
  /// The patch that lies in work/, "" when none does.
  std::string Working() const;

  /// Begins a session, in the place of one that has ended. Error: one is under way.
  Result<void> Begin(const Plan& plan);
  /// Writes verdict, map, result so far and work folder of the first open patch (or of `open`, when
  /// that is not "").
  Result<void> Write(const Plan& plan, const RebaseOutcome& outcome, const Series& series,
                     const Maps& given, const std::string& open);
  /// The person's edits in work/ become resolution N+1. Error: markers are left, with file and
  /// line.
  Result<void> TakeWork(const RebaseOutcome& outcome);
  /// The result takes OUTPUT's place.
  Result<void> Finish();
  /// One step back: the last resolution, or the whole rebase. Returns a message that says what was done.
  Result<std::string> Undo();
  /// Removes a session that could not be written.
  void Abandon();

  const std::string& folder() const { return folder_; }
  /// Without symbolic links.
  const std::string& output() const { return output_; }

 private:
  explicit Session(std::string output)
      : output_(std::move(output)), folder_(output_ + ".restack") {}
  Result<void> Lock();
  void Empty();
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  std::string output_, folder_;
  int lock_ = -1;
  std::vector<std::string> made_;  ///< folders above, made for this one
};

}  // namespace restack
