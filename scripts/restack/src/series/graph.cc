// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "restack/apply.h"
#include "restack/merge.h"

namespace restack {
namespace {

/// Identifiers of a line, "-" within a word as "_"; short and common ones say nothing.
std::set<std::string> Symbols(std::string_view line) {
  std::set<std::string> symbols;
  std::string word;
  auto end = [&] {
    while (!word.empty() && (word.back() == '_')) word.pop_back();
    size_t parts = static_cast<size_t>(std::count(word.begin(), word.end(), '_'));
    // One plain word ("start", "value") is everybody's; names of an interface have two parts or
    // more.
    if (word.size() >= 6 && parts >= 1) symbols.insert(word);
    word.clear();
  };
  for (char c : line) {
    bool letter = std::isalnum(static_cast<unsigned char>(c)) || c == '_';
    if (letter)
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (c == '-' && !word.empty())
      word += '_';
    else
      end();
  }
  end();
  return symbols;
}

/// The part of a line that gives something a name: what is quoted (an option, a property, a QAPI
/// member), a macro, a function's head or prototype at column 0, a variable or member.
std::string Naming(std::string_view line) {
  std::string_view trimmed = Trim(line);
  std::string text;
  for (char quote : {'"', '\''})
    for (size_t at = 0, end; (at = line.find(quote, at)) != std::string_view::npos &&
                             (end = line.find(quote, at + 1)) != std::string_view::npos;
         at = end + 1)
      if (line.substr(at + 1, end - at - 1).find(' ') == std::string_view::npos)
        text += " " + std::string(line.substr(at + 1, end - at - 1));
  if (StartsWith(line, "DEF("))
    return std::string(line);  // an option and its QEMU_OPTION_ constant
  if (StartsWith(line, "#define "))
    return text + " " + std::string(line.substr(8, line.find_first_of(" (", 8) - 8));
  size_t paren = line.find('(');
  if (!line.empty() && std::isalpha(static_cast<unsigned char>(line[0])) &&
      paren != std::string_view::npos)
    return text + " " + std::string(line.substr(0, paren));
  if (paren == std::string_view::npos && EndsWith(trimmed, ";") &&
      trimmed.find(' ') != std::string_view::npos && trimmed.find('=') == std::string_view::npos &&
      !StartsWith(trimmed, "return") && !StartsWith(trimmed, "goto"))
    return text + " " + std::string(trimmed);
  return text;
}

bool Prose(std::string_view path) {
  return EndsWith(path, ".rst") || EndsWith(path, ".txt") || BaseName(path) == "MAINTAINERS";
}

}  // namespace

Result<std::vector<Dependency>> Dependencies(const Series& series,
                                             std::shared_ptr<const Tree> base) {
  MemoryTree tree(base);
  std::map<std::string, std::vector<size_t>>
      owners;  // of each line of a file: the patch that added it + 1
  std::map<std::pair<size_t, size_t>, Dependency> found;
  std::vector<std::set<std::string>> added, removed, named;
  auto need = [&](size_t patch, size_t needs, bool textual, const std::string& evidence) {
    Dependency& dependency =
        found.try_emplace({patch, needs}, Dependency{patch, needs, textual, {}}).first->second;
    if (dependency.textual != textual) return;
    auto& list = dependency.evidence;
    if (std::find(list.begin(), list.end(), evidence) == list.end()) list.push_back(evidence);
  };
  for (size_t i = 0; i < series.patches.size(); ++i) {
    Patch patch = series.reverse[i] ? Reversed(series.patches[i]) : series.patches[i];
    std::set<std::string> introduces, mentions, names;
    Result<void> done;
    ApplyEach(patch, series.strip[i], tree, [&](const FileChange& file,
                                                const Result<Effect>& effect) {
      if (!effect) {
        done = effect.error();
        return false;
      }
      const std::string &from = effect->target.from, &to = effect->target.to;
      Text text = effect->before ? effect->before->text : Text();
      Result<Places> places = FindPlaces(file, text);
      if (!places) return true;
      auto& owner = owners[from];
      owner.resize(text.size(), 0);
      std::vector<size_t> after;
      size_t at = 0;
      for (size_t h = 0; h < file.hunks.size(); ++h) {
        size_t line_at = std::min((*places)[h], owner.size());
        for (const HunkLine& line : file.hunks[h].lines) {
          if (line.kind != '+' && line_at < owner.size() && owner[line_at] > 0)
            need(i, owner[line_at] - 1, true, to);
          if (line.kind != ' ') {
            after.insert(after.end(), owner.begin() + static_cast<long>(std::min(at, line_at)),
                         owner.begin() + static_cast<long>(line_at));
            at = std::max(at, line_at);
          }
          if (line.kind == '+') after.push_back(i + 1);
          if (line.kind == '-') at = line_at + 1;
          if (line.kind != '+' && line_at < owner.size()) ++line_at;
          if (line.kind == ' ' || Prose(to)) continue;
          if (line.kind == '+')
            for (const std::string& symbol : Symbols(Naming(line.text))) names.insert(symbol);
          for (const std::string& symbol : Symbols(line.text))
            (line.kind == '+' ? introduces : mentions).insert(symbol);
        }
      }
      at = std::min(at, owner.size());
      after.insert(after.end(), owner.begin() + static_cast<long>(at), owner.end());
      if (effect->target.kind != FileChange::Kind::kCopy) owners.erase(from);
      owners[to] = std::move(after);
      // A name that the file had before is not introduced.
      std::set<std::string> old;
      for (std::string_view line : text.lines())
        for (const std::string& symbol : Symbols(line)) old.insert(symbol);
      for (const std::string& symbol : old) mentions.insert(symbol);
      return true;
    });
    if (!done) return done.error();
    added.push_back(std::move(introduces));
    named.push_back(std::move(names));
    removed.push_back(std::move(mentions));
  }
  // By symbol: introduced by the first patch that adds it, if nothing that any patch touches had it
  // before.
  std::map<std::string, size_t> first;
  std::set<std::string> known;
  for (size_t i = 0; i < added.size(); ++i) {
    for (const std::string& symbol : added[i]) {
      auto at = first.find(symbol);
      if (at != first.end()) {
        if (!known.count(symbol)) need(i, at->second, false, symbol);
      } else if (!removed[i].count(symbol) && named[i].count(symbol)) {
        first[symbol] = i;
      } else {
        known.insert(symbol);
      }
    }
  }
  // A name that the base has in any of the files that C code reads is not an invention of the series.
  std::vector<Dependency> result;
  for (auto& [key, dependency] : found) {
    if (!dependency.textual)
      std::erase_if(dependency.evidence, [&](const std::string& symbol) {
        return !base->FilesDefining(symbol).empty();
      });
    if (!dependency.evidence.empty()) result.push_back(std::move(dependency));
  }
  return result;
}

}  // namespace restack
