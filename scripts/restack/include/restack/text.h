// SPDX-License-Identifier: GPL-2.0-or-later
/// A file's bytes as lines.
#pragma once

#include <memory>
#include <mutex>
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

/// Immutable bytes, or a part of them, with a shared owner; cheap to copy.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::string bytes)  // NOLINT: converts
      : owner_(std::make_shared<const std::string>(std::move(bytes))), view_(*owner_) {}
  Bytes(std::string_view bytes) : Bytes(std::string(bytes)) {}  // NOLINT: converts
  Bytes(const char* bytes) : Bytes(std::string(bytes)) {}       // NOLINT: converts
  /// `part` lies in what `owner` points to.
  Bytes(std::shared_ptr<const std::string> owner, std::string_view part)
      : owner_(std::move(owner)), view_(part) {}

  operator std::string_view() const { return view_; }  // NOLINT: converts
  std::string_view view() const { return view_; }
  bool empty() const { return view_.empty(); }
  size_t size() const { return view_.size(); }
  const std::shared_ptr<const std::string>& owner() const { return owner_; }
  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view_ == b.view_; }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view view_;
};

/// Immutable content with its lines; cheap to copy.
class Text {
 public:
  Text() : Text(std::string()) {}
  explicit Text(std::string bytes);
  const std::string& bytes() const { return shared_->bytes; }
  /// Split when first asked for, by whichever thread does.
  const Lines& lines() const;
  size_t size() const { return lines().size(); }
  bool empty() const { return shared_->bytes.empty(); }
  std::string_view operator[](size_t line) const { return lines()[line]; }
  /// The bytes with an owner of their own, for views that outlive the text.
  std::shared_ptr<const std::string> share() const { return {shared_, &shared_->bytes}; }

 private:
  struct Shared {
    std::string bytes;
    std::once_flag split;
    Lines lines;
  };
  std::shared_ptr<Shared> shared_;
};

}  // namespace restack
