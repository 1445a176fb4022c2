// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz/qmp_grammar.h"

#include <gtest/gtest.h>

#include "fuzz/qmp_session.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

/// A command whose arguments have each kind of type.
const json kSchema = json::parse(R"([
  {"name": "quit", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
  {"name": "add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
  {"name": "0", "meta-type": "object", "members": []},
  {"name": "1", "meta-type": "object", "tag": "kind",
   "members": [{"name": "kind", "type": "2"}, {"name": "size", "type": "int", "default": null},
               {"name": "list", "type": "[str]"}, {"name": "either", "type": "3"}],
   "variants": [{"case": "file", "type": "4"}, {"case": "none", "type": "0"}]},
  {"name": "2", "meta-type": "enum", "values": ["file", "none"]},
  {"name": "3", "meta-type": "alternate", "members": [{"type": "bool"}, {"type": "int"}]},
  {"name": "4", "meta-type": "object",
   "members": [{"name": "again", "type": "1", "default": null}, {"name": "name", "type": "str"}]},
  {"name": "[str]", "meta-type": "array", "element-type": "str"},
  {"name": "str", "meta-type": "builtin", "json-type": "string"},
  {"name": "int", "meta-type": "builtin", "json-type": "int"},
  {"name": "bool", "meta-type": "builtin", "json-type": "boolean"}])");

void ExpectMatches(const json& arguments) {
  ASSERT_TRUE(arguments["kind"] == "file" || arguments["kind"] == "none");
  EXPECT_EQ(arguments.contains("name"), arguments["kind"] == "file") << arguments;
  EXPECT_TRUE(arguments["either"].is_boolean() || arguments["either"].is_number_integer());
  ASSERT_TRUE(arguments["list"].is_array());
  for (const json& element : arguments["list"]) EXPECT_TRUE(element.is_string());
  if (arguments.contains("size")) {
    EXPECT_TRUE(arguments["size"].is_number_integer());
  }
  if (arguments.contains("again")) ExpectMatches(arguments["again"]);
}

TEST(QmpGrammar, CommandsAreWhatTheSchemaAllows) {
  QmpGrammar grammar(kSchema, 1);
  ASSERT_EQ(grammar.commands(), std::vector<std::string>{"add"});  // never quit
  int nested = 0, sizes = 0;
  for (int i = 0; i < 500; ++i) {
    const json command = grammar.MakeCommand();
    ASSERT_EQ(command["execute"], "add");
    ExpectMatches(command["arguments"]);
    nested += command["arguments"].contains("again");
    sizes += command["arguments"].contains("size");
  }
  EXPECT_GT(nested, 20);
  EXPECT_GT(sizes, 100);
  EXPECT_LT(sizes, 300);
}

TEST(QmpGrammar, TheSameSeedMakesTheSameCommands) {
  QmpGrammar one(kSchema, 7), same(kSchema, 7), other(kSchema, 8);
  bool differs = false;
  for (int i = 0; i < 20; ++i) {
    const json command = one.MakeCommand();
    EXPECT_EQ(command, same.MakeCommand());
    differs |= command != other.MakeCommand();
  }
  EXPECT_TRUE(differs);
}

TEST(QmpGrammar, LearnsNamesAndNoPathsOfFiles) {
  QmpGrammar grammar(kSchema, 1);
  grammar.Learn({{"id", "disk7"},
                 {"file", "/etc/passwd"},
                 {"uri", "exec:true"},
                 {"child", {{"path", "/machine/peripheral/nic"}}}});
  std::set<std::string> made;
  for (int i = 0; i < 2000; ++i) made.insert(grammar.MakeText());
  EXPECT_TRUE(made.contains("disk7"));
  EXPECT_TRUE(made.contains("/machine/peripheral/nic"));
  EXPECT_FALSE(made.contains("/etc/passwd"));
  EXPECT_FALSE(made.contains("exec:true"));
}

TEST(QmpSession, FindsNothing) {
  for (unsigned seed : {1u, 2u}) {
    const QmpSession session = RunQmpSession(QemuBinary(), seed, 400);
    EXPECT_EQ(session.finding, "");
    EXPECT_GT(session.commands, 20);
    EXPECT_GT(session.accepted, session.commands / 10);
  }
}

}  // namespace
}  // namespace stx
