// SPDX-License-Identifier: GPL-2.0-or-later
// One edit in one pair of scopes: what anchor.cc asks of it.
#pragma once

#include <string>
#include <string_view>

#include "restack/merge.h"
#include "side.h"

namespace restack {

class InScope {
 public:
  InScope(const Edit& edit, const Side& base, const Scope& from, const Side& target,
          const Scope& to, const LineMap* map)
      : edit_(edit),
        base_side_(base),
        target_side_(target),
        base_(base.text.lines()),
        target_(target.text.lines()),
        from_(from),
        to_(to),
        path_(target.path),
        map_(map ? *map : own_),
        first_(map ? 0 : from.lead) {
    if (map) return;
    own_ = MapLines(Join(base_, from.lead, from.end), from.end - from.lead,
                    Join(target_, to.lead, to.end));
    for (size_t& line : own_)
      if (line != kNowhere) line += to.lead;
  }
  InScope(const InScope&) = delete;
  InScope& operator=(const InScope&) = delete;

  Landing Run();

 private:
  Landing At(Grade grade, size_t begin, size_t end, std::string text, std::string reason) const {
    return {grade, {{path_, begin, end, std::move(text)}}, path_, to_.Title(), std::move(reason),
            {}};
  }
  /// The target's line that is a line of the base, or kNowhere.
  size_t Mapped(size_t line) const {
    return line < first_ || line - first_ >= map_.size() ? kNowhere : map_[line - first_];
  }
  bool Present(Landing& landing) const;
  bool Gone() const;
  size_t Apart(const Squeezed& here, const Squeezed& there, const Squeezed& removed) const;
  bool Beside(const Squeezed& there, const Squeezed& added, const std::vector<size_t>& runs) const;
  /// The nearest line that is not blank.
  size_t Above(size_t line) const;
  size_t Below(size_t line) const;
  std::string Text() const { return Join(edit_.added); }
  Landing Replace() const;
  std::optional<Landing> Append() const;
  static bool StartsMember(std::string_view line);
  std::optional<Landing> Reworded() const;
  Landing Insert() const;
  size_t FirstSignificant(size_t begin, size_t end) const;
  bool Cases(size_t begin, size_t end) const;
  std::string NoNeighbour() const;
  bool Declarations() const;
  Landing AfterDeclarations() const;
  bool Ends(size_t end) const;
  size_t MemberEnd(size_t member) const;
  size_t FindMember(const std::string& key) const;
  Landing InsertInList(size_t above, size_t below) const;

  static const Squeezed& LinesOf(const Side& side, const Scope& scope, Squeezed& made);

  const Edit& edit_;
  const Side& base_side_;
  const Side& target_side_;
  const Lines& base_;
  const Lines& target_;
  const Scope& from_;
  const Scope& to_;
  const std::string& path_;
  LineMap own_;  ///< of this scope's lines only
  const LineMap& map_;
  size_t first_;  ///< the line of the base that map_ begins with
};

}  // namespace restack
