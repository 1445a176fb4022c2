// SPDX-License-Identifier: GPL-2.0-or-later
// What the lines of a C-like file, or of a device tree, define.
#include <algorithm>
#include <cctype>

#include "definitions.h"
#include "function_index.h"
#include "lex.h"
#include "words.h"

namespace restack {
namespace {

using Kind = Definition::Kind;

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
    if (!IsLetter(line[0])) return;
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
    if (!name.empty() && (IsLetter(name[0]) || name[0] == '#') &&
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
    if (!IsLetter(code[0]) || Flow(WordAt(code, 0))) return;
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
      if (after.empty() || !IsLetter(after[0])) return;
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
      // What is still open at the end goes on in the next line.
      if (c != ',' || (depth > 0 && i < all.size())) continue;
      std::string_view part = all.substr(begin, i - begin);
      part = Trim(part.substr(0, part.find_first_of("=[:")));
      begin = i + 1;
      std::string_view name = WordBefore(part, part.size());
      if (name.empty() || !IsLetter(name[0])) return;
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

}  // namespace

std::vector<Definition> DefinitionsOfC(const std::string& path, const Lines& lines) {
  return CDefinitions(path, lines).Run();
}

}  // namespace restack
