// SPDX-License-Identifier: GPL-2.0-or-later
// The list of changes, applied to a release's configuration. $REPOSITORY is the folder of debian/.
#include "kata/configuration.h"

#include <gtest/gtest.h>

#include "base/os.h"
#include "kata/toml.h"

namespace stx {
namespace {

constexpr char kRelease[] = R"(# of a release
[hypervisor.qemu]
path = "/opt/kata/bin/qemu"
# Words that name path = "nothing"
#pcie_root_port = 2
annotations = [
  "a",
  "b",
]
secure = true

[runtime]
# path = "another section's"
#limit = 1
)";

class KataConfiguration : public testing::Test {
 protected:
  std::vector<ConfigurationChange> Changes(const std::string& text) {
    WriteFile(list_, text);
    return ReadConfigurationChanges(list_);
  }
  std::string Apply(const std::string& text) {
    return ApplyConfigurationChanges(kRelease, Changes(text), list_);
  }
  /// The message with which `text` is refused.
  std::string GetRefusal(const std::string& text) {
    try {
      Apply(text);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    ADD_FAILURE() << "not refused: " << text;
    return {};
  }

  TempDir dir_{"kata-configuration"};
  std::filesystem::path list_ = dir_ / "changes.toml";
};

std::string Change(const std::string& section, const std::string& key, const std::string& value,
                   const std::string& reason = "because") {
  return "[[change]]\nsection = \"" + section + "\"\nkey = \"" + key + "\"\nvalue = " + value +
         "\nreason = \"" + reason + "\"\n";
}

TEST_F(KataConfiguration, ReplacesAnActiveKeyAndNothingElse) {
  EXPECT_EQ(Apply(Change("hypervisor.qemu", "path", "\"/usr/bin/q\"")),
            R"(# of a release
[hypervisor.qemu]
# stx-qemu: because
path = "/usr/bin/q"
# Words that name path = "nothing"
#pcie_root_port = 2
annotations = [
  "a",
  "b",
]
secure = true

[runtime]
# path = "another section's"
#limit = 1
)");
}

TEST_F(KataConfiguration, ReplacesAValueOfSeveralLinesWhole) {
  const toml::table table =
      ParseToml(Apply(Change("hypervisor.qemu", "annotations", "[\"c\"]")), "result");
  const toml::array* annotations = table["hypervisor"]["qemu"]["annotations"].as_array();
  ASSERT_TRUE(annotations);
  ASSERT_EQ(annotations->size(), 1u);
  EXPECT_EQ((*annotations)[0].value_or(std::string()), "c");
  EXPECT_EQ(table["hypervisor"]["qemu"]["secure"].value_or(false), true);
}

TEST_F(KataConfiguration, TakesTheCommentFromAKeyOfItsOwnSection) {
  const std::string text =
      Apply(Change("hypervisor.qemu", "pcie_root_port", "4") + Change("runtime", "limit", "3"));
  const toml::table table = ParseToml(text, "result");
  EXPECT_EQ(table["hypervisor"]["qemu"]["pcie_root_port"].value_or(0), 4);
  EXPECT_EQ(table["runtime"]["limit"].value_or(0), 3);
  EXPECT_EQ(text.find("#pcie_root_port"), std::string::npos);
  EXPECT_NE(text.find("# path = \"another section's\""), std::string::npos);
}

TEST_F(KataConfiguration, ReasonsBecomeCommentsOfAtMostEightyColumns) {
  std::string reason;
  for (int i = 0; i < 30; ++i) reason += "reason" + std::to_string(i) + " ";
  const std::string text = Apply(Change("hypervisor.qemu", "secure", "false", reason));
  size_t longest = 0, at = 0;
  for (size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    longest = std::max(longest, end - at);
  EXPECT_LE(longest, 80u);
  EXPECT_NE(text.find("reason29\nsecure = false"), std::string::npos) << text;
}

TEST_F(KataConfiguration, RefusesAKeyThatTheReleaseDoesNotHave) {
  EXPECT_EQ(
      GetRefusal("\n" + Change("hypervisor.qemu", "pathh", "1")),
      list_.string() + ":2: the release's configuration has no key 'pathh' in [hypervisor.qemu]");
  // The key exists, but elsewhere.
  EXPECT_NE(GetRefusal(Change("runtime", "secure", "true")).find("in [runtime]"),
            std::string::npos);
  EXPECT_NE(GetRefusal(Change("agent.kata", "limit", "1")).find("in [agent.kata]"),
            std::string::npos);
}

TEST_F(KataConfiguration, RefusesAListThatIsNotWhole) {
  EXPECT_NE(GetRefusal("[[change]]\nsection = \"a\"\nkey = \"b\"\nvalue = 1\n")
                .find(":1: [[change]] needs 'reason'"),
            std::string::npos);
  EXPECT_NE(GetRefusal("[[change]]\nsection = \"a\"\nkey = \"b\"\nreason = \"c\"\n")
                .find(":1: [[change]] needs 'value'"),
            std::string::npos);
  EXPECT_NE(GetRefusal(Change("a", "b", "1") + Change("a", "b", "2"))
                .find(":6: [[change]] changes b for the second time"),
            std::string::npos);
  EXPECT_NE(GetRefusal("").find("no [[change]]"), std::string::npos);
  EXPECT_NE(GetRefusal("[[change]\n").find("changes.toml:1: "), std::string::npos);
}

TEST_F(KataConfiguration, OurListIsWhole) {
  const auto changes = ReadConfigurationChanges(std::filesystem::path(EnvOr("REPOSITORY", ".")) /
                                                "debian/kata/configuration-changes.toml");
  EXPECT_GE(changes.size(), 10u);
  for (const ConfigurationChange& change : changes) EXPECT_GT(change.reason.size(), 10u);
}

}  // namespace
}  // namespace stx
