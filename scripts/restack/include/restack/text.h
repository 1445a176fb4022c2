// SPDX-License-Identifier: GPL-2.0-or-later
/// A file's bytes as lines.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace restack {

/// Lines keep their terminator ("\n", "\r\n"), so equal lines are equal bytes and a missing newline
/// at the end of a file is a difference like any other.
using Lines = std::vector<std::string_view>;

/// Views into `bytes`, which must outlive them. No lines for no bytes.
Lines SplitLines(std::string_view bytes);
std::string Join(const Lines& lines, size_t begin = 0, size_t end = std::string::npos);

/// Without white space at both ends.
std::string_view Trim(std::string_view text);
bool IsBlank(std::string_view line);
bool StartsWith(std::string_view text, std::string_view prefix);
bool EndsWith(std::string_view text, std::string_view suffix);
/// A line that says something by itself: neither blank nor only braces, `else`, `break;` and the
/// like, which occur everywhere. Only such lines are evidence of a place.
bool IsSignificant(std::string_view line);
/// All white space removed: for comparing what may have been indented again.
std::string Squeeze(std::string_view line);
/// The part of a path after its last slash; the part before it ("" without one).
std::string_view BaseName(std::string_view path);
std::string_view DirName(std::string_view path);

/// Immutable content with its lines; cheap to copy.
class Text {
 public:
  Text() : Text(std::string()) {}
  explicit Text(std::string bytes);
  const std::string& bytes() const { return shared_->bytes; }
  const Lines& lines() const { return shared_->lines; }
  size_t size() const { return shared_->lines.size(); }
  std::string_view operator[](size_t line) const { return shared_->lines[line]; }
  /// The bytes with an owner of their own, for views that outlive the text.
  std::shared_ptr<const std::string> share() const { return {shared_, &shared_->bytes}; }

 private:
  struct Shared {
    std::string bytes;
    Lines lines;
  };
  std::shared_ptr<const Shared> shared_;
};

}  // namespace restack
