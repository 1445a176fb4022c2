// SPDX-License-Identifier: GPL-2.0-or-later
#include "security/cve_list.h"

#include <algorithm>
#include <map>
#include <regex>
#include <utility>

#include "base/arguments.h"
#include "kata/toml.h"

namespace stx {
namespace {

const std::map<std::string, CveStatus, std::less<>> kStatuses{
    {"base", CveStatus::kBase},          {"patch", CveStatus::kPatch},
    {"not-built", CveStatus::kNotBuilt}, {"not-affected", CveStatus::kNotAffected},
    {"affected", CveStatus::kAffected},  {"under-investigation", CveStatus::kInvestigated}};

class Entry {
 public:
  Entry(const toml::table& table, std::string_view file) : table_(table), file_(file) {
    cve_.line = static_cast<long>(table.source().begin.line);
  }

  Cve Read() {
    for (const auto& [key, value] : table_) CheckKey(std::string(key.str()));
    cve_.id = Text("id", true);
    if (!std::regex_match(cve_.id, std::regex("CVE-[0-9]{4}-[0-9]{4,}")))
      Fail("\"" + cve_.id + "\" is not the id of a CVE");
    cve_.component = Text("component", true);
    cve_.fault = Text("fault", true);
    cve_.needs = Text("needs", true);
    cve_.base = Text("base");
    cve_.changelog = Text("changelog");
    cve_.evidence = Text("evidence");
    cve_.patches = Texts("patches");
    cve_.not_built = Texts("not_built");
    cve_.markers = Texts("markers");
    const std::string status = Text("status", true);
    const auto known = kStatuses.find(status);
    if (known == kStatuses.end()) Fail(cve_.id + ": there is no status \"" + status + "\"");
    cve_.status = known->second;
    CheckFields();
    return std::move(cve_);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw BadInput(std::string(file_) + ":" + std::to_string(cve_.line) + ": " + what);
  }
  void CheckKey(const std::string& key) const {
    static const std::vector<std::string> keys{"id",     "component", "fault",    "needs",
                                               "base",   "changelog", "evidence", "patches",
                                               "status", "not_built", "markers"};
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) Fail("unknown key " + key);
  }
  std::string Text(const char* key, bool required = false) const {
    const toml::node* node = table_.get(key);
    if (node && !node->is_string()) Fail(std::string(key) + " is not a string");
    std::string text = node ? *node->value<std::string>() : "";
    if (required && text.empty()) Fail((cve_.id.empty() ? "an entry" : cve_.id) + " has no " + key);
    return text;
  }
  std::vector<std::string> Texts(const char* key) const {
    std::vector<std::string> texts;
    const toml::node* node = table_.get(key);
    if (!node) return texts;
    if (!node->is_array()) Fail(std::string(key) + " is not an array of strings");
    for (const toml::node& one : *node->as_array()) {
      if (!one.is_string()) Fail(std::string(key) + " is not an array of strings");
      texts.push_back(*one.value<std::string>());
    }
    return texts;
  }
  /// `there` is whether the field is; `wanted` whether the status wants it.
  void Match(bool there, bool wanted, const char* field) const {
    if (there == wanted) return;
    Fail(cve_.id + (wanted ? ": this status needs " : ": this status has no ") + field);
  }
  void CheckFields() const {
    using enum CveStatus;
    const CveStatus status = cve_.status;
    Match(!cve_.base.empty(), status == kBase, "base");
    Match(!cve_.changelog.empty(), status == kBase, "changelog");
    Match(!cve_.patches.empty(), status == kPatch, "patches");
    if (status != kBase && status != kPatch) Match(!cve_.evidence.empty(), true, "evidence");
    for (const std::string& profile : cve_.not_built)
      if (std::find(std::begin(kProfiles), std::end(kProfiles), profile) == std::end(kProfiles))
        Fail(cve_.id + ": there is no profile " + profile);
    const size_t count = cve_.not_built.size();
    if ((count == std::size(kProfiles)) != (status == kNotBuilt))
      Fail(cve_.id + ": \"not-built\" is the status of what no profile contains");
    if (count > 0) Match(!cve_.markers.empty(), true, "markers");
    for (const std::string& marker : cve_.markers)
      if (!std::regex_match(marker, std::regex("(type|format|command|installed):.+")))
        Fail(cve_.id + ": the marker \"" + marker + "\" is of no known kind");
  }

  const toml::table& table_;
  std::string_view file_;
  Cve cve_;
};

/// Year and number, as CVEs are ordered.
std::pair<long, long> Order(const std::string& id) {
  return {std::stol(id.substr(4, 4)), std::stol(id.substr(9))};
}

}  // namespace

CveStatus Cve::StatusIn(std::string_view profile) const {
  const bool absent = std::find(not_built.begin(), not_built.end(), profile) != not_built.end();
  return absent ? CveStatus::kNotBuilt : status;
}

CveList ParseCveList(std::string_view toml, std::string_view file) {
  toml::table document;
  try {
    document = ParseToml(toml, file);
  } catch (const std::runtime_error& error) {
    throw BadInput(error.what());
  }
  CveList list;
  for (const auto& [key, value] : document)
    if (key != "updated" && key != "cve")
      throw BadInput(std::string(file) + ": unknown key " + std::string(key.str()));
  list.updated = document["updated"].value_or(std::string());
  if (!std::regex_match(list.updated, std::regex("20[0-9]{2}-[01][0-9]-[0-3][0-9]")))
    throw BadInput(std::string(file) + ": updated is not a day like \"2026-11-27\"");
  const toml::array* entries = document["cve"].as_array();
  if (!entries || entries->empty()) throw BadInput(std::string(file) + ": there is no [[cve]]");
  for (const toml::node& entry : *entries) {
    if (!entry.is_table()) throw BadInput(std::string(file) + ": cve is not an array of tables");
    Cve cve = Entry(*entry.as_table(), file).Read();
    if (!list.cves.empty() && Order(list.cves.back().id) >= Order(cve.id))
      throw BadInput(std::string(file) + ":" + std::to_string(cve.line) + ": " + cve.id +
                     " does not come after " + list.cves.back().id);
    list.cves.push_back(std::move(cve));
  }
  return list;
}

}  // namespace stx
