// SPDX-License-Identifier: GPL-2.0-or-later
#include "text_facts.h"

#include <algorithm>
#include <cctype>

namespace restack {

FileFacts::FileFacts(const std::string& path, Text text) : path_(path), text_(std::move(text)) {}

const std::vector<size_t>& FileFacts::At(const std::string& squeezed) const {
  static const std::vector<size_t> kNone;
  if (!lines_) {
    lines_.emplace();
    lines_->reserve(text_.size());
    for (size_t i = 0; i < text_.size(); ++i) (*lines_)[Squeeze(text_[i])].push_back(i);
  }
  auto at = lines_->find(squeezed);
  return at == lines_->end() ? kNone : at->second;
}

size_t FileFacts::Next(const std::string& squeezed, size_t from) const {
  const std::vector<size_t>& all = At(squeezed);
  auto at = std::lower_bound(all.begin(), all.end(), from);
  return at == all.end() ? kNowhere : *at;
}

size_t FileFacts::Nearest(const std::string& squeezed, size_t to) const {
  const std::vector<size_t>& all = At(squeezed);
  if (all.empty()) return kNowhere;
  auto at = std::lower_bound(all.begin(), all.end(), to);
  if (at == all.end()) return all.back();
  if (at == all.begin()) return *at;
  return *at - to < to - *(at - 1) ? *at : *(at - 1);
}

const std::vector<LexPlace>& FileFacts::places() const {
  if (!places_) places_ = LexPlaces(text_.lines());
  return *places_;
}

const std::vector<Scope>& FileFacts::scopes() const {
  if (!scopes_) scopes_ = Outline(path_, text_);
  return *scopes_;
}

std::vector<const Scope*> FileFacts::FindScopes(Scope::Kind kind, const std::string& name) const {
  if (!scope_index_) scope_index_.emplace(scopes());
  return scope_index_->Find(kind, name);
}

const std::vector<Definition>& FileFacts::definitions() const {
  if (!definitions_) {
    definitions_ = Definitions(path_, text_.lines());
    for (const Definition& each : *definitions_) keys_[each.key].push_back(each.line);
  }
  return *definitions_;
}

size_t FileFacts::Defined(const std::string& key) const {
  (void)definitions();
  auto at = keys_.find(key);
  return at == keys_.end() ? 0 : at->second.size();
}

size_t FileFacts::LineOf(const std::string& key) const {
  (void)definitions();
  auto at = keys_.find(key);
  return at == keys_.end() ? 0 : at->second.front();
}

size_t FileFacts::Word(std::string_view word) const {
  if (!words_) {
    words_.emplace();
    for (size_t i = 0; i < text_.size(); ++i) {
      if (places()[i].comment) continue;
      for (std::string_view each : CodeWords(text_[i])) ++(*words_)[each];
    }
  }
  auto at = words_->find(word);
  return at == words_->end() ? 0 : at->second;
}

size_t FileFacts::List(std::string_view word) const {
  if (!list_) {
    list_.emplace();
    for (std::string_view line : text_.lines())
      for (std::string_view each : ListWords(line)) ++(*list_)[each];
  }
  auto at = list_->find(word);
  return at == list_->end() ? 0 : at->second;
}

std::set<std::string> SubWords(std::string_view line) {
  std::set<std::string> words;
  std::string word;
  auto end = [&] {
    if (!word.empty()) words.insert(std::move(word));
    word.clear();
  };
  char last = 0;
  for (char c : line) {
    unsigned char u = static_cast<unsigned char>(c);
    if (!std::isalnum(u)) {
      end();
    } else {
      if (std::isupper(u) && std::islower(static_cast<unsigned char>(last))) end();
      word += static_cast<char>(std::tolower(u));
    }
    last = c;
  }
  end();
  return words;
}

double Alike(const std::set<std::string>& a, const std::set<std::string>& b) {
  if (a.empty() || b.empty()) return 0;
  size_t common = 0;
  for (const std::string& word : a) common += b.count(word);
  return 2.0 * static_cast<double>(common) / static_cast<double>(a.size() + b.size());
}

std::vector<std::string_view> ListWords(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBetween = " \t\r\n,'\"\\[]";
  for (size_t at = 0; (at = line.find_first_not_of(kBetween, at)) != std::string_view::npos;) {
    if (line[at] == '#') break;
    size_t end = std::min(line.find_first_of(kBetween, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

}  // namespace restack
