// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/yaml_of_page.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace stx {
namespace {

TEST(YamlOfPage, HasTheDocumentsOfEachBlockAndNothingElse) {
  const auto documents = YamlOfPage(
      "# a: 1\n```yaml\na: 1\n---\nb: 2\n```\nc: 3\n```sh\nd: 4\n```\n```yaml\ne: 5\n```\n");
  ASSERT_EQ(documents.size(), 3u);
  EXPECT_EQ(documents[0].text, "a: 1\n");
  EXPECT_EQ(documents[1].text, "b: 2\n");
  EXPECT_EQ(documents[1].line, 2);
  EXPECT_EQ(documents[2].text, "e: 5\n");
  EXPECT_EQ(documents[2].line, 11);
}

TEST(YamlOfPage, ADocumentOfCommentsIsNone) {
  const auto documents = YamlDocuments("# first\n\n---\n  # second\n---\n# third\na: 1\n");
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].text, "# third\na: 1\n");
}

TEST(YamlOfPage, ABlockThatDoesNotEndIsNamed) {
  try {
    YamlOfPage("\n```yaml\na: 1\n");
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()), "line 2: a block that does not end");
  }
}

}  // namespace
}  // namespace stx
