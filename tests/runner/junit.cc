// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/junit.h"

#include <cstdio>
#include <pugixml.hpp>
#include <stdexcept>

namespace stx {
namespace {

namespace fs = std::filesystem;

std::string Seconds(Milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", static_cast<double>(time.count()) / 1000);
  return text;
}

/// XML 1.0 does not allow control characters, and a guest's console may print any byte.
std::string Printable(std::string text) {
  for (char& c : text)
    if (const auto byte = static_cast<unsigned char>(c);
        (byte < 0x20 && c != '\n' && c != '\t') || byte >= 0x7f)
      c = '?';
  return text;
}

void Set(pugi::xml_node node, const char* name, const std::string& value) {
  node.append_attribute(name).set_value(Printable(value).c_str());
}

void Add(pugi::xml_node suite, const CaseResult& c) {
  pugi::xml_node node = suite.append_child("testcase");
  const size_t dot = c.name.find('.');
  Set(node, "classname", c.name.substr(0, dot));
  Set(node, "name", dot == std::string::npos ? c.name : c.name.substr(dot + 1));
  Set(node, "time", Seconds(c.took));
  if (!c.rows.empty() || !c.unseen_rows.empty()) {
    pugi::xml_node properties = node.append_child("properties");
    const auto add = [&](const char* name, const std::string& row) {
      pugi::xml_node property = properties.append_child("property");
      Set(property, "name", name);
      Set(property, "value", row);
    };
    for (const std::string& row : c.rows) add("contract", row);
    for (const std::string& row : c.unseen_rows) add("contract-not-seen", row);
  }
  if (c.verdict == Verdict::kPassed) {
    if (!c.text.empty())
      node.append_child("system-out")
          .append_child(pugi::node_pcdata)
          .set_value(Printable(c.text).c_str());
    return;
  }
  pugi::xml_node why = node.append_child(c.verdict == Verdict::kFailed ? "failure" : "skipped");
  Set(why, "message", c.text.substr(0, c.text.find('\n')));
  why.append_child(pugi::node_pcdata).set_value(Printable(c.text).c_str());
}

}  // namespace

void WriteJunit(const fs::path& file, const std::vector<SuiteResult>& suites) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("testsuites");
  for (const SuiteResult& suite : suites) {
    const GtestResult& result = suite.result;
    pugi::xml_node node = root.append_child("testsuite");
    Set(node, "name", suite.name);
    Set(node, "tests", std::to_string(result.cases.size() + !result.broken.empty()));
    Set(node, "failures", std::to_string(result.Count(Verdict::kFailed)));
    Set(node, "errors", result.broken.empty() ? "0" : "1");
    Set(node, "skipped", std::to_string(result.Count(Verdict::kSkipped)));
    Set(node, "time", Seconds(result.took));
    for (const CaseResult& c : result.cases) Add(node, c);
    if (result.broken.empty()) continue;
    pugi::xml_node broken = node.append_child("testcase");
    Set(broken, "classname", suite.name);
    Set(broken, "name", suite.name);
    Set(broken.append_child("error"), "message", result.broken);
  }
  const fs::path unfinished = file.string() + ".new";
  if (!document.save_file(unfinished.c_str(), "  "))
    throw std::runtime_error(unfinished.string() + ": cannot be written");
  fs::rename(unfinished, file);
}

}  // namespace stx
