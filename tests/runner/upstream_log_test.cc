// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/upstream_log.h"

#include <gtest/gtest.h>

#include "base/os.h"

namespace stx {
namespace {

UpstreamResults Read(const std::string& text) {
  TempDir dir;
  WriteFile(dir / "log.json", text);
  return ReadUpstreamLog(dir / "log.json");
}

TEST(UpstreamLog, ReadsProgramsAndTheirCases) {
  EXPECT_EQ(Read(R"({"name": "qemu:unit / check-a", "result": "ERROR", )"
                 R"("stdout": "1..4\nok 1 /a/one\n# ok 9 no case\nnot ok 2 /a/two\n)"
                 R"(ok 3 /a/three # SKIP no such thing\nBail out!\n"})"
                 "\n"
                 R"({"name": "qemu:block / io", "result": "OK", )"
                 R"("stdout": "1..2\nok qcow2 001\nok qcow2 002 # SKIP no such thing\n"})"
                 "\n"
                 R"({"name": "qemu:unit / b", "result": "OK"})"
                 "\n"),
            (UpstreamResults{{"check-a", "ERROR"},
                             {"check-a: /a/one", "OK"},
                             {"check-a: /a/two", "FAIL"},
                             {"check-a: /a/three", "SKIP"},
                             {"io", "OK"},
                             {"io: qcow2 001", "OK"},
                             {"io: qcow2 002", "SKIP"},
                             {"b", "OK"}}));
}

TEST(UpstreamLog, WhatPassedOnPlainAndDoesNotOnOursIsWorse) {
  const UpstreamResults plain{
      {"a", "OK"}, {"b", "ERROR"}, {"b: 1", "OK"}, {"c", "FAIL"}, {"d", "OK"}};
  const UpstreamResults ours{
      {"a", "OK"}, {"b", "ERROR"}, {"c", "OK"}, {"d", "SKIP"}, {"e", "FAIL"}};
  std::string text;
  for (const UpstreamDifference& d : Compare(plain, ours))
    text += d.name + " " + d.plain + "->" + d.ours + (d.Worse() ? " worse\n" : "\n");
  EXPECT_EQ(text, "b: 1 OK->not run worse\nc FAIL->OK\nd OK->SKIP worse\ne not run->FAIL\n");
}

TEST(UpstreamLog, Counts) {
  EXPECT_EQ(Counts({{"a", "OK"}, {"b", "FAIL"}, {"c", "OK"}}), "1 FAIL, 2 OK");
}

}  // namespace
}  // namespace stx
