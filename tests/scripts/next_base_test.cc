// SPDX-License-Identifier: GPL-2.0-or-later
// scripts/next-base: moving to Debian's next point release.
#include <gtest/gtest.h>

#include "scripts/clone.h"

namespace stx {
namespace {

constexpr char kNext[] = "1:7.2+dfsg-7+deb12u19";
constexpr char kChangelog[] =
    "qemu (1:7.2+dfsg-7+deb12u18+stx1) bookworm; urgency=medium\n\n  * First.\n\n"
    " -- T <t@localhost>  Mon, 01 Jan 2024 00:00:00 +0000\n";

class NextBase : public testing::Test {
 protected:
  NextBase() {
    archive_.Offer(Archive::kPinned);
    clone_.emplace(archive_);
    WriteFile(*clone_ / "debian/changelog", kChangelog);
  }
  RunResult Run(const std::vector<std::string>& arguments = {}) {
    return clone_->Step("../next-base", arguments);
  }
  std::string Pinned() { return ReadFile(*clone_ / "qemu-7.2/base.toml"); }

  Archive archive_;
  std::optional<Clone> clone_;
};

TEST_F(NextBase, PinsItWithItsSumsAndAppliesTheSeries) {
  archive_.Offer(kNext);
  clone_->WritePatch("a", {{.file = 1, .to = "TWO"}});
  clone_->WriteSeries("a\n");
  const RunResult result = Run();
  ASSERT_TRUE(result.status.Success()) << result.err;

  // Like a pin that was written by hand.
  std::string pin = archive_.Pin(kNext);
  EXPECT_EQ(Pinned(), pin);
  const std::string changelog = ReadFile(*clone_ / "debian/changelog");
  EXPECT_TRUE(changelog.starts_with("qemu (1:7.2+dfsg-7+deb12u19+stx1) bookworm;")) << changelog;
  EXPECT_TRUE(changelog.ends_with(kChangelog)) << changelog;
  EXPECT_NE(ReadFile(*clone_ / "qemu-7.2/tree/hw/1.c").find("TWO"), std::string::npos);
  EXPECT_NE(ReadFile(*clone_ / "qemu-7.2/plain/hw/1.c").find(kNext), std::string::npos);

  // A second run finds nothing to do and reports that.
  const RunResult again = Run();
  EXPECT_TRUE(again.status.Success()) << again.err;
  EXPECT_NE(again.err.find("is the newest that the archive has"), std::string::npos) << again.err;
  EXPECT_EQ(Pinned(), pin);
  EXPECT_EQ(ReadFile(*clone_ / "debian/changelog"), changelog);
}

TEST_F(NextBase, ASeriesThatDoesNotApplyIsNamedWithTheWayOn) {
  archive_.Offer(kNext);
  clone_->WritePatch("a", {{.file = 1, .to = "TWO", .from = "absent"}});
  clone_->WriteSeries("a\n");
  const RunResult result = Run();
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("restack rebase --onto qemu=1:7.2+dfsg-7+deb12u19"), std::string::npos)
      << result.err;
  EXPECT_EQ(Pinned(), archive_.Pin(kNext));
}

TEST_F(NextBase, AVersionThatTheArchiveLacksChangesNothing) {
  const std::string before = Pinned();
  const RunResult result = Run({kNext});
  EXPECT_EQ(result.status.code, 2);
  EXPECT_NE(result.err.find("the archive has no qemu 1:7.2+dfsg-7+deb12u19 (it offers: "
                            "1:7.2+dfsg-7+deb12u18)"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(Pinned(), before);
  EXPECT_EQ(ReadFile(*clone_ / "debian/changelog"), kChangelog);
}

TEST_F(NextBase, AnOlderVersionIsRefused) {
  archive_.Offer("1:7.2+dfsg-7+deb12u17");
  const std::string before = Pinned();
  const RunResult result = Run({"1:7.2+dfsg-7+deb12u17"});
  EXPECT_EQ(result.status.code, 2);
  EXPECT_NE(result.err.find("is older than the pinned base"), std::string::npos) << result.err;
  EXPECT_EQ(Pinned(), before);
}

}  // namespace
}  // namespace stx
