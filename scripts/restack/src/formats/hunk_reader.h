// SPDX-License-Identifier: GPL-2.0-or-later
// Hunks of unified, context and normal diffs, read as GNU patch reads them (its pch.c, another_hunk).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "restack/patch.h"
#include "restack/text.h"

namespace restack {

class HunkReader {
 public:
  /// `lines` are views into `bytes`; only the first `whole` of them end in a newline. The others:
  /// what stands before each line of this diff.
  HunkReader(std::shared_ptr<const std::string> bytes, const Lines& lines, size_t whole,
             FileChange::Format format, size_t indent, int nesting, bool strip_cr)
      : bytes_(std::move(bytes)),
        lines_(lines),
        whole_(whole),
        format_(format),
        indent_(indent),
        nesting_(nesting),
        strip_cr_(strip_cr) {}

  /// All hunks from line `at` on. False: error() says why, line() where.
  bool Read(size_t at, std::vector<Hunk>& hunks);
  /// The first line behind them, or the one with the error.
  size_t line() const { return at_; }
  const std::string& error() const { return error_; }

 private:
  /// A line of a context diff's side.
  struct SideLine {
    char mark;
    std::string_view text;
  };

  bool Comment(size_t at) const;
  bool Next();
  std::string_view Peek();
  bool EndsWithout(std::string_view& text);
  bool Fail(size_t at, std::string why);
  bool Unified(Hunk& hunk);
  bool Context(Hunk& hunk);
  bool ContextSide(size_t count, bool old_side, bool may_be_missing, std::vector<SideLine>& side,
                   bool& missing);
  bool Merge(std::vector<SideLine> from, std::vector<SideLine> to, Hunk& hunk);
  bool Normal(Hunk& hunk);
  bool HasContent(const Hunk& hunk) const;

  std::shared_ptr<const std::string> bytes_;
  const Lines& lines_;
  size_t whole_;
  FileChange::Format format_;
  size_t indent_;
  int nesting_;
  bool strip_cr_;
  size_t at_ = 0, head_ = 0;
  std::string_view text_;                                        ///< the line that Next() read
  std::vector<std::shared_ptr<const std::string>> copies_;       ///< without their CR
  std::string error_;
};

}  // namespace restack
