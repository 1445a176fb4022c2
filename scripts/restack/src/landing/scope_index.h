// SPDX-License-Identifier: GPL-2.0-or-later
// The scopes of a file by their names: FindScopes of outline.h for files with many.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "restack/outline.h"

namespace restack {

/// Points into the scopes that it was made of, which must outlive it.
class ScopeIndex {
 public:
  explicit ScopeIndex(const std::vector<Scope>& scopes) {
    for (const Scope& scope : scopes) by_name_[scope.name].push_back(&scope);
  }
  /// Those of that kind and name, in the order of the file.
  std::vector<const Scope*> Find(Scope::Kind kind, const std::string& name) const {
    std::vector<const Scope*> found;
    auto all = by_name_.find(name);
    if (all == by_name_.end()) return found;
    for (const Scope* scope : all->second)
      if (scope->kind == kind) found.push_back(scope);
    return found;
  }

 private:
  std::unordered_map<std::string, std::vector<const Scope*>> by_name_;
};

}  // namespace restack
