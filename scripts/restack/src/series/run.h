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

#include "formats/patch_writer.h"
#include "renames.h"
#include "restack/apply.h"
#include "restack/patch.h"
#include "restack/rebase.h"
#include "landing/side.h"

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
    Text after;  ///< the base's file with all of the patch
    bool needs_edit = false;  ///< of a conflict, as in Landing
  };
  /// What one patch changes, collected before any of it is written.
  struct Landed {
    const Patch& patch;
    int strip;
    /// The ancestor before git's changes in a row; only for patches that rename or copy.
    std::optional<MemoryTree> start = std::nullopt;
    bool in_git = false;
    PatchFiles files = {};
    PatchVerdict verdict = {};
    std::vector<Moved> moved = {};  ///< of each file of the patch so far, its paths in the target
    std::map<std::string, std::vector<Replacement>> parts = {};
    std::map<std::string, std::shared_ptr<const Side>> sides = {};
    std::map<std::string, std::pair<Text, std::vector<std::pair<Edit, std::string>>>>
        conflicts = {};  ///< by target path
    std::deque<PlacedHunk> hunks = {};
    std::map<size_t, Origin> origins = {};  ///< by the index of the hunk's verdict
    std::set<std::string> touched = {};  ///< paths of the base and the target, by the files so far
    std::set<std::string> written = {};  ///< new names of renames and copies
  };

  /// Files that patches of the series make.
  static std::set<std::string> Made(const Series& series);
  Result<void> One(size_t index);
  /// What stands in the target now, with what this patch has done so far.
  Result<std::optional<TreeFile>> Now(const std::string& path, const Landed& landed) const;
  std::optional<TreeFile> Ancestor(const FileChange& file, int strip, Target& target,
                                   std::string& evidence);
  std::shared_ptr<const Side> Open(const std::string& path, Landed& landed);
  HunkVerdict Begin(const std::string& path, size_t number, const Hunk* hunk) const;
  Result<Moved> LandFile(const FileChange& file, Landed& landed);
  void LandHunks(const FileChange& file, const Places& places,
                 const std::shared_ptr<const Side>& base,
                 const std::shared_ptr<const Side>& target, const std::string& expected,
                 const std::string& evidence, Landed& landed);
  void Note(const Origin& origin, Landed& landed, HunkVerdict& verdict,
            const std::vector<Edit>& failed);
  std::string GoneHeader(const Landing& landing) const;
  void Overlaps(Landed& landed);
  void Review(Landed& landed);
  bool ReviewOnce(Landed& landed);
  static bool OnlyNeedsEdit(const HunkVerdict& hunk, const Origin& origin, const Landed& landed);
  static void Drop(size_t index, Landed& landed);
  void TakeBack(size_t index, const std::string& reason, Landed& landed);
  void Refuse(const FileChange& file, const std::string& path, const std::string& reason,
              Landed& landed);
  Result<Moved> NoAncestor(const FileChange& file, const Target& target, Landed& landed);
  Result<Moved> Create(const FileChange& file, const std::string& path, Landed& landed);
  Result<Moved> Delete(const FileChange& file, const std::string& from, const std::string& to,
                       const Text& before, Landed& landed);
  Result<Moved> Move(const FileChange& file, const Target& target, const TreeFile& before,
                     const std::string& evidence, Landed& landed);
  Result<void> Mode(const FileChange& file, const std::string& path, const std::string& to,
                    unsigned before, Landed& landed);
  Result<void> Write(Landed& landed);
  void Show(const PatchFiles& files, PatchVerdict& verdict);
  void Resolve(const Patch& patch, PatchFiles& files, PatchVerdict& verdict);

  const RebaseInput& input_;
  std::shared_ptr<const Tree> base_;
  MemoryTree ancestor_;  ///< the base with the patches so far
  Renames renames_;
  std::unordered_map<std::string, std::vector<Missing>> missing_;  ///< by their line
  RebaseOutcome outcome_;
};

/// It reads one file and makes another.
inline bool Moves(const FileChange& file) { return file.kind == FileChange::Kind::kRename || file.kind == FileChange::Kind::kCopy; }
/// Whether two modes are of the same type of file; 0 is that of a regular file.
inline bool SameType(unsigned a, unsigned b) {
  return ((a & 0170000) == 0120000) == ((b & 0170000) == 0120000);
}
/// Whether the change applies to the text, and empties it when it deletes the file.
bool Fits(const FileChange& file, const Text& text);

}  // namespace restack
