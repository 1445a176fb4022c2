// SPDX-License-Identifier: GPL-2.0-or-later
// A file as the landing code looks at it, and what landing makes of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "restack/merge.h"
#include "restack/outline.h"
#include "restack/patch.h"
#include "restack/text.h"
#include "restack/verdict.h"

namespace restack {

/// Lines without blank ones and without any white space, with their positions.
struct Squeezed {
  std::vector<std::string> text;
  std::vector<size_t> at;
  /// The positions in `text` of each line. Made for a whole file only, which is searched often.
  std::unordered_map<std::string_view, std::vector<size_t>> places = {};

  size_t Count(const std::string& line) const;
};

struct Side {
  std::string path;
  Text text;
  std::vector<Scope> scopes;

  /// All of it. Made once: it is asked for with each hunk, as all that follows.
  const Squeezed& squeezed() const;
  /// Where the lines stand as a run: the first line of each place.
  std::vector<size_t> FindRun(const std::vector<std::string_view>& run) const;
  /// Its scopes of that kind and name, in order.
  std::vector<const Scope*> Find(Scope::Kind kind, const std::string& name) const;
  /// The preprocessor's conditions before the line.
  const std::vector<std::string>& Conditions(size_t line) const;
  /// The line of [begin, end) that is most like `line`, or "": for saying what became of it.
  std::string MostLike(std::string_view line, size_t begin, size_t end) const;

  struct Facts;
  mutable std::shared_ptr<Facts> facts = nullptr;  ///< of `text`; not for two threads
};

/// Lines [begin, end) of a target file become `text`.
struct Replacement {
  std::string path;
  size_t begin, end;
  std::string text;
  size_t hunk = 0;  ///< whose it is: its index among the verdicts of the patch
};

/// A run of changed lines of a hunk: lines [begin, end) of the base become `added`.
struct Edit {
  size_t begin, end;
  Lines added;
  size_t alike = 1;  ///< edits of the patch that add the same lines in the same scope, it included
};

/// A hunk in the text that it was made on: `place` is its first line there, `edits` the runs of
/// lines that it changes.
struct PlacedHunk {
  PlacedHunk(Hunk hunk, size_t at);
  PlacedHunk(const PlacedHunk&) = delete;
  PlacedHunk& operator=(const PlacedHunk&) = delete;

  Hunk hunk;
  size_t place;
  std::vector<Edit> edits;  ///< views into `hunk` and its text
};

/// What became of an edit or of a hunk.
struct Landing {
  Grade grade = Grade::kConflict;
  std::vector<Replacement> parts;
  std::string path, scope, reason;
  std::vector<Edit> failed;  ///< of a conflict: the edits that are not landed; the others are
  /// Of a conflict: the place is known, and what stands there now is not the change in other words.
  bool needs_edit = false;
};

inline Landing Failed(std::string reason) {
  return {Grade::kConflict, {}, {}, {}, std::move(reason), {}};
}
inline Landing NeedsEdit(std::string reason) {
  return {Grade::kConflict, {}, {}, {}, std::move(reason), {}, true};
}

/// "`line`", shortened to fit into a message.
std::string Quote(std::string_view line);
Squeezed SqueezeLines(const Lines& lines, size_t begin, size_t end);
/// Where `needle` is in `hay` as a run; positions in hay.text.
std::vector<size_t> FindRun(const Squeezed& hay, const Squeezed& needle);
/// The added lines, moved by as much as `there` is indented otherwise than `here`.
std::string Reindent(const Lines& added, std::string_view here, std::string_view there);

}  // namespace restack
