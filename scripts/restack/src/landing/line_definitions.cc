// SPDX-License-Identifier: GPL-2.0-or-later
// What the lines of languages define of which one line is enough.
#include "definitions.h"
#include "words.h"

namespace restack {
namespace {

using Kind = Definition::Kind;

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

std::vector<Definition> DefinitionsByLine(Language language, const Lines& lines) {
  return LineDefinitions(language, lines).Run();
}

}  // namespace restack
