// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/outline.h"

#include <algorithm>
#include <cctype>

#include "function_index.h"

namespace restack {
namespace {

using Kind = Scope::Kind;

bool Word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::string FirstWord(std::string_view text, size_t at = 0) {
  while (at < text.size() && !Word(text[at])) ++at;
  size_t end = at;
  while (end < text.size() && Word(text[end])) ++end;
  return std::string(text.substr(at, end - at));
}

std::string WordBefore(std::string_view text, size_t end) {
  while (end > 0 && !Word(text[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && Word(text[begin - 1])) --begin;
  return std::string(text.substr(begin, end - begin));
}

std::string Quoted(std::string_view line) {
  for (char quote : {'"', '\''}) {
    size_t begin = line.find(quote);
    if (begin == std::string_view::npos) continue;
    size_t end = line.find(quote, begin + 1);
    if (end != std::string_view::npos) return std::string(line.substr(begin + 1, end - begin - 1));
  }
  return {};
}

/// The comment that ends directly above `head`.
size_t CommentAbove(const Lines& lines, size_t head, size_t from) {
  if (head == from || !EndsWith(Trim(lines[head - 1]), "*/")) return head;
  for (size_t at = head; at-- > from;) {
    std::string_view line = Trim(lines[at]);
    if (StartsWith(line, "/*")) return at;
    if (IsBlank(line)) break;
  }
  return head;
}

/// struct X {, typedef enum {, static const Foo bar[] = {
std::string AggregateName(std::string_view head) {
  size_t equals = head.find('=');
  if (equals != std::string_view::npos) {
    size_t bracket = head.find('[');
    return WordBefore(head, std::min(equals, bracket));
  }
  for (std::string_view word : {"struct ", "union ", "enum "})
    if (size_t at = head.find(word); at != std::string_view::npos)
      return FirstWord(head, at + word.size());
  return {};
}

class COutline {
 public:
  explicit COutline(const Lines& lines) : lines_(lines) {}

  std::vector<Scope> Run() {
    for (size_t i = 0; i < lines_.size(); ++i) {
      std::string_view line = lines_[i];
      if (StartsWith(line, "#include")) {
        Include(i);
      } else if (StartsWith(line, "#define") && EndsWith(Trim(line), "\\")) {
        i = Macro(i);
      } else if (line[0] == '{') {
        i = Function(i);
      } else if (std::isalpha(static_cast<unsigned char>(line[0])) && EndsWith(Trim(line), "{") &&
                 !StartsWith(line, "extern \"C\"")) {
        i = FunctionName(line).empty() || line.find('=') != std::string_view::npos ? Aggregate(i)
                                                                                   : Function(i);
      } else if (std::isalpha(static_cast<unsigned char>(line[0])) &&
                 line.find('(') != std::string_view::npos) {
        if (size_t open = OpenAtEnd(i); open > i) i = Function(open);
      }
    }
    return std::move(scopes_);
  }

 private:
  void Include(size_t i) {
    // One block: includes with only blank lines, comments and conditions between them.
    if (!scopes_.empty() && scopes_.back().kind == Kind::kIncludes &&
        Between(scopes_.back().end, i)) {
      scopes_.back().close = scopes_.back().end = i + 1;
      return;
    }
    scopes_.push_back({Kind::kIncludes, "", i, i, i, i + 1, i + 1});
  }

  bool Between(size_t begin, size_t end) const {
    return std::all_of(lines_.begin() + static_cast<long>(begin),
                       lines_.begin() + static_cast<long>(end), [](std::string_view line) {
                         line = Trim(line);
                         return line.empty() || StartsWith(line, "/*") || line[0] == '*' ||
                                StartsWith(line, "#if") || StartsWith(line, "#el") ||
                                StartsWith(line, "#endif");
                       });
  }

  size_t Macro(size_t i) {
    size_t end = i;
    while (end < lines_.size() && EndsWith(Trim(lines_[end]), "\\")) ++end;
    end = std::min(end + 1, lines_.size());
    scopes_.push_back({Kind::kMacro, FirstWord(lines_[i], 8), CommentAbove(lines_, i, From()), i,
                       i + 1, end, end});
    return end - 1;
  }

  /// The line that ends a head of several lines with its brace; `head` when none does.
  size_t OpenAtEnd(size_t head) const {
    constexpr size_t kMost = 14;
    for (size_t i = head; i < std::min(lines_.size(), head + kMost); ++i) {
      std::string_view line = Trim(lines_[i]);
      if (line.empty() || line[0] == '#' || line[0] == '}' || lines_[i][0] == '{') return head;
      if (line.find(';') != std::string_view::npos) return head;
      if (EndsWith(line, "{")) return line.find('=') == std::string_view::npos ? i : head;
    }
    return head;
  }

  /// `open` is the line of the opening brace.
  size_t Function(size_t open) {
    size_t head = open;
    std::string name;
    for (size_t back = lines_[open][0] == '{' ? 1 : 0; back <= 14 && back <= open; ++back) {
      std::string_view line = lines_[open - back];
      if (open - back < From() || IsBlank(line) || line[0] == '}' || line[0] == '#') break;
      if (!Word(line[0])) continue;
      head = open - back;
      if (name.empty()) name = FunctionName(line);
      if (!name.empty() && line.find(name) != 0) break;
    }
    if (name.empty() && head == open) return open;
    size_t close = Close(open);
    scopes_.push_back({name.empty() ? Kind::kAggregate : Kind::kFunction,
                       name.empty() ? AggregateName(lines_[head]) : name,
                       CommentAbove(lines_, head, From()), head, open + 1, close,
                       std::min(close + 1, lines_.size())});
    return scopes_.back().end - 1;
  }

  size_t Aggregate(size_t head) {
    size_t close = Close(head);
    std::string name = AggregateName(lines_[head]);
    if (name.empty() && close < lines_.size())
      name = FirstWord(lines_[close]);  // typedef struct { } Name;
    // `} names[] = {` ends a type and begins a list of it.
    bool list = close < lines_.size() && EndsWith(Trim(lines_[close]), "{");
    scopes_.push_back({Kind::kAggregate, name, CommentAbove(lines_, head, From()), head, head + 1,
                       close, list ? close : std::min(close + 1, lines_.size())});
    return list ? Aggregate(close) : scopes_.back().end - 1;
  }

  size_t Close(size_t open) const {
    size_t at = open + 1;
    while (at < lines_.size() && lines_[at][0] != '}') ++at;
    return at;
  }
  size_t From() const { return scopes_.empty() ? 0 : scopes_.back().end; }

  const Lines& lines_;
  std::vector<Scope> scopes_;
};

/// ## ... ## and the expression that follows.
std::vector<Scope> QapiOutline(const Lines& lines) {
  std::vector<Scope> scopes;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = Trim(lines[i]);
    if (line == "##") {
      size_t end = i + 1;
      while (end < lines.size() && Trim(lines[end]) != "##") ++end;
      if (end == lines.size()) break;
      std::string name;
      for (size_t j = i + 1; j < end && name.empty(); ++j)
        if (StartsWith(lines[j], "# @") || StartsWith(lines[j], "# = ") ||
            StartsWith(lines[j], "# == "))
          name = Trim(lines[j].substr(2));
      scopes.push_back({Kind::kDoc, name, i, i, i + 1, end, end + 1});
      i = end;
    } else if (StartsWith(lines[i], "{ '")) {
      size_t depth = 0, end = i;
      for (; end < lines.size(); ++end) {
        for (char c : lines[end])
          depth += c == '{' || c == '[', depth -= depth > 0 && (c == '}' || c == ']');
        if (depth == 0) break;
      }
      size_t colon = line.find(':');
      std::string name = colon == std::string_view::npos ? "" : Quoted(line.substr(colon));
      end = std::min(end, lines.size() - 1);
      scopes.push_back({Kind::kExpression, name, i, i, i + 1, end, end + 1});
      i = end;
    }
  }
  return scopes;
}

/// From one entry's start to the next: a `{ .name = "x"` block with its documentation, or DEF("x".
std::vector<Scope> HxOutline(const Lines& lines) {
  std::vector<Scope> scopes;
  auto begin = [&](size_t at, std::string name) {
    if (!scopes.empty() && scopes.back().end > at) scopes.back().close = scopes.back().end = at;
    scopes.push_back({Kind::kEntry, std::move(name), at, at, at + 1, lines.size(), lines.size()});
  };
  for (size_t i = 0; i < lines.size(); ++i) {
    // What follows an entry's documentation belongs to the next one: a comment, an #if.
    if (Trim(lines[i]) == "ERST" && !scopes.empty())
      scopes.back().close = scopes.back().end = i + 1;
    if (StartsWith(lines[i], "DEF(")) begin(i, Quoted(lines[i]));
    if (StartsWith(lines[i], "DEFHEADING(") || StartsWith(lines[i], "ARCHHEADING("))
      begin(i, std::string(Trim(lines[i])));
    if (Trim(lines[i]) == "{" && i + 1 < lines.size() &&
        lines[i + 1].find(".name") != std::string_view::npos)
      begin(i, Quoted(lines[i + 1]));
  }
  return scopes;
}

/// name.add(files( ... )) and if/foreach blocks that begin at column 0.
std::vector<Scope> MesonOutline(const Lines& lines) {
  std::vector<Scope> scopes;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    if (IsBlank(line) || line[0] == ' ' || line[0] == '#' || line[0] == ')' || line[0] == '}' ||
        line[0] == ']')
      continue;
    bool block = StartsWith(line, "if ") || StartsWith(line, "foreach ");
    long depth = 0;
    size_t end = i;
    for (; end < lines.size(); ++end) {
      for (char c : lines[end])
        depth += c == '(' || c == '[' || c == '{', depth -= c == ')' || c == ']' || c == '}';
      if (block ? StartsWith(lines[end], "endif") || StartsWith(lines[end], "endforeach")
                : depth <= 0)
        break;
    }
    if (end == i || end >= lines.size()) continue;
    std::string name(Trim(line));
    if (!block) name = Squeeze(name.substr(0, name.find('(')));
    if (name == "option") name += " " + Quoted(line);
    scopes.push_back({Kind::kCall, name, i, i, i + 1, end, end + 1});
    i = end;
  }
  return scopes;
}

/// A title and its underline, up to the next one.
std::vector<Scope> RstOutline(const Lines& lines) {
  std::vector<Scope> scopes;
  for (size_t i = 1; i < lines.size(); ++i) {
    std::string_view under = Trim(lines[i]);
    if (under.size() < 3 ||
        std::string_view("=-~^'\"+*#").find(under[0]) == std::string_view::npos ||
        under.find_first_not_of(under[0]) != std::string_view::npos || IsBlank(lines[i - 1]) ||
        Trim(lines[i - 1]).size() > under.size() + 2 || lines[i - 1][0] == ' ')
      continue;
    if (!scopes.empty()) scopes.back().close = scopes.back().end = i - 1;
    scopes.push_back({Kind::kSection, std::string(Trim(lines[i - 1])), i - 1, i - 1, i + 1,
                      lines.size(), lines.size()});
  }
  return scopes;
}

}  // namespace

std::string Scope::Title() const {
  switch (kind) {
    case Kind::kFunction:
      return name + "()";
    case Kind::kAggregate:
      return name.empty() ? "a structure" : name;
    case Kind::kMacro:
      return "macro " + name;
    case Kind::kIncludes:
      return "the includes";
    case Kind::kDoc:
      return "the documentation of " + name.substr(0, name.find(':'));
    case Kind::kExpression:
      return "the QAPI definition of " + name;
    case Kind::kEntry:
      return "the entry of " + name;
    case Kind::kCall:
      return name;
    case Kind::kSection:
      return "section \"" + name + "\"";
  }
  return name;
}

std::vector<Scope> Outline(const std::string& path, const Text& text) {
  auto ends = [&](std::string_view suffix) { return EndsWith(path, suffix); };
  const Lines& lines = text.lines();
  if (ends(".c") || ends(".h") || ends(".cc") || ends(".cpp") || ends(".inc"))
    return COutline(lines).Run();
  if (ends(".json")) return QapiOutline(lines);
  if (ends(".hx")) return HxOutline(lines);
  if (BaseName(path) == "meson.build" || BaseName(path) == "meson_options.txt")
    return MesonOutline(lines);
  if (ends(".rst")) return RstOutline(lines);
  return {};
}

const Scope* ScopeAt(const std::vector<Scope>& scopes, size_t line) {
  auto at = std::partition_point(scopes.begin(), scopes.end(),
                                 [&](const Scope& scope) { return scope.end <= line; });
  return at != scopes.end() && at->lead <= line ? &*at : nullptr;
}

std::vector<const Scope*> FindScopes(const std::vector<Scope>& scopes, Kind kind,
                                     const std::string& name) {
  std::vector<const Scope*> found;
  for (const Scope& scope : scopes)
    if (scope.kind == kind && scope.name == name) found.push_back(&scope);
  return found;
}

/// A condition without white space and comments; `#ifdef X` is `#if defined(X)`.
static std::string Condition(std::string_view text) {
  text = text.substr(0, std::min(text.find("/*"), text.find("//")));
  for (auto [word, means] : {std::pair("ifdef", "ifdefined("), std::pair("ifndef", "if!defined(")})
    if (std::string_view name = text.substr(std::min(text.size(), std::string_view(word).size()));
        StartsWith(text, word) && !name.empty() &&
        std::isspace(static_cast<unsigned char>(name[0])))
      return means + Squeeze(name) + ")";
  return Squeeze(text);
}

std::vector<std::pair<size_t, std::vector<std::string>>> ConditionChanges(const Lines& lines) {
  std::vector<std::pair<size_t, std::vector<std::string>>> changes;
  std::vector<std::string> open;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view text = Trim(lines[i]);
    if (text.empty() || text[0] != '#') continue;
    text = Trim(text.substr(1));
    if (StartsWith(text, "if")) {
      // A header's guard is not a condition.
      bool guard = StartsWith(text, "ifndef ") && i + 1 < lines.size() &&
                   StartsWith(Trim(lines[i + 1]), "#define ") &&
                   Trim(Trim(lines[i + 1]).substr(8)) == Trim(text.substr(7));
      open.push_back(guard ? "" : Condition(text));
    } else if (StartsWith(text, "el") && !open.empty()) {
      open.back() = "not " + open.back() + (StartsWith(text, "elif") ? Condition(text) : "");
    } else if (StartsWith(text, "endif") && !open.empty()) {
      open.pop_back();
    } else {
      continue;
    }
    changes.push_back({i + 1, open});
    std::erase(changes.back().second, "");
  }
  return changes;
}

std::vector<std::string> ConditionsAt(const Lines& lines, size_t line) {
  std::vector<std::string> open;
  for (auto& [from, conditions] : ConditionChanges(lines)) {
    if (from > line) break;
    open = std::move(conditions);
  }
  return open;
}

std::string MemberKey(std::string_view line) {
  line = Trim(line);
  if (StartsWith(line, "# @")) {
    size_t colon = line.find(':');
    return colon == std::string_view::npos ? "" : std::string(line.substr(2, colon - 2));
  }
  if (line.empty() || line[0] == '#' || line[0] == '*' || StartsWith(line, "/*")) return {};
  if (std::string quoted = Quoted(line); !quoted.empty()) return quoted;
  size_t end = line.find_first_of("[=,;(");
  if (end == std::string_view::npos) return {};
  return WordBefore(line, end);
}

}  // namespace restack
