// SPDX-License-Identifier: GPL-2.0-or-later
#include "side.h"

#include <algorithm>
#include <set>

namespace restack {

PlacedHunk::PlacedHunk(Hunk made, size_t at) : hunk(std::move(made)), place(at) {
  bool open = false;
  for (const HunkLine& line : hunk.lines) {
    if (line.kind == ' ') {
      open = false;
      ++at;
      continue;
    }
    if (!open) edits.push_back({at, at, {}});
    open = true;
    if (line.kind == '-')
      edits.back().end = ++at;
    else
      edits.back().added.push_back(line.text);
  }
}

std::string Quote(std::string_view line) {
  line = Trim(line);
  constexpr size_t kMost = 60;
  return "`" + std::string(line.substr(0, kMost)) + (line.size() > kMost ? "...`" : "`");
}

namespace {
std::set<std::string> Words(std::string_view line) {
  std::set<std::string> words;
  std::string word;
  for (char c : line) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
      word += c;
    } else if (!word.empty()) {
      words.insert(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.insert(word);
  return words;
}
}  // namespace

std::string MostLike(std::string_view line, const Lines& lines, size_t begin, size_t end) {
  std::set<std::string> words = Words(line);
  double best = 0.5;
  std::string found;
  for (size_t i = begin; i < std::min(end, lines.size()); ++i) {
    std::set<std::string> other = Words(lines[i]);
    size_t common =
        static_cast<size_t>(std::count_if(words.begin(), words.end(), [&](const std::string& word) {
          return other.count(word) > 0;
        }));
    double like =
        2.0 * static_cast<double>(common) / static_cast<double>(words.size() + other.size() + 1);
    if (like > best) best = like, found = Trim(lines[i]);
  }
  return found;
}

Squeezed SqueezeLines(const Lines& lines, size_t begin, size_t end) {
  Squeezed result;
  for (size_t i = begin; i < std::min(end, lines.size()); ++i) {
    std::string text = Squeeze(lines[i]);
    if (text.empty()) continue;
    result.text.push_back(std::move(text));
    result.at.push_back(i);
  }
  return result;
}

std::vector<size_t> FindRun(const Squeezed& hay, const Squeezed& needle) {
  std::vector<size_t> found;
  if (needle.text.empty()) return found;
  for (auto at = hay.text.begin();; ++at) {
    at = std::search(at, hay.text.end(), needle.text.begin(), needle.text.end());
    if (at == hay.text.end()) return found;
    found.push_back(static_cast<size_t>(at - hay.text.begin()));
  }
}

std::string Reindent(const Lines& added, std::string_view here, std::string_view there) {
  auto indent = [](std::string_view line) { return line.substr(0, line.find_first_not_of(" \t")); };
  std::string_view from = indent(here), to = indent(there);
  std::string text;
  for (std::string_view line : added) {
    if (from != to && StartsWith(line, from) && !IsBlank(line)) {
      text += to;
      line.remove_prefix(from.size());
    }
    text += line;
  }
  return text;
}

}  // namespace restack
