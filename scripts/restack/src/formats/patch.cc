// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/patch.h"

#include <algorithm>
#include <charconv>

#include "restack/text.h"

namespace restack {
namespace {

/// A name in a ---, +++ or rename line: up to a tab; C quotes as git writes them.
std::string ReadPath(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (!text.empty() && text.front() == '"') {
    std::string path;
    for (size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] != '\\' || i + 1 >= text.size()) {
        path += text[i];
      } else if (text[++i] >= '0' && text[i] <= '3' && i + 2 < text.size()) {
        path +=
            static_cast<char>((text[i] - '0') * 64 + (text[i + 1] - '0') * 8 + (text[i + 2] - '0'));
        i += 2;
      } else {
        path += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
      }
    }
    return path == "/dev/null" ? "" : path;
  }
  text = text.substr(0, text.find('\t'));
  return text == "/dev/null" ? std::string() : std::string(text);
}

bool ReadNumber(std::string_view& text, size_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number > 1u << 30) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool Skip(std::string_view& text, std::string_view what) {
  if (!StartsWith(text, what)) return false;
  text.remove_prefix(what.size());
  return true;
}

/// @@ -start[,count] +start[,count] @@[section]
bool ReadHunkHeader(std::string_view line, Hunk& hunk) {
  std::string_view rest = line;
  hunk.old_count = hunk.new_count = 1;
  if (!Skip(rest, "@@ -") || !ReadNumber(rest, hunk.old_start)) return false;
  if (Skip(rest, ",") && !ReadNumber(rest, hunk.old_count)) return false;
  if (!Skip(rest, " +") || !ReadNumber(rest, hunk.new_start)) return false;
  if (Skip(rest, ",") && !ReadNumber(rest, hunk.new_count)) return false;
  if (!Skip(rest, " @@")) return false;
  hunk.section = rest;
  while (!hunk.section.empty() && (hunk.section.back() == '\n' || hunk.section.back() == '\r'))
    hunk.section.pop_back();
  hunk.header = line;
  return true;
}

class Parser {
 public:
  Parser(std::string_view bytes, std::string name) : lines_(SplitLines(bytes)) {
    patch_.name = std::move(name);
  }

  Result<Patch> Run() {
    std::string text;
    while (at_ < lines_.size()) {
      if (StartsWith(lines_[at_], "diff --git ") && IsGitHeader()) {
        Begin(text);
        ReadGitHeader();
      } else if (IsPlainHeader(at_)) {
        Begin(text);
        ReadNames();
      } else {
        text += lines_[at_++];
        continue;
      }
      if (!ReadHunks()) return Error{std::move(error_)};
      Finish();
    }
    (patch_.files.empty() ? patch_.header : patch_.trailer) = std::move(text);
    return std::move(patch_);
  }

 private:
  bool IsPlainHeader(size_t at) const {
    return at + 2 < lines_.size() && StartsWith(lines_[at], "--- ") &&
           StartsWith(lines_[at + 1], "+++ ") && StartsWith(lines_[at + 2], "@@ -");
  }
  /// A line of a description may begin with "diff --git", too: then none of git's header lines
  /// follows.
  bool IsGitHeader() const { return IsExtended(at_ + 1) || IsPlainHeader(at_ + 1); }
  bool IsExtended(size_t at) const {
    static constexpr std::string_view kHeads[] = {"old mode ",
                                                  "new mode ",
                                                  "deleted file mode ",
                                                  "new file mode ",
                                                  "copy from ",
                                                  "copy to ",
                                                  "rename from ",
                                                  "rename to ",
                                                  "similarity index ",
                                                  "dissimilarity index ",
                                                  "index "};
    return at < lines_.size() &&
           std::any_of(std::begin(kHeads), std::end(kHeads),
                       [&](std::string_view head) { return StartsWith(lines_[at], head); });
  }

  void Begin(std::string& text) {
    FileChange file;
    (patch_.files.empty() ? patch_.header : file.before) = std::move(text);
    text.clear();
    patch_.files.push_back(std::move(file));
  }

  void ReadNames() {
    FileChange& file = patch_.files.back();
    file.old_path = ReadPath(lines_[at_].substr(4));
    file.new_path = ReadPath(lines_[at_ + 1].substr(4));
    file.header += lines_[at_++];
    file.header += lines_[at_++];
  }

  void ReadGitHeader() {
    FileChange& file = patch_.files.back();
    ReadGitNames(lines_[at_]);
    file.header += lines_[at_++];
    for (; IsExtended(at_); ++at_) {
      std::string_view line = lines_[at_], rest = line;
      auto mode = [&] {
        return static_cast<unsigned>(strtoul(std::string(Trim(rest)).c_str(), nullptr, 8));
      };
      if (Skip(rest, "old mode ")) file.old_mode = mode();
      if (Skip(rest, "new mode ")) file.new_mode = mode();
      if (Skip(rest, "deleted file mode "))
        file.old_mode = mode(), file.kind = FileChange::Kind::kDelete;
      if (Skip(rest, "new file mode "))
        file.new_mode = mode(), file.kind = FileChange::Kind::kCreate;
      if (Skip(rest, "rename from "))
        named_ = true, from_ = ReadPath(rest), file.kind = FileChange::Kind::kRename;
      if (Skip(rest, "copy from "))
        named_ = true, from_ = ReadPath(rest), file.kind = FileChange::Kind::kCopy;
      if (Skip(rest, "rename to ") || Skip(rest, "copy to ")) to_ = ReadPath(rest);
      if (Skip(rest, "index ")) {
        size_t dots = rest.find("..");
        size_t end = rest.find_first_of(" \r\n");
        if (dots != std::string_view::npos && (end == std::string_view::npos || dots < end)) {
          file.old_id = rest.substr(0, dots);
          file.new_id = rest.substr(dots + 2, end == std::string_view::npos ? end : end - dots - 2);
          if (end != std::string_view::npos && rest[end] == ' ') {
            rest.remove_prefix(end + 1);
            file.old_mode = file.new_mode = mode();
          }
        }
      }
      file.header += line;
    }
    if (named_) {  // as a/ and b/ paths, so that -p1 is the same for all
      file.old_path = "a/" + from_;
      file.new_path = "b/" + to_;
      named_ = false;
    }
    if (IsPlainHeader(at_)) ReadNames();
    if (at_ < lines_.size() &&
        (StartsWith(lines_[at_], "GIT binary patch") || StartsWith(lines_[at_], "Binary files "))) {
      bool literal = StartsWith(lines_[at_], "GIT");
      file.binary += lines_[at_++];
      for (; literal && at_ < lines_.size(); ++at_) {
        std::string_view line = lines_[at_];
        // literal N, delta N, encoded lines, and the blank line that ends each part
        bool head = StartsWith(line, "literal ") || StartsWith(line, "delta ");
        bool encoded = line.size() > 2 && line.find(' ') == std::string_view::npos;
        if (!head && !encoded && Trim(line) != "") break;
        file.binary += line;
      }
    }
  }

  /// diff --git a/X b/X: needed when neither --- nor rename lines follow (a mode, an empty or a
  /// binary file).
  void ReadGitNames(std::string_view line) {
    FileChange& file = patch_.files.back();
    line.remove_prefix(std::string_view("diff --git ").size());
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (!line.empty() && line.front() == '"') {
      size_t middle = line.find("\" \"");
      if (middle == std::string_view::npos) return;
      file.old_path = ReadPath(line.substr(0, middle + 1));
      file.new_path = ReadPath(line.substr(middle + 2));
      return;
    }
    // Both names are the same but for their first folder.
    size_t half = line.size() / 2;
    if (line.size() % 2 == 1 && line[half] == ' ') {
      file.old_path = line.substr(0, half);
      file.new_path = line.substr(half + 1);
    } else if (size_t space = line.find(' '); space != std::string_view::npos) {
      file.old_path = line.substr(0, space);
      file.new_path = line.substr(space + 1);
    }
  }

  bool ReadHunks() {
    while (at_ < lines_.size() && StartsWith(lines_[at_], "@@ -")) {
      Hunk hunk;
      if (!ReadHunkHeader(lines_[at_], hunk)) return Fail(at_, "this hunk header cannot be read");
      size_t head = at_++;
      size_t old_left = hunk.old_count, new_left = hunk.new_count;
      while (old_left > 0 || new_left > 0) {
        if (at_ == lines_.size()) {
          // GNU diff's last empty context lines may have been cut off by an editor; patch accepts
          // that.
          return Fail(head, "the file ends within this hunk");
        }
        std::string_view raw = lines_[at_];
        HunkLine line;
        line.raw = raw;
        bool stripped =
            raw == "\n" || raw == "\r\n";  // an editor removed the space of an empty context line
        line.kind = stripped ? ' ' : raw.front();
        line.text = stripped ? raw : raw.substr(1);
        bool old_side = line.kind != '+', new_side = line.kind != '-';
        if ((line.kind != ' ' && line.kind != '+' && line.kind != '-') ||
            (old_side && old_left == 0) || (new_side && new_left == 0))
          return Fail(at_, "this line does not fit the numbers of the hunk at line " +
                               std::to_string(head + 1));
        old_left -= old_side;
        new_left -= new_side;
        ++at_;
        if (at_ < lines_.size() && StartsWith(lines_[at_], "\\")) {
          if (!line.text.empty() && line.text.back() == '\n') line.text.pop_back();
          line.raw += lines_[at_++];
        }
        hunk.lines.push_back(std::move(line));
      }
      patch_.files.back().hunks.push_back(std::move(hunk));
    }
    return true;
  }

  void Finish() {
    using Kind = FileChange::Kind;
    FileChange& file = patch_.files.back();
    if (file.kind != Kind::kModify) {
      if (file.kind == Kind::kCreate) file.old_path.clear();
      if (file.kind == Kind::kDelete) file.new_path.clear();
      return;
    }
    // Without git's header lines, a date of 1970 or a side without lines says it as well as
    // /dev/null.
    if (file.old_path.empty()) file.kind = Kind::kCreate;
    if (file.new_path.empty()) file.kind = Kind::kDelete;
    if (file.hunks.size() == 1 && file.kind == Kind::kModify && file.old_id.empty()) {
      const Hunk& hunk = file.hunks[0];
      bool epoch_old = file.header.find("\t1970-01-01") < file.header.find("\n+++ ");
      if (hunk.old_start == 0 && hunk.old_count == 0 && epoch_old) file.kind = Kind::kCreate;
    }
  }

  bool Fail(size_t line, const std::string& why) {
    error_ = patch_.name + ":" + std::to_string(line + 1) + ": " + why;
    return false;
  }

  Lines lines_;
  size_t at_ = 0;
  Patch patch_;
  std::string error_, from_, to_;
  bool named_ = false;
};

std::string Strip(const std::string& path, int strip) {
  size_t at = 0;
  for (; strip > 0; --strip) {
    size_t slash = path.find('/', at);
    if (slash == std::string::npos) return path.substr(at);
    at = slash + 1;
    while (at < path.size() && path[at] == '/') ++at;
  }
  return path.substr(at);
}

std::string PrintRange(size_t start, size_t count) {
  return std::to_string(start) + (count == 1 ? "" : "," + std::to_string(count));
}

}  // namespace

std::vector<std::string_view> Hunk::Old() const {
  std::vector<std::string_view> side;
  for (const HunkLine& line : lines)
    if (line.kind != '+') side.push_back(line.text);
  return side;
}

std::vector<std::string_view> Hunk::New() const {
  std::vector<std::string_view> side;
  for (const HunkLine& line : lines)
    if (line.kind != '-') side.push_back(line.text);
  return side;
}

std::string FileChange::Path(int strip) const {
  return Strip(new_path.empty() ? old_path : new_path, strip);
}
std::string FileChange::OldPath(int strip) const {
  return Strip(old_path.empty() ? new_path : old_path, strip);
}

Result<Patch> ParsePatch(std::string_view bytes, std::string name) {
  return Parser(bytes, std::move(name)).Run();
}

std::string Print(const Hunk& hunk) {
  std::string text = !hunk.header.empty() ? hunk.header
                                          : "@@ -" + PrintRange(hunk.old_start, hunk.old_count) +
                                                " +" + PrintRange(hunk.new_start, hunk.new_count) +
                                                " @@" + hunk.section + "\n";
  for (const HunkLine& line : hunk.lines) {
    if (!line.raw.empty()) {
      text += line.raw;
      continue;
    }
    text += line.kind + line.text;
    if (line.text.empty() || line.text.back() != '\n') text += "\n\\ No newline at end of file\n";
  }
  return text;
}

std::string Print(const Patch& patch) {
  std::string text = patch.header;
  for (const FileChange& file : patch.files) {
    text += file.before + file.header + file.binary;
    for (const Hunk& hunk : file.hunks) text += Print(hunk);
  }
  return text + patch.trailer;
}

}  // namespace restack
