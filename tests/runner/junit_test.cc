// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/junit.h"

#include <gtest/gtest.h>

#include <pugixml.hpp>

namespace stx {
namespace {

TEST(Junit, EachCaseHasItsTimeReasonAndRows) {
  GtestResult result;
  result.took = Milliseconds(2500);
  result.cases = {
      {.name = "Suite.Good",
       .verdict = Verdict::kPassed,
       .text = "",
       .rows = {"1.1 a"},
       .unseen_rows = {"1.2 b"},
       .took = Milliseconds(1234)},
      {.name = "Suite.Bad", .verdict = Verdict::kFailed, .text = "a_test.cc:1: Failure\n<&\x1b>"},
      {.name = "Suite.Not", .verdict = Verdict::kSkipped, .text = "no KVM\n"}};
  GtestResult broken;
  broken.broken = "no end within 5 s";
  TempDir dir;
  WriteJunit(dir / "out.xml", {{"program", result}, {"other", broken}});

  pugi::xml_document document;
  ASSERT_TRUE(document.load_file((dir / "out.xml").c_str()));
  const auto suite = document.child("testsuites").child("testsuite");
  EXPECT_STREQ(suite.attribute("name").value(), "program");
  EXPECT_STREQ(suite.attribute("tests").value(), "3");
  EXPECT_STREQ(suite.attribute("failures").value(), "1");
  EXPECT_STREQ(suite.attribute("skipped").value(), "1");
  EXPECT_STREQ(suite.attribute("time").value(), "2.500");
  auto one = suite.child("testcase");
  EXPECT_STREQ(one.attribute("classname").value(), "Suite");
  EXPECT_STREQ(one.attribute("name").value(), "Good");
  EXPECT_STREQ(one.attribute("time").value(), "1.234");
  const auto row = one.child("properties").child("property");
  EXPECT_STREQ(row.attribute("name").value(), "contract");
  EXPECT_STREQ(row.attribute("value").value(), "1.1 a");
  EXPECT_STREQ(row.next_sibling().attribute("name").value(), "contract-not-seen");
  one = one.next_sibling();
  EXPECT_STREQ(one.child("failure").attribute("message").value(), "a_test.cc:1: Failure");
  EXPECT_STREQ(one.child_value("failure"), "a_test.cc:1: Failure\n<&?>");
  one = one.next_sibling();
  EXPECT_STREQ(one.child_value("skipped"), "no KVM\n");
  const auto error = suite.next_sibling().child("testcase").child("error");
  EXPECT_STREQ(error.attribute("message").value(), "no end within 5 s");
}

TEST(Junit, WhatCannotBeWrittenIsNamed) {
  EXPECT_THROW(
      try { WriteJunit("/nonexistent/out.xml", {}); } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "/nonexistent/out.xml.new: cannot be written");
        throw;
      },
      std::runtime_error);
}

}  // namespace
}  // namespace stx
