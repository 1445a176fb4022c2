// SPDX-License-Identifier: GPL-2.0-or-later
#include "side.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <unordered_map>

#include "scope_index.h"

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

/// Each word once.
std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t at = 0; at < line.size(); ++at) {
    if (!word(line[at])) continue;
    size_t end = at;
    while (end < line.size() && word(line[end])) ++end;
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

}  // namespace

struct Side::Facts {
  std::optional<Squeezed> squeezed;
  std::optional<ScopeIndex> scopes;
  std::unordered_map<std::string_view, std::vector<size_t>> lines;  ///< where each line stands
  std::optional<std::vector<std::pair<size_t, std::vector<std::string>>>> conditions;
  std::unordered_map<std::string_view, std::vector<size_t>> words;  ///< the lines of each
  std::vector<size_t> sizes;                                        ///< words of each line
};

const Squeezed& Side::squeezed() const {
  if (!facts) facts = std::make_shared<Facts>();
  if (!facts->squeezed) {
    Squeezed& made = facts->squeezed.emplace(SqueezeLines(text.lines(), 0, text.size()));
    for (size_t i = 0; i < made.text.size(); ++i) made.places[made.text[i]].push_back(i);
  }
  return *facts->squeezed;
}

namespace {

/// The places of a run of lines in `hay`, found by the line of the run that is rarest there.
template <class Hay, class Run, class Index>
std::vector<size_t> FindByRarest(const Hay& hay, const Run& run, const Index& index) {
  std::vector<size_t> found;
  const std::vector<size_t>* rarest = nullptr;
  size_t offset = 0;
  for (size_t i = 0; i < run.size(); ++i) {
    auto at = index.find(run[i]);
    if (at == index.end()) return found;
    if (!rarest || at->second.size() < rarest->size()) rarest = &at->second, offset = i;
  }
  if (!rarest) return found;
  for (size_t at : *rarest)
    if (at >= offset && at - offset + run.size() <= hay.size() &&
        std::equal(run.begin(), run.end(), hay.begin() + static_cast<long>(at - offset)))
      found.push_back(at - offset);
  return found;
}

}  // namespace

std::vector<size_t> Side::FindRun(const std::vector<std::string_view>& run) const {
  if (!facts) facts = std::make_shared<Facts>();
  if (facts->lines.empty())
    for (size_t i = 0; i < text.size(); ++i) facts->lines[text[i]].push_back(i);
  return FindByRarest(text.lines(), run, facts->lines);
}

std::vector<const Scope*> Side::Find(Scope::Kind kind, const std::string& name) const {
  if (!facts) facts = std::make_shared<Facts>();
  if (!facts->scopes) facts->scopes.emplace(scopes);
  return facts->scopes->Find(kind, name);
}

const std::vector<std::string>& Side::Conditions(size_t line) const {
  static const std::vector<std::string> kNone;
  if (!facts) facts = std::make_shared<Facts>();
  if (!facts->conditions) facts->conditions = ConditionChanges(text.lines());
  auto after = std::partition_point(facts->conditions->begin(), facts->conditions->end(),
                                    [&](const auto& change) { return change.first <= line; });
  return after == facts->conditions->begin() ? kNone : std::prev(after)->second;
}

std::string Side::MostLike(std::string_view line, size_t begin, size_t end) const {
  if (!facts) facts = std::make_shared<Facts>();
  if (facts->sizes.size() != text.size()) {
    facts->sizes.clear();
    for (size_t i = 0; i < text.size(); ++i) {
      std::vector<std::string_view> words = Words(text[i]);
      facts->sizes.push_back(words.size());
      for (std::string_view word : words) facts->words[word].push_back(i);
    }
  }
  // What is in very many lines tells nothing apart.
  constexpr size_t kMost = 400;
  std::vector<std::string_view> words = Words(line);
  std::map<size_t, size_t> common;
  for (std::string_view word : words) {
    auto lines = facts->words.find(word);
    if (lines == facts->words.end()) continue;
    auto at = std::lower_bound(lines->second.begin(), lines->second.end(), begin);
    auto last = std::lower_bound(at, lines->second.end(), end);
    if (static_cast<size_t>(last - at) > kMost) continue;
    for (; at != last; ++at) ++common[*at];
  }
  double best = 0.5;
  std::string found;
  for (const auto& [i, count] : common) {
    double like =
        2.0 * static_cast<double>(count) / static_cast<double>(words.size() + facts->sizes[i] + 1);
    if (like > best) best = like, found = Trim(text[i]);
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

size_t Squeezed::Count(const std::string& line) const {
  if (places.empty()) return static_cast<size_t>(std::count(text.begin(), text.end(), line));
  auto all = places.find(line);
  return all == places.end() ? 0 : all->second.size();
}

std::vector<size_t> FindRun(const Squeezed& hay, const Squeezed& needle) {
  std::vector<size_t> found;
  if (needle.text.empty()) return found;
  if (!hay.places.empty()) return FindByRarest(hay.text, needle.text, hay.places);
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
