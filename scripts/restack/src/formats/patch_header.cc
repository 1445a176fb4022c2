// SPDX-License-Identifier: GPL-2.0-or-later
#include "patch_header.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace restack {
namespace {

std::string_view SkipSpace(std::string_view text) {
  while (!text.empty() && IsPatchSpace(text.front())) text.remove_prefix(1);
  return text;
}

bool Skip(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

bool Digit(char c) { return c >= '0' && c <= '9'; }

/// Days from 1970-01-01 of a date in the Gregorian calendar.
long Days(long year, long month, long day) {
  year -= month <= 2;
  long era = (year >= 0 ? year : year - 399) / 400;
  long of_era = year - era * 400;
  long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/// Seconds since 1970 of a date as diff, CVS, git and people write it. Nothing: it is not one.
std::optional<long> ReadDate(std::string_view text) {
  static constexpr std::string_view kMonths = "janfebmaraprmayjunjulaugsepoctnovdec";
  long year = -1, month = -1, day = -1, seconds = 0, zone = 0;
  bool clock = false;
  std::vector<long> loose;
  while (!(text = SkipSpace(text)).empty()) {
    size_t size = 0;
    while (size < text.size() && !IsPatchSpace(text[size]) && text[size] != ',') ++size;
    std::string_view word = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    if (word.empty()) continue;
    long a = 0, b = 0, c = 0;
    auto number = [&](std::string_view& rest, long& value) {
      auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
      constexpr long kMost = 99999999;  // no part of a date is larger
      if (error != std::errc() || !Digit(rest.front()) || value > kMost) return false;
      rest.remove_prefix(static_cast<size_t>(end - rest.data()));
      return true;
    };
    std::string_view rest = word;
    if (clock && (word[0] == '+' || word[0] == '-')) {
      rest.remove_prefix(1);
      if (!number(rest, a)) return std::nullopt;
      if (Skip(rest, ":") && number(rest, b)) a = a * 100 + b;
      zone = (a / 100 * 60 + a % 100) * 60 * (word[0] == '-' ? -1 : 1);
    } else if (Digit(word[0])) {
      if (!number(rest, a)) return std::nullopt;
      if (!rest.empty() && (rest[0] == '-' || rest[0] == '/')) {
        char mark = rest[0];
        rest.remove_prefix(1);
        if (!number(rest, b) || !Skip(rest, std::string_view(&mark, 1)) || !number(rest, c))
          return std::nullopt;
        // 1970-01-31, 1970/01/31, 1/31/1970
        if (mark == '/' && a <= 12)
          month = a, day = b, year = c;
        else
          year = a, month = b, day = c;
        if (Skip(rest, "T") && !rest.empty()) text = std::string_view(rest.data(), static_cast<size_t>(text.data() + text.size() - rest.data()));
      } else if (Skip(rest, ":")) {
        if (!number(rest, b)) return std::nullopt;
        if (Skip(rest, ":") && !number(rest, c)) return std::nullopt;
        seconds = (a * 60 + b) * 60 + c;
        clock = true;
        if (Skip(rest, "."))
          while (!rest.empty() && Digit(rest[0])) rest.remove_prefix(1);
        if (!rest.empty() && (rest[0] == '+' || rest[0] == '-'))
          text = std::string_view(rest.data(), static_cast<size_t>(text.data() + text.size() - rest.data()));
      } else {
        loose.push_back(a);
      }
    } else if (word.size() >= 3) {
      std::string three(word.substr(0, 3));
      for (char& letter : three)
        letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
      size_t at = kMonths.find(three);
      if (at != std::string_view::npos && at % 3 == 0 && month < 0)
        month = static_cast<long>(at / 3) + 1;
    }
  }
  for (long value : loose) {
    if (value > 31)
      year = value;
    else if (day < 0)
      day = value;
  }
  if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
  return Days(year, month, day) * 86400 + seconds - zone;
}

/// Six octal digits and the line's end; 0 otherwise.
unsigned ReadMode(std::string_view text) {
  text = SkipSpace(text);
  unsigned mode = 0;
  for (size_t i = 0; i < 6; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '7') return 0;
    mode = mode * 8 + static_cast<unsigned>(text[i] - '0');
  }
  text.remove_prefix(6);
  Skip(text, "\r");
  return text == "\n" ? mode : 0;
}

/// What a blob's id tells about its file: 2 if there is none, 1 if it is empty, otherwise 0.
int SaysNothing(std::string_view id) {
  constexpr std::string_view kEmpty = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
  if (id.find_first_not_of('0') == std::string_view::npos) return 2;
  return kEmpty.starts_with(id) ? 1 : 0;
}

/// One name of a `diff --git` line.
bool ReadName(std::string_view& text, std::string& name) {
  text = SkipSpace(text);
  if (text.starts_with('"')) return ReadQuoted(text, name);
  size_t size = 0;
  while (size < text.size() && !IsPatchSpace(text[size])) ++size;
  name = text.substr(0, size);
  text.remove_prefix(size);
  return !name.empty();
}

}  // namespace

bool ReadQuoted(std::string_view& text, std::string& name) {
  name.clear();
  for (size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (c != '\\') {
      name += c;
      continue;
    }
    if (++i >= text.size()) return false;
    constexpr std::string_view kLetters = "abfnrtv\\\"", kMeans = "\a\b\f\n\r\t\v\\\"";
    if (size_t at = kLetters.find(text[i]); at != std::string_view::npos) {
      name += kMeans[at];
      continue;
    }
    auto octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] < '0' || text[i] > '3' || !octal(i + 1) || !octal(i + 2)) return false;
    name += static_cast<char>((text[i] - '0') * 64 + (text[i + 1] - '0') * 8 + (text[i + 2] - '0'));
    i += 2;
  }
  return false;
}

bool IsEpoch(std::string_view date) {
  std::optional<long> seconds = ReadDate(date);
  return seconds && *seconds > -25L * 3600 && *seconds < 26L * 3600;
}

void PatchHeader::Name(Slot slot, std::string_view text, bool dated) {
  text = text.substr(0, text.find('\0'));
  text = SkipSpace(text);
  HeaderName name;
  if (text.starts_with('"')) {
    if (!ReadQuoted(text, name.name)) return;
  } else {
    size_t end = 0;
    for (; end < text.size(); ++end) {
      if (!IsPatchSpace(text[end])) continue;
      // Spaces belong to the name when a tab separates it from the date.
      size_t last = end;
      while (text[last] != '\t' && last + 1 < text.size() && IsPatchSpace(text[last + 1])) ++last;
      if (text[last] != '\t' && text.find(dated ? '\t' : '\n', last + 1) != std::string_view::npos)
        continue;
      break;
    }
    name.name = text.substr(0, end);
    text.remove_prefix(end);
  }
  bool ends = text.empty() || text.front() == '\n';
  if (name.name == "/dev/null") {
    name.epoch = dated;
  } else if (!ends) {
    if (!dated) return;  // an Index: line has nothing behind its name
    name.epoch = IsEpoch(text);
  }
  names[slot].push_back(std::move(name));
}

bool PatchHeader::Extended(std::string_view line) {
  std::string_view rest = line;
  if (Skip(rest, "index ")) {
    auto digits = [](std::string_view text) {
      size_t size = 0;
      while (size < text.size() && (Digit(text[size]) || (text[size] >= 'a' && text[size] <= 'f')))
        ++size;
      return size;
    };
    size_t old_size = digits(rest);
    std::string_view tail = rest.substr(old_size);
    if (old_size == 0 || !Skip(tail, "..")) return false;
    size_t new_size = digits(tail);
    if (new_size == 0 || (new_size < tail.size() && !IsPatchSpace(tail[new_size]))) return false;
    id[0] = rest.substr(0, old_size);
    id[1] = tail.substr(0, new_size);
    says[0] = SaysNothing(id[0]);
    says[1] = SaysNothing(id[1]);
    tail = SkipSpace(tail.substr(new_size));
    if (!tail.empty()) mode[0] = mode[1] = ReadMode(tail);
    return true;
  }
  if (Skip(rest, "old mode ")) return mode[0] = ReadMode(rest), true;
  if (Skip(rest, "new mode ")) return mode[1] = ReadMode(rest), true;
  if (Skip(rest, "deleted file mode ")) return mode[0] = ReadMode(rest), says[1] = 2, true;
  if (Skip(rest, "new file mode ")) return mode[1] = ReadMode(rest), says[0] = 2, true;
  // The names of these lines lack the folder that -p strips: those of `diff --git` count.
  if (Skip(rest, "rename from ")) return rename[0] = true;
  if (Skip(rest, "rename to ")) return rename[1] = true;
  if (Skip(rest, "copy from ")) return copy[0] = true;
  if (Skip(rest, "copy to ")) return copy[1] = true;
  return false;
}

void PatchHeader::TakeOldName(std::string_view text) {
  Name(kOldSlot, text, true);
  epoch[0] = !names[0].empty() && names[0].back().epoch;
  need_header = false;
}

bool PatchHeader::Take(std::string_view line) {
  bool cr = line.ends_with("\r\n");
  std::string_view rest = line;
  if (Skip(rest, "+++ ")) {
    TakeOldName(rest);
    strip_cr = cr;
    return true;
  }
  if (Skip(rest, "Index:")) {
    Name(kIndexSlot, rest, false);
    need_header = false;
    strip_cr = cr;
    return true;
  }
  if (Skip(rest, "diff --git ")) {
    names[0].clear();
    names[1].clear();
    HeaderName old_name, new_name;
    old_name.pair = new_name.pair = true;
    if (ReadName(rest, old_name.name) && !rest.empty() && IsPatchSpace(rest.front()) &&
        ReadName(rest, new_name.name) && SkipSpace(rest).empty()) {
      names[0].push_back(std::move(old_name));
      names[1].push_back(std::move(new_name));
    }
    git = true;
    need_header = false;
    return true;
  }
  if (git && Extended(line)) return extended = true;
  if (git && line.starts_with("GIT binary patch")) return binary = true;
  int quotes = 0;
  while (Skip(rest, "- ")) ++quotes;
  if (!Skip(rest, "--- ")) return false;
  size_t had = names[1].size();
  Name(kNewSlot, rest, true);
  if (names[1].size() > had) {
    // Only a line with a date tells how deep the mail quotes.
    bool dated = Trim(rest).size() > names[1].back().name.size() || names[1].back().epoch;
    if (dated) nesting = quotes, epoch[1] = names[1].back().epoch;
  }
  need_header = false;
  strip_cr = cr;
  return true;
}

void PatchHeader::Swap() {
  std::swap(names[0], names[1]);
  std::swap(epoch[0], epoch[1]);
}

}  // namespace restack
