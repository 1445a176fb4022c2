// SPDX-License-Identifier: GPL-2.0-or-later
// What is in a text, counted once and asked often.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "definitions.h"
#include "lex.h"
#include "restack/merge.h"
#include "restack/outline.h"
#include "restack/text.h"
#include "scope_index.h"

namespace restack {

class FileFacts {
 public:
  FileFacts(const std::string& path, Text text);

  const Text& text() const { return text_; }
  size_t size() const { return text_.size(); }
  /// Places of a line, without any white space.
  const std::vector<size_t>& At(const std::string& squeezed) const;
  size_t Count(const std::string& squeezed) const { return At(squeezed).size(); }
  /// The first one from `from` on, or kNowhere.
  size_t Next(const std::string& squeezed, size_t from) const;
  size_t Nearest(const std::string& squeezed, size_t to) const;
  const std::vector<LexPlace>& places() const;
  const std::vector<Scope>& scopes() const;
  /// The scopes of that kind and name, in order.
  std::vector<const Scope*> FindScopes(Scope::Kind kind, const std::string& name) const;
  const std::vector<Definition>& definitions() const;
  /// How often a key is defined, and where first.
  size_t Defined(const std::string& key) const;
  size_t LineOf(const std::string& key) const;
  /// How often a word is in code.
  size_t Word(std::string_view word) const;
  bool HasWord(std::string_view word) const { return Word(word) > 0; }
  /// How often a word of a list is there.
  size_t List(std::string_view word) const;

 private:
  std::string path_;
  Text text_;
  mutable std::optional<std::unordered_map<std::string, std::vector<size_t>>> lines_;
  mutable std::optional<std::vector<LexPlace>> places_;
  mutable std::optional<std::vector<Scope>> scopes_;
  mutable std::optional<ScopeIndex> scope_index_;
  mutable std::optional<std::vector<Definition>> definitions_;
  mutable std::unordered_map<std::string, std::vector<size_t>> keys_;
  mutable std::optional<std::unordered_map<std::string_view, size_t>> words_, list_;
};

/// The words of names: ReadLock and read_lock are read and lock.
std::set<std::string> SubWords(std::string_view line);
/// How many of the words are the same, 0 to 1.
double Alike(const std::set<std::string>& a, const std::set<std::string>& b);
/// Between white space, commas and quotes.
std::vector<std::string_view> ListWords(std::string_view line);

}  // namespace restack
