// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/patch.h"

#include <algorithm>
#include <charconv>

#include "hunk_reader.h"
#include "patch_header.h"
#include "restack/text.h"

namespace restack {
namespace {

/// Columns of indentation: a diff in a mail or a changelog may stand further right.
size_t Indent(std::string_view line, std::string_view& rest) {
  size_t columns = 0, at = 0;
  for (; at < line.size(); ++at) {
    if (line[at] == '\t')
      columns = (columns + 8) & ~size_t{7};
    else if (line[at] == ' ' || line[at] == 'X')
      ++columns;
    else
      break;
  }
  rest = line.substr(at);
  return columns;
}

/// An ed command as GNU patch knows them; normal diffs have more line numbers behind the letter.
bool IsEdCommand(std::string_view line) {
  size_t at = 0;
  bool pair = false;
  auto digits = [&] {
    size_t from = at;
    while (at < line.size() && line[at] >= '0' && line[at] <= '9') ++at;
    return at > from;
  };
  if (digits() && at < line.size() && line[at] == ',') {
    ++at;
    if (!digits()) return false;
    pair = true;
  }
  if (at >= line.size()) return false;
  char letter = line[at++];
  if (letter == 's') {
    if (!line.substr(at).starts_with("/.//")) return false;
    at += 4;
  } else if (letter != 'c' && letter != 'd' && (pair || (letter != 'a' && letter != 'i'))) {
    return false;
  }
  while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
  return at < line.size() && line[at] == '\n';
}

bool IsNormalCommand(std::string_view line) {
  size_t at = 0;
  auto numbers = [&] {
    while (at < line.size() && ((line[at] >= '0' && line[at] <= '9') || line[at] == ',')) ++at;
  };
  if (line.empty() || line[0] < '0' || line[0] > '9') return false;
  numbers();
  if (at >= line.size() || (line[at] != 'd' && line[at] != 'c' && line[at] != 'a')) return false;
  ++at;
  numbers();
  while (at < line.size() && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r')) ++at;
  return at < line.size() && line[at] == '\n';
}

class Parser {
 public:
  Parser(const Bytes& bytes, std::string name)
      : bytes_(bytes.owner()), lines_(SplitLines(bytes)) {
    patch_.name = std::move(name);
    // For GNU patch, text after the last newline is not a line.
    whole_ = lines_.size();
    if (whole_ > 0 && !lines_.back().ends_with('\n')) --whole_;
  }

  Result<Patch> Run() {
    size_t base = 0;
    while (true) {
      Found found = Search(base);
      if (!error_.empty()) return Error{std::move(error_)};
      if (!found.any) break;
      if (std::string what = Contradiction(found.header); !what.empty())
        return Error{patch_.name + ":" + std::to_string(std::min(found.git_line, found.start) + 1) +
                     ": " + what};
      size_t header = HeaderBegin(base, found);
      FileChange file = Change(found);
      (patch_.files.empty() ? patch_.header : file.before) = Join(lines_, base, header);
      Ignored(base, header);
      file.header = Join(lines_, header, found.start);
      base = found.start;
      if (found.header.binary) {
        base = EndOfBinary(found.start);
        file.binary = Join(lines_, found.start, base);
      } else if (found.hunks) {
        HunkReader reader(bytes_, lines_, whole_, file.format, found.indent,
                          found.header.nesting, found.header.strip_cr);
        if (!reader.Read(found.start, file.hunks)) {
          return Error{patch_.name + ":" + std::to_string(reader.line() + 1) + ": " +
                       reader.error()};
        }
        base = reader.line();
      }
      Finish(found, file);
      patch_.files.push_back(std::move(file));
    }
    (patch_.files.empty() ? patch_.header : patch_.trailer) = Join(lines_, base);
    Ignored(base, lines_.size());
    return std::move(patch_);
  }

 private:
  struct Found {
    bool any = false, hunks = false;
    FileChange::Format format = FileChange::Format::kUnified;
    size_t start = 0;   ///< line of the first hunk, or after the headers
    size_t indent = 0;
    size_t git_line = std::string::npos;  ///< of `diff --git`
    size_t name_line = std::string::npos; ///< of the first of the names that count
    PatchHeader header;
  };

  /// The next change at or behind a line.
  Found Search(size_t base) {
    Found found;
    size_t last_name[3] = {std::string::npos, std::string::npos, std::string::npos};
    size_t indent = 0, command = std::string::npos;
    bool stars = false, is_command = false, ed = false;
    auto finish = [&](size_t start, bool hunks) {
      found.any = true;
      found.hunks = hunks;
      found.start = start;
      for (size_t line : {last_name[0], last_name[1]}) found.name_line = std::min(found.name_line, line);
    };
    for (size_t at = base; at < whole_; ++at) {
      if (lines_[at].starts_with('#')) continue;
      size_t indent_before = indent;
      bool was_stars = stars, was_command = is_command;
      std::string_view line;
      indent = Indent(lines_[at], line);
      is_command = IsNormalCommand(line);
      if (!found.header.need_header && command == std::string::npos &&
          (is_command || IsEdCommand(line)))
        command = at, ed = IsEdCommand(line);
      std::array<size_t, 3> had;
      for (size_t i = 0; i < 3; ++i) had[i] = found.header.names[i].size();
      if (!was_stars && line.starts_with("*** ")) {
        found.header.TakeOldName(line.substr(4));
      } else if (line.starts_with("diff --git ")) {
        if (found.header.extended) return finish(at, false), found;
        found.header.Take(line);
        found.git_line = at;
        for (size_t& name : last_name) name = std::string::npos;
      } else {
        found.header.Take(line);
        if (found.header.binary) return finish(at, false), found;
      }
      for (size_t i = 0; i < 3; ++i)
        if (found.header.names[i].size() > had[i]) last_name[i] = at;
      if (found.header.need_header) continue;
      if (command != std::string::npos && line == ".\n") return Ed(command), found;
      if (line.starts_with("@@ -")) {
        found.indent = indent;
        found.header.Swap();
        finish(at, true);
        return found;
      }
      stars = line.starts_with("********");
      if (was_stars && indent_before == indent && line.starts_with("*** ")) {
        found.format = FileChange::Format::kContext;
        found.indent = indent;
        found.header.strip_cr = lines_[at].ends_with("\r\n");
        finish(at - 1, true);
        return found;
      }
      if (was_command && (line.starts_with("< ") || line.starts_with("> "))) {
        found.format = FileChange::Format::kNormal;
        found.indent = indent;
        finish(at - 1, true);
        return found;
      }
    }
    if (ed) return Ed(command), found;
    if (found.header.extended) finish(ExtendedEnd(base, found), false);
    return found;
  }

  void Ed(size_t line) {
    error_ = patch_.name + ":" + std::to_string(line + 1) +
             ": an ed script: it has no context by which a change could be moved or checked; make "
             "a unified diff of it";
  }

  /// Why git's header lines cannot be meant as they are; "" when they can. GNU patch ignores half
  /// of a rename, and no tool writes one: it is a part of a patch that got lost.
  static std::string Contradiction(const PatchHeader& header) {
    for (auto [has, verb] : {std::pair(header.rename, "rename"), std::pair(header.copy, "copy")}) {
      if (has[0] != has[1])
        return std::string("a '") + verb + (has[0] ? " from" : " to") + "' without its '" + verb +
               (has[0] ? " to'" : " from'");
      if (has[0] && header.says[0] == 2)
        return std::string("a header that makes a new file and has '") + verb + " from'";
    }
    return "";
  }

  /// Without hunks, a file's part ends behind the last of git's header lines.
  size_t ExtendedEnd(size_t base, const Found& found) const {
    size_t at = found.git_line == std::string::npos ? base : found.git_line + 1;
    size_t end = at;
    for (; at < whole_; ++at) {
      std::string_view line;
      Indent(lines_[at], line);
      PatchHeader header = {};
      header.git = true;
      if (header.Take(line) && (header.extended || !header.names[0].empty() || !header.names[1].empty())) end = at + 1;
    }
    return end;
  }

  /// Where the header lines of what was found begin: without text between them, with it when a
  /// name above the text still counts.
  size_t HeaderBegin(size_t base, const Found& found) const {
    size_t begin = found.start;
    auto is_header = [&](size_t at) {
      std::string_view line;
      Indent(lines_[at], line);
      if (line.starts_with("*** ") || line.starts_with("diff --git ")) return true;
      PatchHeader header;
      header.git = found.header.git;
      return header.Take(line) && header.names[kIndexSlot].empty();
    };
    while (begin > base && is_header(begin - 1)) --begin;
    if (found.header.extended) begin = std::min(begin, found.git_line);
    return std::max(base, std::min(begin, found.name_line));
  }

  FileChange Change(const Found& found) const {
    FileChange file;
    const PatchHeader& header = found.header;
    file.format = found.format;
    file.git = header.git;
    file.names = header.names;
    file.old_mode = header.mode[0];
    file.new_mode = header.mode[1];
    file.old_id = header.id[0];
    file.new_id = header.id[1];
    file.says_nothing_old = header.says[0];
    file.says_nothing_new = header.says[1];
    auto shown = [](const std::vector<HeaderName>& names) {
      for (auto at = names.rbegin(); at != names.rend(); ++at)
        if (!at->pair || names.size() == 1) return at->name == "/dev/null" ? "" : at->name;
      return names.empty() ? std::string() : names.back().name;
    };
    file.old_path = shown(header.names[0]);
    file.new_path = shown(header.names[1]);
    if (file.old_path.empty() && file.new_path.empty())
      file.old_path = file.new_path = shown(header.names[kIndexSlot]);
    return file;
  }

  /// What the first hunk adds to what the headers say.
  void Finish(const Found& found, FileChange& file) const {
    using Kind = FileChange::Kind;
    const PatchHeader& header = found.header;
    if (!file.hunks.empty() && file.format != FileChange::Format::kNormal) {
      const Hunk& first = file.hunks.front();
      if (first.old_start == 0) file.says_nothing_old = 1 + header.epoch[0];
      bool nothing = file.format == FileChange::Format::kUnified
                         ? first.new_start == 0
                         : first.new_start == 0 && first.new_count == 0;
      if (nothing) file.says_nothing_new = 1 + header.epoch[1];
    }
    if (header.rename[0] && header.rename[1])
      file.kind = Kind::kRename;
    else if (header.copy[0] && header.copy[1])
      file.kind = Kind::kCopy;
    else if (file.says_nothing_old == 2)
      file.kind = Kind::kCreate;
    else if (file.says_nothing_new == 2)
      file.kind = Kind::kDelete;
    if (file.kind == Kind::kCreate) file.old_path.clear();
    if (file.kind == Kind::kDelete) file.new_path.clear();
  }

  /// literal N or delta N, encoded lines, and the blank line that ends each part.
  size_t EndOfBinary(size_t at) const {
    for (++at; at < lines_.size(); ++at) {
      std::string_view line = lines_[at];
      bool head = StartsWith(line, "literal ") || StartsWith(line, "delta ");
      bool encoded = line.size() > 2 && line.find(' ') == std::string_view::npos;
      if (!head && !encoded && Trim(line) != "") break;
    }
    return at;
  }

  /// Changes that GNU patch takes for text.
  void Ignored(size_t begin, size_t end) {
    for (size_t at = begin; at < end; ++at) {
      const char* what = nullptr;
      if (lines_[at].starts_with("@@ -"))
        what = "a hunk that belongs to no file";
      else if (lines_[at].starts_with("@@@ -"))
        what = "a combined diff";
      if (what)
        patch_.ignored.push_back("line " + std::to_string(at + 1) + " is " + what +
                                 ": GNU patch takes it for text, and so does restack");
    }
  }

  std::shared_ptr<const std::string> bytes_;
  Lines lines_;
  size_t whole_ = 0;  ///< lines that end in a newline
  Patch patch_;
  std::string error_;
};

std::string ForShow(const std::string& path, int strip) {
  std::string stripped = StripName(path, strip);
  return stripped.empty() ? path.substr(path.rfind('/') + 1) : stripped;
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

void Hunk::Add(char kind, std::string text) {
  auto kept = std::make_shared<const std::string>(std::move(text));
  lines.push_back({kind, *kept});
  bytes_.push_back(std::move(kept));
}

void Hunk::SetText(size_t i, std::string text) {
  auto kept = std::make_shared<const std::string>(std::move(text));
  lines[i].text = *kept;
  bytes_.push_back(std::move(kept));
  raw = {};
}

std::string StripName(const std::string& name, int strip) {
  // As GNU patch: a run of slashes is one, and a name with too few of them is none.
  size_t begin = 0;
  for (size_t at = 0; at < name.size(); ++at) {
    if (name[at] != '/') continue;
    while (at + 1 < name.size() && name[at + 1] == '/') ++at;
    if (--strip >= 0) begin = at + 1;
  }
  return strip <= 0 ? name.substr(begin) : std::string();
}

std::string FileChange::Path(int strip) const {
  return ForShow(new_path.empty() ? old_path : new_path, strip);
}
std::string FileChange::OldPath(int strip) const {
  return ForShow(old_path.empty() ? new_path : old_path, strip);
}

Result<Patch> ParsePatch(const Bytes& bytes, std::string name) {
  return Parser(bytes, std::move(name)).Run();
}

Bytes Print(const Hunk& hunk) {
  if (!hunk.raw.empty()) return hunk.Raw();
  std::string text = "@@ -" + PrintRange(hunk.old_start, hunk.old_count) + " +" +
                     PrintRange(hunk.new_start, hunk.new_count) + " @@" + hunk.section + "\n";
  for (const HunkLine& line : hunk.lines) {
    text += line.kind;
    text += line.text;
    if (!line.text.ends_with('\n')) text += "\n\\ No newline at end of file\n";
  }
  return text;
}

std::string Print(const Patch& patch) {
  std::string text = patch.header;
  for (const FileChange& file : patch.files) {
    text += file.before + file.header + file.binary;
    for (const Hunk& hunk : file.hunks) text += Print(hunk).view();
  }
  return text + patch.trailer;
}

}  // namespace restack
