// SPDX-License-Identifier: GPL-2.0-or-later
#include "hunk_reader.h"

#include <algorithm>
#include <charconv>

namespace restack {
namespace {

bool ReadNumber(std::string_view& text, size_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number > 1u << 30) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool Skip(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

/// The first number in a line and what is behind it.
bool FindNumber(std::string_view& text, size_t& number) {
  size_t at = text.find_first_of("0123456789");
  if (at == std::string_view::npos) return false;
  text.remove_prefix(at);
  return ReadNumber(text, number);
}

/// "4,7", "4" or "0" of a context diff's side, as first line and count.
bool ReadRange(std::string_view text, size_t& start, size_t& count) {
  if (!FindNumber(text, start)) return false;
  if (text.starts_with(',')) {
    size_t last = 0;
    if (!FindNumber(text, last) || last + 1 < start) return false;
    if (start == 0 && last == 0) {
      count = 0;
      return true;
    }
    count = last + 1 - start;
    if (count == 0 && start > 0) --start;  // as a unified diff numbers it
    return true;
  }
  count = start > 0;
  return true;
}

/// @@ -start[,count] +start[,count] @@[section]
bool ReadHunkHeader(std::string_view line, Hunk& hunk) {
  std::string_view rest = line;
  hunk.old_count = hunk.new_count = 1;
  if (!Skip(rest, "@@ -") || !ReadNumber(rest, hunk.old_start)) return false;
  if (Skip(rest, ",") && !ReadNumber(rest, hunk.old_count)) return false;
  Skip(rest, " ");
  if (!Skip(rest, "+") || !ReadNumber(rest, hunk.new_start)) return false;
  if (Skip(rest, ",") && !ReadNumber(rest, hunk.new_count)) return false;
  Skip(rest, " ");
  if (!Skip(rest, "@")) return false;
  Skip(rest, "@");
  while (!rest.empty() && (rest.back() == '\n' || rest.back() == '\r')) rest.remove_suffix(1);
  hunk.section = rest;
  return true;
}

constexpr const char* kCut = "the file ends within this hunk";

}  // namespace

bool HunkReader::Fail(size_t at, std::string why) {
  at_ = at;
  error_ = std::move(why);
  return false;
}

/// Reads a line into text_ without what stands before and behind it in this diff, comments left
/// out. False at the end of the file.
bool HunkReader::Next() {
  for (; at_ < whole_; ++at_) {
    std::string_view line = lines_[at_];
    for (size_t column = 0; column < indent_ && !line.empty();) {
      if (line.front() == ' ' || line.front() == 'X')
        ++column;
      else if (line.front() == '\t')
        column = (column + 8) & ~size_t{7};
      else
        break;
      line.remove_prefix(1);
    }
    for (int quotes = nesting_; quotes > 0 && line.starts_with("- "); --quotes)
      line.remove_prefix(2);
    if (line.starts_with('#')) continue;
    if (strip_cr_ && line.ends_with("\r\n")) {
      std::string copy(line.substr(0, line.size() - 2));
      copies_.push_back(std::make_shared<const std::string>(copy + "\n"));
      line = *copies_.back();
    }
    ++at_;
    text_ = line;
    return true;
  }
  return false;
}

/// The next line, without taking it; "" at the end.
std::string_view HunkReader::Peek() {
  size_t at = at_;
  std::string_view text = text_;
  std::string_view next = Next() ? text_ : std::string_view();
  at_ = at;
  text_ = text;
  return next;
}

/// "\ No newline at end of file", in any language: takes it, and the newline off `text`.
bool HunkReader::EndsWithout(std::string_view& text) {
  if (at_ >= lines_.size() || !lines_[at_].starts_with('\\')) return false;
  ++at_;
  if (text.ends_with('\n')) text.remove_suffix(1);
  return true;
}

bool HunkReader::HasContent(const Hunk& hunk) const {
  return std::any_of(hunk.lines.begin(), hunk.lines.end(),
                     [](const HunkLine& line) { return line.kind != ' '; });
}

bool HunkReader::Read(size_t at, std::vector<Hunk>& hunks) {
  at_ = at;
  while (true) {
    size_t begin = at_;
    Hunk hunk;
    copies_.clear();
    bool more = Next();
    head_ = more ? at_ - 1 : at_;
    if (more) {
      bool digit = !text_.empty() && text_[0] >= '0' && text_[0] <= '9';
      more = format_ == FileChange::Format::kUnified   ? text_.starts_with("@@ -")
             : format_ == FileChange::Format::kContext ? text_.starts_with("********")
                                                       : digit;
    }
    if (!more) {
      at_ = begin;
      return true;
    }
    bool read = format_ == FileChange::Format::kUnified   ? Unified(hunk)
                : format_ == FileChange::Format::kContext ? Context(hunk)
                                                          : Normal(hunk);
    if (!read) return false;
    if (!HasContent(hunk)) return Fail(head_, "this hunk changes nothing");
    // The bytes of [begin, at_), which lie in a row.
    size_t size = 0;
    for (size_t line = begin; line < at_; ++line) size += lines_[line].size();
    hunk.raw = {lines_[begin].data(), size};
    hunk.Keep(bytes_);
    for (auto& copy : copies_) hunk.Keep(std::move(copy));
    hunks.push_back(std::move(hunk));
  }
}

bool HunkReader::Unified(Hunk& hunk) {
  if (!ReadHunkHeader(text_, hunk)) return Fail(head_, "this hunk header cannot be read");
  size_t old_left = hunk.old_count, new_left = hunk.new_count;
  hunk.lines.reserve(std::min(std::max(old_left, new_left), whole_ - std::min(whole_, at_)));
  while (old_left > 0 || new_left > 0) {
    size_t line_at = at_;
    HunkLine line;
    bool cut = false;
    if (!Next()) {
      if (at_ < lines_.size() && !IsBlank(lines_[at_]))
        return Fail(at_, "the file ends in the middle of this line: its newline is missing");
      // An editor has cut off blank context lines at the end.
      if (new_left > 3) return Fail(head_, kCut);
      text_ = " \n";
      cut = true;
    }
    if (text_.starts_with('\t') || text_.starts_with('\n'))
      line = {' ', text_};  // the space was eaten
    else
      line = {text_.front() == '=' ? ' ' : text_.front(), text_.substr(1)};
    bool old_side = line.kind != '+', new_side = line.kind != '-';
    if ((line.kind != ' ' && line.kind != '+' && line.kind != '-') ||
        (old_side && old_left == 0) || (new_side && new_left == 0)) {
      if (cut) return Fail(head_, kCut);
      while (line_at < lines_.size() && lines_[line_at].starts_with('#')) ++line_at;
      return Fail(line_at, "this line does not fit the numbers of the hunk at line " +
                               std::to_string(head_ + 1));
    }
    old_left -= old_side;
    new_left -= new_side;
    if ((old_side && old_left == 0) || (new_side && new_left == 0)) EndsWithout(line.text);
    hunk.lines.push_back(line);
  }
  return true;
}

/// The lines of one side of a context diff.
bool HunkReader::ContextSide(size_t count, bool old_side, bool may_be_missing,
                             std::vector<SideLine>& side, bool& missing) {
  size_t begin = at_;
  while (side.size() < count) {
    SideLine line{};
    bool read = Next();
    if (!read && may_be_missing) return missing = true, at_ = begin, true;
    if (!read && (count - side.size() > 3 || at_ < lines_.size())) return Fail(head_, kCut);
    if (!read) text_ = "  \n";
    char mark = text_.front();
    bool fits = mark == ' ' || mark == '!' || mark == (old_side ? '-' : '+');
    if (mark == '\t' || mark == '\n') {
      line = {' ', text_};
    } else if (fits && text_.size() > 1 && (text_[1] == ' ' || text_[1] == '\t')) {
      line = {mark, text_.substr(2)};
    } else if (may_be_missing && !(mark == '!' || mark == '+')) {
      return missing = true, side.clear(), at_ = begin, true;
    } else {
      return Fail(at_ - read, "this line is none of a context diff, or the numbers of the hunk at line " +
                                  std::to_string(head_ + 1) + " do not fit");
    }
    if (line.mark != ' ') may_be_missing = false;
    if (side.size() + 1 == count) EndsWithout(line.text);
    side.push_back(line);
  }
  return true;
}

bool HunkReader::Context(Hunk& hunk) {
  std::string_view section = text_.substr(text_.find_first_not_of('*'));
  while (!section.empty() && (section.back() == '\n' || section.back() == '\r'))
    section.remove_suffix(1);
  hunk.section = section;
  if (!Next() || !text_.starts_with("*** ") || !ReadRange(text_, hunk.old_start, hunk.old_count))
    return Fail(head_, "this hunk header cannot be read");
  std::vector<SideLine> from, to;
  bool no_from = false, no_to = false;
  std::string_view next = Peek();
  if (next.starts_with("--- "))
    no_from = hunk.old_count > 0;
  else if (!ContextSide(hunk.old_count, true, false, from, no_from))
    return false;
  if (Peek() == "\n") Next();
  if (!Next() || !text_.starts_with("--") || !ReadRange(text_, hunk.new_start, hunk.new_count))
    return Fail(at_ > head_ ? at_ - 1 : head_,
                "`--- N,M ----` is expected here: the numbers of the hunk at line " +
                    std::to_string(head_ + 1) + " do not fit");
  auto context = [](const std::vector<SideLine>& side) {
    return static_cast<size_t>(std::count_if(side.begin(), side.end(),
                                             [](const SideLine& line) { return line.mark == ' '; }));
  };
  bool may_be_missing = !no_from && hunk.new_count == context(from) && hunk.new_count > 0;
  if (!ContextSide(hunk.new_count, false, may_be_missing, to, no_to)) return false;
  auto copy_context = [](const std::vector<SideLine>& side, std::vector<SideLine>& other) {
    other.clear();
    for (const SideLine& line : side)
      if (line.mark == ' ') other.push_back(line);
  };
  if (no_from) copy_context(to, from);
  if (no_to) copy_context(from, to);
  if (from.size() != hunk.old_count || to.size() != hunk.new_count)
    return Fail(head_, "the numbers of this hunk do not fit its lines");
  return Merge(std::move(from), std::move(to), hunk);
}

/// Both sides as one, as a unified diff has them.
bool HunkReader::Merge(std::vector<SideLine> from, std::vector<SideLine> to, Hunk& hunk) {
  size_t i = 0, j = 0;
  auto mark = [](const std::vector<SideLine>& side, size_t at) {
    return at < side.size() ? side[at].mark : 0;
  };
  while (i < from.size() || j < to.size()) {
    if (mark(from, i) == '-') {
      hunk.lines.push_back({'-', from[i++].text});
    } else if (mark(to, j) == '+') {
      hunk.lines.push_back({'+', to[j++].text});
    } else if (mark(from, i) == '!' && mark(to, j) == '!') {
      while (mark(from, i) == '!') hunk.lines.push_back({'-', from[i++].text});
      while (mark(to, j) == '!') hunk.lines.push_back({'+', to[j++].text});
    } else if (mark(from, i) == ' ' && mark(to, j) == ' ') {
      hunk.lines.push_back({' ', from[i].text});
      ++i, ++j;
    } else {
      return Fail(head_, "the two sides of this hunk do not fit each other");
    }
  }
  return true;
}

/// 5a6,7 / 5,6d4 / 5,6c7,8 with the lines behind it.
bool HunkReader::Normal(Hunk& hunk) {
  std::string_view rest = text_;
  size_t last = 0, to = 0;
  if (!ReadNumber(rest, hunk.old_start)) return Fail(head_, "this hunk header cannot be read");
  last = hunk.old_start;
  if (Skip(rest, ",") && !ReadNumber(rest, last))
    return Fail(head_, "this hunk header cannot be read");
  char type = rest.empty() ? 0 : rest.front();
  if (type != 'a' && type != 'c' && type != 'd')
    return Fail(head_, "this hunk header cannot be read");
  rest.remove_prefix(1);
  if (!ReadNumber(rest, hunk.new_start)) return Fail(head_, "this hunk header cannot be read");
  to = hunk.new_start;
  if ((Skip(rest, ",") && !ReadNumber(rest, to)) || last < hunk.old_start || to < hunk.new_start)
    return Fail(head_, "this hunk header cannot be read");
  hunk.old_count = type == 'a' ? 0 : last + 1 - hunk.old_start;
  hunk.new_count = type == 'd' ? 0 : to + 1 - hunk.new_start;
  auto side = [&](size_t count, char mark, char kind) {
    for (size_t i = 0; i < count; ++i) {
      if (!Next()) return Fail(head_, kCut);
      if (text_.size() < 2 || text_[0] != mark || (text_[1] != ' ' && text_[1] != '\t'))
        return Fail(at_ - 1, std::string("`") + mark + "` and a space are expected here");
      HunkLine line{kind, text_.substr(2)};
      if (i + 1 == count) EndsWithout(line.text);
      hunk.lines.push_back(line);
    }
    return true;
  };
  if (!side(hunk.old_count, '<', '-')) return false;
  if (type == 'c' && (!Next() || !text_.starts_with('-')))
    return Fail(at_ > head_ ? at_ - 1 : head_, "`---` is expected here");
  return side(hunk.new_count, '>', '+');
}

}  // namespace restack
