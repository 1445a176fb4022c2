// SPDX-License-Identifier: GPL-2.0-or-later
#include "mutations/operators.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <regex>
#include <stdexcept>

namespace stx {
namespace {

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// The text with comments, strings and characters as spaces, of the same length.
std::string Mask(std::string_view text) {
  std::string masked(text);
  enum { kCode, kComment, kLineComment, kString, kCharacter } state = kCode;
  for (size_t i = 0; i < masked.size(); ++i) {
    const char c = text[i], next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c == '\n') {
      if (state == kLineComment) state = kCode;
      continue;
    }
    switch (state) {
      case kCode:
        if (c == '/' && next == '*') state = kComment;
        if (c == '/' && next == '/') state = kLineComment;
        if (c == '"') state = kString;
        if (c == '\'') state = kCharacter;
        if (state != kCode) masked[i] = ' ';
        break;
      case kComment:
        if (c == '*' && next == '/') {
          masked[i++] = ' ';
          state = kCode;
        }
        masked[i] = ' ';
        break;
      case kLineComment:
        masked[i] = ' ';
        break;
      default:
        masked[i] = ' ';
        if (c == '\\' && i + 1 < masked.size() && next != '\n')
          masked[++i] = ' ';
        else if (c == (state == kString ? '"' : '\''))
          state = kCode;
    }
  }
  return masked;
}

/// Lines whose change no guest could see.
bool Ignored(const std::string& line) {
  static const std::regex pattern(
      "\\b(trace_\\w+|\\w*assert\\w*|abort|error_\\w+|warn_\\w+|info_report|qemu_log\\w*|f?printf|"
      "perror|block_acct_\\w+|g_free|free|g_strfreev|qemu_vfree|\\w+_unref|object_ref|"
      "rcu_read_(un)?lock|aio_context_(acquire|release)|smp_\\w+|QEMU_BUILD\\w+|DPRINTF|"
      "LOG_\\w+)\\s*\\(");
  return line.starts_with("#") || std::regex_search(line, pattern);
}

/// The identifier before the parameter list of the function whose body begins at `line`.
std::string FunctionBefore(const std::vector<std::string>& masked, size_t line) {
  std::string head;
  for (size_t i = line; i-- > 0 && !masked[i].empty() && masked[i][0] != '}';)
    head = masked[i] + " " + head;
  static const std::regex pattern("(\\w+)\\s*\\(");
  std::string name = "?";
  if (std::smatch match; std::regex_search(head, match, pattern)) name = match[1];
  return name;
}

class Line {
 public:
  Line(std::string text, std::string masked) : text_(std::move(text)), masked_(std::move(masked)) {}

  std::vector<std::string> Mutate() {
    Swap("<", "<=");
    Swap(">", ">=");
    Swap("==", "!=");
    Swap("&&", "||");
    Swap("+", "-");
    Swap("<<", ">>");
    Swap("|", "&");
    Swap("+=", "-=");
    One(" / ", " * ");
    One(" % ", " / ");
    One(" |= ", " = ");
    One(" &= ", " = ");
    One("++", "--");
    One("--", "++");
    Each("!(?=[\\w(])", [](const std::string&) { return ""; });
    Each("\\b(true|false)\\b",
         [](const std::string& word) { return word == "true" ? "false" : "true"; });
    Each("\\b(0[xX][0-9a-fA-F]+|[0-9]+)(?=[uUlL]*\\b)",
         [](const std::string& number) { return Increment(number); });
    // Not of error numbers: most callers look at the sign alone.
    Each("\\b(?!NULL\\b|E[A-Z0-9]+\\b)[A-Z][A-Z0-9_]{2,}\\b(?!\\s*\\()",
         [](const std::string& name) { return "(" + name + " + 1)"; });
    Each("return -\\w+;", [](const std::string&) { return "return 0;"; });
    Negate();
    Omit();
    return std::move(mutants_);
  }

 private:
  template <typename Make>
  void Each(const std::string& pattern, const Make& make) {
    const std::regex regex(pattern);
    for (std::sregex_iterator at(masked_.begin(), masked_.end(), regex), end; at != end; ++at)
      Replace(static_cast<size_t>(at->position()), static_cast<size_t>(at->length()),
              make(at->str()));
  }
  /// Every `from` as `to`.
  void One(const std::string& from, const std::string& to) {
    for (size_t at = masked_.find(from); at != std::string::npos; at = masked_.find(from, at + 1))
      Replace(at, from.size(), to);
  }
  /// Binary operators, which stand between spaces.
  void Swap(const std::string& a, const std::string& b) {
    One(" " + a + " ", " " + b + " ");
    One(" " + b + " ", " " + a + " ");
  }
  static std::string Increment(const std::string& number) {
    const bool hex = number.starts_with("0x") || number.starts_with("0X");
    const unsigned long long value = std::stoull(number, nullptr, 0) + 1;
    if (!hex) return std::to_string(value);
    char text[32];
    std::snprintf(text, sizeof(text), "0x%llx", value);
    return text;
  }
  /// if (x) as if (!(x)), where the condition ends on the line.
  void Negate() {
    std::smatch match;
    static const std::regex pattern("\\b(if|while) \\(");
    if (!std::regex_search(masked_, match, pattern)) return;
    const auto open = static_cast<size_t>(match.position() + match.length() - 1);
    int depth = 0;
    for (size_t i = open; i < masked_.size(); ++i) {
      depth += masked_[i] == '(' ? 1 : masked_[i] == ')' ? -1 : 0;
      if (depth == 0)
        return Replace(open + 1, i - open - 1, "!(" + text_.substr(open + 1, i - open - 1) + ")");
    }
  }
  /// A call, or an assignment to something that is declared elsewhere.
  void Omit() {
    static const std::regex call("^\\s+[A-Za-z_]\\w*\\(.*\\);$"),
        assignment("^\\s+\\*?[A-Za-z_][\\w.\\[\\]]*(->[\\w.\\[\\]]+)* ([-+|&]?=) .*;$");
    if (!std::regex_match(masked_, call) && !std::regex_match(masked_, assignment)) return;
    const size_t start = masked_.find_first_not_of(' ');
    Replace(start, masked_.size() - start, ";");
  }
  void Replace(size_t at, size_t length, const std::string& by) {
    std::string mutant = text_;
    mutant.replace(at, length, by);
    if (mutant != text_ && std::find(mutants_.begin(), mutants_.end(), mutant) == mutants_.end())
      mutants_.push_back(std::move(mutant));
  }

  std::string text_, masked_;
  std::vector<std::string> mutants_;
};

std::string Strip(const std::string& line) {
  const size_t start = line.find_first_not_of(" \t");
  return start == std::string::npos ? "" : line.substr(start);
}

}  // namespace

std::string Mutant::Name() const {
  return file + " " + function + ": " + before + "  =>  " + after +
         (occurrence == 1 ? "" : " [" + std::to_string(occurrence) + "]");
}

std::vector<Mutant> MakeMutants(const std::string& file, std::string_view text) {
  const std::vector<std::string> lines = SplitLines(text), masked = SplitLines(Mask(text));
  std::vector<Mutant> mutants;
  std::map<std::string, int> seen;
  std::string function;
  bool inside = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (masked[i].starts_with("{")) {
      inside = true;
      function = FunctionBefore(masked, i);
    } else if (masked[i].starts_with("}")) {
      inside = false;
    } else if (inside && !Ignored(masked[i])) {
      for (const std::string& mutated : Line(lines[i], masked[i]).Mutate()) {
        Mutant mutant{file, function, static_cast<int>(i + 1), Strip(lines[i]), Strip(mutated), 1};
        mutant.occurrence = ++seen[mutant.Name()];
        mutants.push_back(std::move(mutant));
      }
    }
  }
  return mutants;
}

std::string Apply(const Mutant& mutant, std::string_view text) {
  std::vector<std::string> lines = SplitLines(text);
  const auto at = static_cast<size_t>(mutant.line - 1);
  if (at >= lines.size() || Strip(lines[at]) != mutant.before)
    throw std::runtime_error(mutant.file + ":" + std::to_string(mutant.line) +
                             ": it is another line: " + mutant.before);
  std::string& line = lines[at];
  line = line.substr(0, line.size() - mutant.before.size()) + mutant.after;
  std::string all;
  for (const std::string& each : lines) all += each + "\n";
  return all;
}

}  // namespace stx
