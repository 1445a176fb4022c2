// SPDX-License-Identifier: GPL-2.0-or-later
// The list of CVEs: what is refused in it, what is compared, what is made from it; and that what it
// says of this repository and of the binary under test is so.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/arguments.h"
#include "base/process.h"
#include "base/throws.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/qemu.h"
#include "security/cve_check.h"
#include "security/statement.h"

namespace stx {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kHead = "updated = \"2026-11-27\"\n";

/// An entry with what every one has, and `more`.
std::string Entry(const std::string& id, const std::string& more) {
  return "[[cve]]\nid = \"" + id +
         "\"\ncomponent = \"hw/x.c\"\nfault = \"overflow\"\nneeds = \"root\"\n" + more + "\n";
}
const std::string kPatched = "status = \"patch\"\npatches = [\"fixes/x\"]";
const std::string kBased =
    "status = \"base\"\nbase = \"1:7.2-1\"\nchangelog = \"x: fix the overflow (Closes: #1)\"";

CveList Parse(const std::string& entries) { return ParseCveList(kHead + entries, "cve.toml"); }

testing::AssertionResult Refused(const std::string& entries, const std::string& why) {
  return Throws<BadInput>(why, [&] { Parse(entries); });
}

TEST(CveListTest, WhatIsMissingOrUnknownIsNamedWithItsLine) {
  EXPECT_TRUE(Refused("[[cve]]\nid = \"CVE-2026-1234\"", "cve.toml:2: CVE-2026-1234 has no"));
  EXPECT_TRUE(Refused(Entry("CVE-26-1", kPatched), "is not the id of a CVE"));
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234", "status = \"mended\""), "no status \"mended\""));
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234", kPatched + "\npatch = 1"), "unknown key patch"));
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234", "status = 3"), "status is not a string"));
  EXPECT_TRUE(Refused("[[cve]", "cve.toml:2: "));
  EXPECT_TRUE(Refused("", "there is no [[cve]]"));
}

TEST(CveListTest, AStatusHasItsEvidenceAndNoOther) {
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234", "status = \"patch\""), "needs patches"));
  EXPECT_TRUE(
      Refused(Entry("CVE-2026-1234", "status = \"base\"\nbase = \"1\""), "needs changelog"));
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234", "status = \"affected\""), "needs evidence"));
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234", "status = \"not-affected\""), "needs evidence"));
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234", kPatched + "\nbase = \"1\""), "has no base"));
  EXPECT_TRUE(
      Refused(Entry("CVE-2026-1234", kPatched + "\nnot_built = [\"kata\"]"), "needs markers"));
  EXPECT_TRUE(
      Refused(Entry("CVE-2026-1234", kPatched + "\nnot_built = [\"cata\"]"), "no profile cata"));
  EXPECT_TRUE(
      Refused(Entry("CVE-2026-1234", kPatched + "\nmarkers = [\"qom:x\"]"), "of no known kind"));
  EXPECT_TRUE(Refused(Entry("CVE-2026-1234",
                            "status = \"not-built\"\nevidence = \"x\"\n"
                            "not_built = [\"kata\"]\nmarkers = [\"type:x\"]"),
                      "what no profile contains"));
}

TEST(CveListTest, EachIsThereOnceInOrder) {
  const std::string first = Entry("CVE-2025-11234", kPatched), second = Entry("CVE-2026-999", "");
  EXPECT_EQ(Parse(first + Entry("CVE-2026-9990", kPatched)).cves.size(), 2u);
  EXPECT_TRUE(Refused(first + first, "does not come after CVE-2025-11234"));
  EXPECT_TRUE(Refused(first + Entry("CVE-2025-9999", kPatched), "does not come after"));
}

TEST(CveCheckTest, APatchIsThereNamesTheCveAndIsTested) {
  const CveList list = Parse(Entry("CVE-2026-1234", kPatched));
  EXPECT_EQ(CheckPatches(list, {{"fixes/x.patch", {"CVE-2026-1234"}, true}}).size(), 0u);
  EXPECT_EQ(CheckPatches(list, {}),
            std::vector<std::string>{"CVE-2026-1234: patches/series has no fixes/x.patch"});
  EXPECT_EQ(
      CheckPatches(list, {{"fixes/x.patch", {}, true}}),
      std::vector<std::string>{"CVE-2026-1234: the header of fixes/x.patch does not name it"});
  EXPECT_EQ(
      CheckPatches(list, {{"fixes/x.patch", {"CVE-2026-1234"}, false}}),
      std::vector<std::string>{"CVE-2026-1234: a test that fixes/x.patch names does not exist"});
}

TEST(CveCheckTest, ACveInAHeaderIsInTheListForThatPatch) {
  const CveList list = Parse(Entry("CVE-2026-1234", kPatched));
  const PatchFacts x{"fixes/x.patch", {"CVE-2026-1234"}, true};
  EXPECT_EQ(CheckPatches(list, {x, {"fixes/y.patch", {"CVE-2026-1234"}, true}}),
            std::vector<std::string>{
                "CVE-2026-1234: fixes/y.patch names it, but the list does not name the patch"});
  EXPECT_EQ(CheckPatches(list, {x, {"fixes/y.patch", {"CVE-2026-4321"}, true}}),
            std::vector<std::string>{
                "CVE-2026-4321: fixes/y.patch names it, but the list does not have it"});
}

TEST(CveCheckTest, ThePatchesAreReadFromTheSeries) {
  TempDir root;
  fs::create_directories(root.path() / "patches/fixes");
  fs::create_directories(root.path() / "tests");
  WriteFile(root.path() / "patches/series", "fixes/x.patch\n");
  WriteFile(root.path() / "patches/fixes/x.patch",
            "Description: x\n It overflows (CVE-2026-1234).\nTested-By: tests/x_test.cc:X.*\n---\n"
            "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+CVE-2026-4321\n");
  std::vector<PatchFacts> facts = ReadPatchFacts(root.path());
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].name, "fixes/x.patch");
  EXPECT_EQ(facts[0].cves, std::set<std::string>{"CVE-2026-1234"});
  EXPECT_FALSE(facts[0].tested);
  WriteFile(root.path() / "tests/x_test.cc", "");
  EXPECT_TRUE(ReadPatchFacts(root.path())[0].tested);
}

TEST(CveCheckTest, TheChangelogHasTheWordsInThatVersion) {
  const std::string changelog =
      "qemu (1:7.2-2) bookworm; urgency=medium\n\n  * y\n\n -- A <a@b>  Day\n\n"
      "qemu (1:7.2-1) bookworm; urgency=medium\n\n  * x: fix the\n    overflow\n     (Closes: #1)\n"
      "  * CVE-2022-1234\n";
  const CveList list = Parse(Entry("CVE-2026-1234", kBased));
  EXPECT_EQ(CheckChangelog(list, changelog).size(), 0u);
  EXPECT_EQ(
      CheckChangelog(Parse(Entry("CVE-2026-1234",
                                 "status = \"base\"\nbase = \"1:7.2-2\"\n"
                                 "changelog = \"x: fix\"")),
                     changelog),
      std::vector<std::string>{"CVE-2026-1234: the changelog of 1:7.2-2 does not have \"x: fix\""});
  EXPECT_EQ(CheckChangelog(list, "qemu (1) a; b\n"),
            std::vector<std::string>{"CVE-2026-1234: Debian's changelog has no version 1:7.2-1"});
  EXPECT_EQ(CheckChangelog(list, changelog + "  * CVE-2023-1111\n"),
            std::vector<std::string>{
                "CVE-2023-1111: Debian's changelog names it, but the list does not have it"});
  EXPECT_EQ(CheckChangelog(Parse(Entry("CVE-2026-1234", kPatched)), "  * CVE-2026-1234\n"),
            std::vector<std::string>{
                "CVE-2026-1234: Debian's changelog names it, but its status is not \"base\""});
}

TEST(CveCheckTest, WhatIsNotBuiltIsNotThereAndTheRestIs) {
  const CveList list = Parse(Entry(
      "CVE-2026-1234", kPatched + "\nnot_built = [\"kata\"]\nmarkers = [\"type:a\", \"type:b\"]"));
  const auto has = [](std::string there) {
    return [there](const std::string& marker) { return marker == there; };
  };
  EXPECT_EQ(CheckMarkers(list, "kata", has("type:c")).size(), 0u);
  EXPECT_EQ(CheckMarkers(list, "host", has("type:b")).size(), 0u);
  EXPECT_EQ(CheckMarkers(list, "kata", has("type:b")),
            std::vector<std::string>{"CVE-2026-1234: profile kata has type:b, but the list says "
                                     "that it is not built"});
  EXPECT_EQ(CheckMarkers(list, "host", has("type:c")).size(), 1u);
}

TEST(StatementTest, EveryProfileHasAStatusWithWhatOpenVexAsksOfIt) {
  const std::string absent = "\nnot_built = [\"kata\"]\nmarkers = [\"type:x\"]";
  const CveList list = Parse(
      Entry("CVE-2026-1001", kPatched + absent) + Entry("CVE-2026-1002", kBased) +
      Entry("CVE-2026-1003", "status = \"not-affected\"\nevidence = \"newer\"") +
      Entry("CVE-2026-1004", "status = \"affected\"\nevidence = \"do without\"") +
      Entry("CVE-2026-1005", "status = \"under-investigation\"\nevidence = \"no description\""));
  const json document = json::parse(OpenVex(list));
  EXPECT_EQ(document["@context"], "https://openvex.dev/ns/v0.2.0");
  EXPECT_EQ(document["timestamp"], "2026-11-27T00:00:00Z");
  ASSERT_EQ(document["statements"].size(), 10u);
  std::vector<std::string> statuses;
  for (const json& statement : document["statements"]) {
    const std::string status = statement["status"];
    statuses.push_back(status);
    EXPECT_EQ(statement.contains("justification"), status == "not_affected");
    EXPECT_EQ(statement.contains("action_statement"), status == "affected");
    EXPECT_FALSE(statement["products"].empty());
    for (const json& product : statement["products"])
      EXPECT_NE(product["@id"].get<std::string>().find("@@VERSION@"), std::string::npos);
  }
  EXPECT_EQ(statuses, (std::vector<std::string>{
                          "fixed", "not_affected", "fixed", "fixed", "not_affected", "not_affected",
                          "affected", "affected", "under_investigation", "under_investigation"}));
  EXPECT_EQ(document["statements"][1]["products"],
            json::parse(R"([{"@id": "pkg:deb/debian/qemu-kata@@VERSION@"}])"));
  EXPECT_EQ(document["statements"][1]["justification"], "component_not_present");
  EXPECT_EQ(document["statements"][4]["justification"], "vulnerable_code_not_present");
}

TEST(StatementTest, ThePageCountsPerProfileAndNamesTheEvidence) {
  const std::string page = SecurityPage(
      Parse(Entry("CVE-2026-1001", kPatched + "\nnot_built = [\"kata\"]\nmarkers = [\"type:x\"]") +
            Entry("CVE-2026-1002", kPatched)));
  EXPECT_NE(page.find("| Fixed by our patches | 2 | 1 |"), std::string::npos) << page;
  EXPECT_NE(page.find("| Not built | 0 | 1 |"), std::string::npos) << page;
  EXPECT_NE(page.find("| CVE-2026-1001 | `hw/x.c` | overflow | root | host | `fixes/x` |"),
            std::string::npos)
      << page;
}

TEST(Repository, IsAsTheListSays) {
  const RunResult result =
      stx::Run({EnvOr("SECURITY", ""), "--root", EnvOr("REPOSITORY", "")}, Milliseconds(60000));
  EXPECT_TRUE(result.status.Success()) << result.err;
}

/// The types, commands and formats of the binary under test, and what the packages install.
class Contents {
 public:
  explicit Contents(std::string profile) : profile_(std::move(profile)) {
    QemuOptions options;
    options.args = {"-machine", "none", "-nodefaults", "-display", "none"};
    Qemu qemu(std::move(options));
    for (const json& type : qemu.qmp().Execute("qom-list-types"))
      markers_.insert("type:" + type["name"].get<std::string>());
    for (const json& command : qemu.qmp().Execute("query-commands"))
      markers_.insert("command:" + command["name"].get<std::string>());
    std::istringstream formats(RunQemu({"-machine", "none", "-drive", "format=help"}).out);
    for (std::string word; formats >> word;) markers_.insert("format:" + word);
    // Nothing but the binary is in the package of profile kata.
    if (profile_ != "host") return;
    for (const fs::directory_entry& file :
         fs::directory_iterator(fs::path(EnvOr("REPOSITORY", "")) / "debian"))
      if (file.path().extension() == ".install") installed_ += ReadFile(file.path());
  }
  bool Has(const std::string& marker) const {
    if (marker.starts_with("installed:"))
      return installed_.find("/" + marker.substr(10) + " ") != std::string::npos;
    // Types in modules, which are loaded when they are asked for.
    if (marker.starts_with("type:") && HasDeviceType(marker.substr(5))) return true;
    return markers_.contains(marker);
  }

 private:
  std::string profile_, installed_;
  std::set<std::string> markers_;
};

TEST(Binary, ContainsWhatTheListSays) {
  if (RunQemu({"--version"}).out.find("(stx-qemu, ") == std::string::npos)
    GTEST_SKIP() << "$QEMU is not a build of this fork";
  const fs::path file = fs::path(EnvOr("REPOSITORY", "")) / "debian/security/cve.toml";
  const std::string profile = EnvOr("PROFILE", "host");
  const Contents contents(profile);
  EXPECT_EQ(CheckMarkers(ParseCveList(ReadFile(file), file.string()), profile,
                         [&](const std::string& marker) { return contents.Has(marker); }),
            std::vector<std::string>());
}

}  // namespace
}  // namespace stx
