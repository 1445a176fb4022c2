// SPDX-License-Identifier: GPL-2.0-or-later
// One run over a series: what the files of rebase share.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "landing/side.h"
#include "renames.h"
#include "restack/patch.h"
#include "restack/rebase.h"

namespace restack {

/// A hunk that is not landed leaves lines that later patches may need.
struct Missing {
  std::string patch;
  size_t hunk;
};

class SeriesRun {
 public:
  explicit SeriesRun(const RebaseInput& input)
      : input_(input),
        base_(input.bases[ChooseBase(*input.series, input.bases).index]),
        ancestor_(base_),
        renames_(base_, input.target, input.maps, Made(*input.series)) {
    outcome_.landed = std::make_shared<MemoryTree>(input.target);
    outcome_.verdict.base = base_->Name();
    outcome_.verdict.target = input.target->Name();
  }

  Result<RebaseOutcome> All();

 private:
  /// Where a hunk comes from: for taking it back.
  struct Origin {
    const PlacedHunk* hunk;
    std::shared_ptr<const Side> base;
    std::string patch;
    Text after;  ///< the base's file with all of the patch
  };
  /// What one patch changes, collected before any of it is written.
  struct Landed {
    std::map<std::string, std::vector<Replacement>> parts;
    std::map<std::string, std::shared_ptr<const Side>> sides;
    std::map<std::string, std::pair<Text, std::vector<std::pair<Edit, std::string>>>>
        conflicts;  ///< by target path
    std::deque<PlacedHunk> hunks;
    std::map<size_t, Origin> origins;  ///< by the index of the hunk's verdict
  };

  /// Files that patches of the series make.
  static std::set<std::string> Made(const Series& series);
  Result<void> One(size_t index);
  std::optional<TreeFile> Ancestor(const FileChange& file, int strip, std::string& from,
                                   std::string& evidence);
  std::shared_ptr<const Side> Open(const std::string& path, Landed& landed);
  HunkVerdict Begin(const FileChange& file, int strip, size_t number, const Hunk* hunk) const;
  Result<std::string> LandFile(const Patch& patch, const FileChange& file, int strip,
                               Landed& landed, PatchFiles& files, PatchVerdict& verdict);
  void Note(const Origin& origin, Landed& landed, HunkVerdict& verdict,
            const std::vector<Edit>& failed);
  std::string GoneHeader(const Landing& landing) const;
  void Overlaps(Landed& landed, PatchVerdict& verdict);
  void Review(Landed& landed, PatchVerdict& verdict);
  bool ReviewOnce(Landed& landed, PatchVerdict& verdict);
  static void Drop(size_t index, Landed& landed);
  void Refuse(size_t index, const std::string& reason, Landed& landed, PatchVerdict& verdict);
  std::string NoAncestor(const FileChange& file, int strip, Landed& landed, PatchVerdict& verdict);
  Result<std::string> Create(const FileChange& file, int strip, PatchFiles& files,
                             PatchVerdict& verdict);
  Result<std::string> Delete(const FileChange& file, int strip, const std::string& to,
                             const Text& before, PatchFiles& files, PatchVerdict& verdict);
  void Metadata(const FileChange& file, int strip, const std::string& to, const TreeFile& before,
                PatchFiles& files, PatchVerdict& verdict);
  Result<void> Write(Landed& landed, PatchFiles& files, PatchVerdict& verdict);
  void Show(const PatchFiles& files, PatchVerdict& verdict);
  void Resolve(PatchFiles& files, Patch& patch, PatchVerdict& verdict);

  const RebaseInput& input_;
  std::shared_ptr<const Tree> base_;
  MemoryTree ancestor_;  ///< the base with the patches so far
  Renames renames_;
  std::unordered_map<std::string, std::vector<Missing>> missing_;  ///< by their line
  RebaseOutcome outcome_;
};

}  // namespace restack
