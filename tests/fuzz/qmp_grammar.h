// SPDX-License-Identifier: GPL-2.0-or-later
// Random QMP commands that a monitor's own schema allows (docs/devel/qapi-code-gen.rst of the base,
// "Client JSON Protocol introspection"), so that they get past its parser and into the code behind.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace stx {

using json = nlohmann::json;

class QmpGrammar {
 public:
  /// `schema` is the reply to query-qmp-schema. The same seed and replies make the same commands.
  QmpGrammar(const json& schema, unsigned seed);

  /// {"execute": NAME, "arguments": {...}}. Never a command that ends QEMU, or that runs a line of
  /// the human monitor.
  json MakeCommand();
  /// A value for a property of a device or object; `type` is what device-list-properties or
  /// qom-list calls it ("uint32", "bool", "link<...>").
  json MakeProperty(const std::string& type);
  /// Takes over the names in a reply: ids, node names, QOM paths. A text that could be the path of
  /// a file outside QEMU's folder is not taken.
  void Learn(const json& reply);
  /// One of the names that were learned, or a text of the grammar's own.
  std::string MakeText();
  /// True once in `n` times.
  bool OneIn(unsigned n) { return Pick(n) == 0; }
  /// A number below `n`.
  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  const std::vector<std::string>& commands() const { return commands_; }

 private:
  json MakeValue(const std::string& type, int depth);
  json MakeObject(const json& type, int depth);
  int64_t MakeInteger();

  std::map<std::string, json> types_;  ///< by the schema's name
  std::vector<std::string> commands_;  ///< what MakeCommand chooses from
  std::vector<std::string> texts_;
  std::set<std::string> known_;  ///< what is in texts_
  std::mt19937 random_;
};

}  // namespace stx
