// SPDX-License-Identifier: GPL-2.0-or-later
// Landing the hunks of one file of a patch in the target.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "restack/patch.h"
#include "restack/tree.h"
#include "side.h"

namespace restack {

/// Files of the target as the hunks of one patch see them.
using OpenSide = std::function<std::shared_ptr<const Side>(const std::string& path)>;
/// The file that a function of `from` is in when it has left: the user's map first, then the
/// target's index.
using FindFunction =
    std::function<std::vector<std::string>(const std::string& function, const std::string& from)>;

/// The one file, written in the language of `from`, that defines the function in the target when
/// none does in the base; "" otherwise.
using FindGained = std::function<std::string(const std::string& function, const std::string& from)>;

class Lander {
 public:
  /// `edits`: all of the patch in this file.
  Lander(std::shared_ptr<const Side> base, std::shared_ptr<const Side> target,
         std::vector<Edit> edits, OpenSide open, FindFunction find, FindGained gained)
      : base_(std::move(base)),
        target_(std::move(target)),
        edits_(std::move(edits)),
        open_(std::move(open)),
        find_(std::move(find)),
        gained_(std::move(gained)) {
    if (target_) map_ = MapLines(base_->text.bytes(), base_->text.size(), target_->text.bytes());
  }

  Landing Land(const PlacedHunk& hunk) const;

 private:
  Landing Place(const PlacedHunk& hunk) const;
  std::string Doubt(const PlacedHunk& hunk, const Landing& landing) const;
  bool Gained(const std::vector<Edit>& edits) const;
  std::optional<Landing> InAnotherFile(const Edit& edit) const;
  std::string GoneVariable(const Hunk& hunk, const Side& target) const;
  bool AroundFile(const std::string& condition) const;
  std::string OtherCondition(const std::vector<Edit>& edits, const Landing& landing) const;
  std::optional<Landing> Exact(const PlacedHunk& hunk) const;
  std::optional<Landing> ThreeWay(const PlacedHunk& hunk) const;
  Landing ByEdits(const std::vector<Edit>& edits) const;
  std::string Twice(const std::vector<Edit>& edits, const Landing& landing) const;
  Landing WithoutDoubles(Landing landing) const;
  Landing LandEdit(const Edit& edit) const;
  Edit Slid(const Edit& edit) const;
  size_t Alike(const Edit& edit, const Scope* scope) const;
  const Scope* BaseScope(const Edit& edit) const;
  const Scope* SameScope(const Scope& scope) const;
  const Scope* LikeScope(const Scope& scope) const;
  const Scope* FindLikeScope(const Scope& scope) const;
  const Scope* Renamed(const Scope& scope) const;
  bool ScopesAgree(size_t base_line, size_t target_line) const;
  std::string ScopeTitle(size_t target_line) const;

  std::shared_ptr<const Side> base_, target_;
  std::vector<Edit> edits_;
  OpenSide open_;
  FindFunction find_;
  FindGained gained_;
  LineMap map_;
  /// How many edits add the same lines in a scope; which scope of the target is like one. Asked
  /// for each edit.
  mutable std::map<std::pair<const Scope*, std::string>, size_t> alike_;
  mutable std::map<const Scope*, const Scope*> like_;
  mutable std::map<std::string, bool> around_;  ///< what AroundFile() has answered
};

}  // namespace restack
