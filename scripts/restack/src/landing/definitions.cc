// SPDX-License-Identifier: GPL-2.0-or-later
#include "definitions.h"

#include <algorithm>
#include <cctype>

#include "function_index.h"

namespace restack {
namespace {

using Kind = Definition::Kind;

bool Word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool Letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }

std::string_view WordAt(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && Word(text[end])) ++end;
  return text.substr(at, end - at);
}

std::string_view WordBefore(std::string_view text, size_t end) {
  while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  size_t begin = end;
  while (begin > 0 && Word(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

bool Upper(std::string_view name) {
  return std::none_of(name.begin(), name.end(),
                      [](char c) { return std::islower(static_cast<unsigned char>(c)); });
}

/// Without its comments; strings and characters stay.
std::string_view Code(std::string_view line) {
  for (std::string_view mark : {"//", "/*"}) line = line.substr(0, line.find(mark));
  return Trim(line);
}

bool Flow(std::string_view word) {
  for (std::string_view flow :
       {"return", "goto", "break", "continue", "case", "else", "if", "while", "for", "do", "switch",
        "sizeof", "default", "delete", "throw", "using", "typedef", "extern"})
    if (word == flow) return true;
  return false;
}

class CDefinitions {
 public:
  CDefinitions(const std::string& path, const Lines& lines)
      : tree_(EndsWith(path, ".dts") || EndsWith(path, ".dtsi") || EndsWith(path, ".dtso")),
        lines_(lines),
        places_(LexPlaces(lines)) {}

  std::vector<Definition> Run() {
    for (size_t i = 0; i < lines_.size(); ++i) {
      at_ = i;
      std::string_view line = Trim(lines_[i]);
      if (!places_[i].comment && !line.empty()) {
        if (line[0] == '#' && !tree_)
          Directive(line);
        else if (places_[i].depth <= 0)
          AtFileScope(lines_[i]);
        else
          Inside(line);
      }
      Blocks(line, places_[i + 1].depth);
    }
    return std::move(found_);
  }

 private:
  void Add(Kind kind, std::string_view name, bool hidden = false) {
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) {
      if (kind != Kind::kCase && kind != Kind::kEntry) return;
      if (name.empty()) return;
    }
    std::string key = kind == Kind::kMacro ? "#" : Block() + ": ";
    key += std::to_string(static_cast<int>(kind)) + " " + std::string(name);
    found_.push_back({kind, std::string(name), std::move(key), at_, hidden});
  }

  std::string Block() const {
    std::string block;
    for (const std::string& name : blocks_)
      if (!name.empty()) block += "/" + name;
    return block;
  }

  void Directive(std::string_view line) {
    line = Trim(line.substr(1));
    if (StartsWith(line, "define ") || StartsWith(line, "define\t"))
      Add(Kind::kMacro, WordAt(Trim(line.substr(7)), 0));
  }

  /// What a statement that begins here ends with: ';', '{' or 0.
  char End() const {
    for (size_t i = at_; i < std::min(lines_.size(), at_ + 15); ++i)
      for (char c : Code(lines_[i]))
        if (c == ';' || c == '{') return c;
    return 0;
  }

  void AtFileScope(std::string_view line) {
    if (tree_) return Node(Trim(line));
    if (!Letter(line[0])) return;
    std::string_view code = Code(line);
    pending_.clear();
    bool hidden = StartsWith(code, "static ");
    for (std::string_view word : {"struct ", "union ", "enum "}) {
      size_t at = code.find(word);
      if (at == std::string_view::npos || !EndsWith(code, "{") || code.find('(') < at) continue;
      std::string_view name = WordAt(code, at + word.size());
      size_t equals = code.find('=');
      if (equals == std::string_view::npos) {
        pending_ = name.empty() ? "type" : std::string(name);
        return Add(Kind::kType, name);
      }
    }
    size_t equals = code.find('='), paren = code.find('(');
    if (paren != std::string_view::npos && paren < equals && !StartsWith(code, "typedef")) {
      std::string name = FunctionName(code);
      if (name.empty()) return;
      char end = End();
      if (Upper(name) && name.size() > 2) {  // DEFINE_MUTEX(lock), TEST(name) {
        std::string argument(Trim(code.substr(paren + 1)));
        argument = argument.substr(0, argument.find_first_of(",)"));
        name += "(" + argument + ")";
      }
      pending_ = name;
      if (end == '{') return Add(Kind::kFunction, name, hidden);
      if (end == ';') return Add(Kind::kDeclaration, name);
      return;
    }
    if (StartsWith(code, "typedef") && EndsWith(code, ";"))
      return Add(Kind::kType, WordBefore(code, code.size() - 1));
    size_t end = code.find_first_of("=[;");
    if (end == std::string_view::npos) return;
    std::string_view name = WordBefore(code, end);
    if (name.empty() || name.data() == code.data() || Flow(WordAt(code, 0))) return;
    pending_ = std::string(name);
    Add(Kind::kVariable, name, hidden);
  }

  void Node(std::string_view line) {
    std::string_view code = Code(line);
    if (EndsWith(code, "{")) {
      std::string_view name = Trim(code.substr(0, code.size() - 1));
      pending_ = std::string(name);
      size_t colon = name.find(':');
      if (colon != std::string_view::npos) {
        std::string label(Trim(name.substr(0, colon)));  // one in all of a tree
        found_.push_back({Kind::kNode, label, "label " + label, at_, false});
        name = Trim(name.substr(colon + 1));
        pending_ = std::string(name);
      }
      Add(Kind::kNode, name);
      return;
    }
    size_t end = code.find_first_of("=;");
    if (end == std::string_view::npos || blocks_.empty()) return;
    std::string_view name = Trim(code.substr(0, end));
    if (!name.empty() && (Letter(name[0]) || name[0] == '#') &&
        name.find_first_of(" <>\",") == std::string_view::npos)
      Add(Kind::kMember, name);
  }

  bool InFunction() const { return !blocks_.empty() && function_; }

  void Inside(std::string_view line) {
    if (tree_) return Node(line);
    std::string_view code = Code(line);
    if (code.empty()) return;
    if (StartsWith(code, "case ")) {
      size_t colon = code.rfind(':');
      return Add(Kind::kCase, Trim(code.substr(5, colon - 5)));
    }
    std::string_view first = WordAt(code, 0);
    if (InFunction()) {
      if (!first.empty() && code.size() == first.size() + 1 && code.back() == ':' &&
          first != "default")
        return Add(Kind::kLabel, first, true);
      return Declared(code, Kind::kLocal);
    }
    if (code[0] == '.') {
      size_t equals = code.find('=');
      std::string_view name = WordAt(code, 1);
      if (equals != std::string_view::npos) Add(Kind::kMember, name);
      return;
    }
    if (code[0] == '{') {  // a row of a table: its first word or string
      std::string_view row = Trim(code.substr(1));
      std::string_view key = row.substr(0, row.find_first_of(",}"));
      return Add(Kind::kEntry, Trim(key));
    }
    if (EndsWith(code, ";")) return Declared(code, Kind::kMember);
    if (!first.empty()) {
      std::string_view rest = Trim(code.substr(first.size()));
      if (rest.empty() || rest == "," || rest[0] == '=') return Add(Kind::kEntry, first);
      if (rest[0] == '(') {  // DEFINE_PROP_BOOL("name", ...)
        size_t quote = code.find('"'), end = code.find('"', quote + 1);
        if (end != std::string_view::npos)
          return Add(Kind::kEntry,
                     std::string(first) + std::string(code.substr(quote, end - quote)));
      }
    }
  }

  /// `int a, *b = 0;`: each of its names.
  void Declared(std::string_view code, Kind kind) {
    if (!EndsWith(code, ";") && !EndsWith(code, "{")) {
      if (code.find('=') == std::string_view::npos) return;
    }
    if (!Letter(code[0]) || Flow(WordAt(code, 0))) return;
    std::string_view left = code.substr(0, code.find_first_of("=;[{:"));
    size_t paren = left.find('(');
    if (paren != std::string_view::npos) {
      // g_autoptr(Type) name, a pointer to a function; anything else is a call
      size_t close = left.find(')', paren);
      if (close == std::string_view::npos) return;
      std::string_view after = Trim(left.substr(close + 1));
      if (StartsWith(Trim(left.substr(paren + 1)), "*"))
        return Add(kind, WordAt(Trim(left.substr(paren + 1)).substr(1), 0), true);
      while (!after.empty() && after[0] == '*') after = Trim(after.substr(1));
      // _cleanup_free_ char *x has none; LOCK(x) is a call
      if (after.empty() || !Letter(after[0])) return;
    }
    if (left.find("->") != std::string_view::npos || left.find('.') != std::string_view::npos)
      return;
    std::string_view all = code.substr(0, code.size() - (EndsWith(code, ";") ? 1 : 0));
    long depth = 0;
    size_t begin = 0;
    bool first = true;
    for (size_t i = 0; i <= all.size(); ++i) {
      char c = i < all.size() ? all[i] : ',';
      depth += (c == '(' || c == '{' || c == '[') - (c == ')' || c == '}' || c == ']');
      if (c != ',' || depth > 0) continue;
      std::string_view part = all.substr(begin, i - begin);
      part = Trim(part.substr(0, part.find_first_of("=[:")));
      begin = i + 1;
      std::string_view name = WordBefore(part, part.size());
      if (name.empty() || !Letter(name[0])) return;
      // The first of them has a type before it.
      if (first && Trim(part.substr(0, part.size() - name.size())).empty()) return;
      first = false;
      Add(kind, name, true);
    }
  }

  /// Keeps the names of the blocks that are open.
  void Blocks(std::string_view line, long depth) {
    size_t wanted = static_cast<size_t>(std::max(0L, depth));
    // `} name[] = {` closes one and opens another.
    if (!line.empty() && line[0] == '}' && !blocks_.empty() && wanted >= blocks_.size()) {
      blocks_.pop_back();
      size_t equals = line.find('=');
      if (equals != std::string_view::npos)
        pending_ = std::string(WordBefore(line, std::min(equals, line.find('['))));
    }
    if (blocks_.size() > wanted) blocks_.resize(wanted);
    while (blocks_.size() < wanted) {
      if (blocks_.empty())
        function_ = !found_.empty() && found_.back().kind == Kind::kFunction &&
                    found_.back().name == pending_;
      // In a function only the function counts: a block may be indented otherwise.
      blocks_.push_back(function_ && !blocks_.empty() ? "" : pending_);
      pending_.clear();
    }
    if (blocks_.empty()) function_ = false;
  }

  bool tree_;
  const Lines& lines_;
  std::vector<LexPlace> places_;
  std::vector<Definition> found_;
  std::vector<std::string> blocks_;
  std::string pending_;
  bool function_ = false;
  size_t at_ = 0;
};

/// Languages of which a line is enough.
class LineDefinitions {
 public:
  LineDefinitions(Language language, const Lines& lines) : language_(language), lines_(lines) {}

  std::vector<Definition> Run() {
    for (at_ = 0; at_ < lines_.size(); ++at_) {
      std::string_view line = lines_[at_], text = Trim(line);
      if (text.empty()) continue;
      switch (language_) {
        case Language::kMake:
          Make(line, text);
          break;
        case Language::kPython:
          Python(line, text);
          break;
        case Language::kShell:
          Shell(line, text);
          break;
        case Language::kMeson:
          Meson(line, text);
          break;
        case Language::kKconfig:
          Kconfig(text);
          break;
        case Language::kIni:
          Ini(text);
          break;
        case Language::kJson:
          Json(text);
          break;
        default:
          break;
      }
      continued_ = EndsWith(text, "\\");
    }
    return std::move(found_);
  }

 private:
  void Add(Kind kind, std::string_view name) {
    if (!name.empty())
      found_.push_back(
          {kind, std::string(name),
           block_ + ": " + std::to_string(static_cast<int>(kind)) + " " + std::string(name), at_,
           false});
  }

  void Make(std::string_view line, std::string_view text) {
    if (continued_ || line[0] == '\t' || line[0] == '#') return;
    size_t colon = text.find(':'), equals = text.find('=');
    if (equals != std::string_view::npos &&
        (colon == std::string_view::npos || equals < colon + 3)) {
      size_t end = text.find_first_of(":?+!=");
      if (text[end] == '+') return;
      std::string_view name = Trim(text.substr(0, end));
      if (name.find(' ') == std::string_view::npos) Add(Kind::kVariable, name);
    } else if (colon != std::string_view::npos && colon > 0) {
      // Dependencies alone may be said in many places.
      if (at_ + 1 < lines_.size() && lines_[at_ + 1][0] == '\t')
        Add(Kind::kRule, Trim(text.substr(0, colon)));
    }
  }

  void Python(std::string_view line, std::string_view text) {
    size_t indent = line.find_first_not_of(" \t");
    if (indent == 0) block_.clear();
    if (StartsWith(text, "async ")) text = Trim(text.substr(6));
    for (std::string_view word : {"def ", "class "}) {
      if (!StartsWith(text, word)) continue;
      std::string_view name = WordAt(text, word.size());
      if (indent == 0) block_.clear();
      Add(Kind::kFunction, name);
      if (indent == 0) block_ = name;
      return;
    }
    size_t equals = text.find(" = ");
    if (indent == 0 && equals != std::string_view::npos && WordAt(text, 0).size() == equals)
      Add(Kind::kVariable, text.substr(0, equals));
  }

  void Shell(std::string_view line, std::string_view text) {
    if (StartsWith(text, "function ")) return Add(Kind::kFunction, WordAt(text, 9));
    std::string_view name = WordAt(text, 0);
    std::string_view rest = text.substr(name.size());
    if (StartsWith(rest, "()") || StartsWith(rest, " ()")) return Add(Kind::kFunction, name);
    if (line[0] == text[0] && StartsWith(rest, "=")) Add(Kind::kVariable, name);
  }

  void Meson(std::string_view line, std::string_view text) {
    if (StartsWith(text, "option(")) {
      size_t quote = text.find('\''), end = text.find('\'', quote + 1);
      if (end != std::string_view::npos)
        return Add(Kind::kRule, text.substr(quote + 1, end - quote - 1));
    }
    size_t equals = text.find('=');
    if (line[0] == text[0] && equals != std::string_view::npos && equals > 0 &&
        text[equals - 1] != '+') {
      std::string_view name = Trim(text.substr(0, equals));
      if (WordAt(name, 0) == name) Add(Kind::kVariable, name);
    }
  }

  void Kconfig(std::string_view text) {
    for (std::string_view mark : {"//config:", "//kbuild:", "//applet:"})
      if (StartsWith(text, mark)) text = Trim(text.substr(mark.size()));
    for (std::string_view word : {"config ", "menuconfig "})
      if (StartsWith(text, word)) {
        block_.clear();
        Add(Kind::kRule, Trim(text.substr(word.size())));
        block_ = Trim(text.substr(word.size()));
        return;
      }
  }

  void Ini(std::string_view text) {
    if (text[0] == '[') {
      block_ = text;
      return;
    }
    if (text[0] == '#' || text[0] == ';') return;
    size_t equals = text.find('=');
    if (equals != std::string_view::npos) Add(Kind::kMember, Trim(text.substr(0, equals)));
  }

  void Json(std::string_view text) {
    if (StartsWith(text, "{ '")) {
      block_.clear();
      size_t colon = text.find(':'), quote = text.find('\'', colon),
             end = text.find('\'', quote + 1);
      if (colon == std::string_view::npos || end == std::string_view::npos) return;
      Add(Kind::kType, text.substr(quote + 1, end - quote - 1));
      block_ = text.substr(quote + 1, end - quote - 1);
    } else if (text[0] == '\'' || text[0] == '"') {
      size_t end = text.find(text[0], 1);
      if (end != std::string_view::npos && StartsWith(Trim(text.substr(end + 1)), ":"))
        Add(Kind::kMember, text.substr(1, end - 1));
    }
  }

  Language language_;
  const Lines& lines_;
  std::vector<Definition> found_;
  std::string block_;
  bool continued_ = false;
  size_t at_ = 0;
};

}  // namespace

Language LanguageOf(std::string_view path) {
  std::string_view name = BaseName(path);
  size_t dot = name.rfind('.');
  std::string_view ending = dot == std::string_view::npos ? "" : name.substr(dot);
  for (std::string_view c : {".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".inc", ".y", ".l",
                             ".java", ".js", ".ts", ".go", ".rs", ".dts", ".dtsi", ".dtso", ".m"})
    if (ending == c) return Language::kC;
  if (StartsWith(name, "Makefile") || StartsWith(name, "GNUmakefile") || ending == ".mk" ||
      name == "Kbuild")
    return Language::kMake;
  if (ending == ".py" || StartsWith(name, "wscript")) return Language::kPython;
  if (ending == ".sh" || ending == ".bash" || name == "configure") return Language::kShell;
  if (name == "meson.build" || name == "meson_options.txt") return Language::kMeson;
  if (StartsWith(name, "Kconfig") || name == "Config.in" || name == "Config.src")
    return Language::kKconfig;
  if (ending == ".json") return Language::kJson;
  for (std::string_view ini : {".conf", ".service", ".socket", ".timer", ".target", ".mount",
                               ".network", ".ini", ".cnf", ".desktop"})
    if (ending == ini) return Language::kIni;
  if (ending == ".in") return LanguageOf(path.substr(0, path.size() - 3));
  return Language::kNone;
}

std::vector<LexPlace> LexPlaces(const Lines& lines) {
  std::vector<LexPlace> places(lines.size() + 1);
  std::vector<long> conditions;
  LexPlace now;
  for (size_t i = 0; i < lines.size(); ++i) {
    places[i] = now;
    std::string_view line = lines[i];
    if (!now.comment) {
      std::string_view text = Trim(line);
      if (!text.empty() && text[0] == '#') {
        text = Trim(text.substr(1));
        if (StartsWith(text, "if"))
          conditions.push_back(now.depth);
        else if (StartsWith(text, "el") && !conditions.empty())
          now.depth = conditions.back();
        else if (StartsWith(text, "endif") && !conditions.empty())
          conditions.pop_back();
        if (StartsWith(text, "define")) {  // its braces are its own
          while (i + 1 < lines.size() && EndsWith(Trim(lines[i]), "\\")) places[++i] = now;
          continue;
        }
      }
    }
    char quote = 0;
    for (size_t k = 0; k < line.size(); ++k) {
      char c = line[k], next = k + 1 < line.size() ? line[k + 1] : 0;
      if (now.comment) {
        if (c == '*' && next == '/') now.comment = false, ++k;
      } else if (quote) {
        if (c == '\\')
          ++k;
        else if (c == quote)
          quote = 0;
      } else if (c == '/' && next == '*') {
        now.comment = true, ++k;
      } else if (c == '/' && next == '/') {
        break;
      } else if (c == '"' || (c == '\'' && line.find('\'', k + 1) != std::string_view::npos)) {
        quote = c;
      } else {
        now.depth += (c == '{') - (c == '}');
      }
    }
  }
  places[lines.size()] = now;
  return places;
}

std::vector<std::string_view> CodeWords(std::string_view line) {
  std::vector<std::string_view> words;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (quote) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"') {
      quote = c;
    } else if (c == '/' && i + 1 < line.size() && (line[i + 1] == '/' || line[i + 1] == '*')) {
      size_t end = line[i + 1] == '*' ? line.find("*/", i + 2) : std::string_view::npos;
      if (end == std::string_view::npos) break;
      i = end + 1;
    } else if (Letter(c)) {
      std::string_view word = WordAt(line, i);
      words.push_back(word);
      i += word.size() - 1;
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      while (i + 1 < line.size() && Word(line[i + 1])) ++i;
    }
  }
  return words;
}

std::vector<Definition> Definitions(const std::string& path, const Lines& lines) {
  Language language = LanguageOf(path);
  if (language == Language::kNone) return {};
  if (language != Language::kC) return LineDefinitions(language, lines).Run();
  std::vector<Definition> found = CDefinitions(path, lines).Run();
  // busybox keeps configuration in comments of C files.
  for (Definition& symbol : LineDefinitions(Language::kKconfig, lines).Run())
    found.push_back(std::move(symbol));
  std::stable_sort(found.begin(), found.end(),
                   [](const Definition& a, const Definition& b) { return a.line < b.line; });
  return found;
}

}  // namespace restack
