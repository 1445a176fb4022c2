// SPDX-License-Identifier: GPL-2.0-or-later
// Profiles that cannot be read, and binaries that are not a QEMU of ours.
#include <gtest/gtest.h>

#include "scripts/clone.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

/// build exits with 2 and the message before it has made anything.
void ExpectRefused(const Clone& clone, const std::vector<std::string>& profiles,
                   const std::string& message) {
  RunResult result = clone.Step("build", profiles);
  EXPECT_EQ(result.status.code, 2);
  EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(clone / "cache"));
  EXPECT_FALSE(fs::exists(clone / "build/small"));
}

TEST(Profile, UnknownOneIsNamedWithThoseThatAre) {
  Clone clone;
  ExpectRefused(clone, {"small", "nosuch"}, "there is no profile nosuch (there are: small/)");
  ExpectRefused(clone, {}, "a profile is missing (there are: small/)");
  WriteFile(clone / "meson-overrides/small/configure", "@include nosuch\n");
  ExpectRefused(clone, {"small"}, "there is no profile nosuch");
}

TEST(Profile, ALineThatCannotBeReadIsShown) {
  Clone clone;
  const fs::path file = clone / "meson-overrides/small/configure";
  for (const char* bad : {"--enable-kvm\nenable-vnc\n--disable-gtk\n", "enable-vnc"}) {
    WriteFile(file, bad);
    ExpectRefused(clone, {"small"},
                  "meson-overrides/small/configure: cannot read the line: enable-vnc");
  }
  WriteFile(file, "# good\n\n--enable-vnc");
  RunResult result = clone.Step("build", {"small"});
  ASSERT_TRUE(result.status.Success()) << result.err;
  EXPECT_TRUE(fs::exists(clone / "build/small/qemu-system-x86_64"));
}

TEST(Profile, FromBeginsWithTheObjectsOfAnother) {
  Clone clone;
  fs::create_directories(clone / "meson-overrides/more");
  WriteFile(clone / "meson-overrides/more/configure", "@include small\n@from small\n--more\n");
  ASSERT_TRUE(clone.Step("build", {"small"}).status.Success());
  WriteFile(clone / "build/small/object.o", "compiled");
  fs::create_directories(clone / "build/small/qemu-bundle/link");
  RunResult result = clone.Step("build", {"more"});
  ASSERT_TRUE(result.status.Success()) << result.err;
  EXPECT_NE(result.err.find("beginning more with what small has compiled"), std::string::npos);
  EXPECT_EQ(ReadFile(clone / "build/more/object.o"), "compiled");
  EXPECT_FALSE(fs::exists(clone / "build/more/qemu-bundle/link"));
  // Only on the first run: its own objects must be kept.
  WriteFile(clone / "build/more/object.o", "its own");
  result = clone.Step("build", {"more"});
  ASSERT_TRUE(result.status.Success()) << result.err;
  EXPECT_EQ(ReadFile(clone / "build/more/object.o"), "its own");
}

TEST(Profile, FromAProfileThatIsNotBuiltBeginsWithNothing) {
  Clone clone;
  fs::create_directories(clone / "meson-overrides/more");
  WriteFile(clone / "meson-overrides/more/configure", "@include small\n@from small\n");
  RunResult result = clone.Step("build", {"more"});
  EXPECT_TRUE(result.status.Success()) << result.err;
  EXPECT_FALSE(fs::exists(clone / "build/small"));
}

TEST(Profile, AConfigureThatFailsIsToldAndTriedAgain) {
  Clone clone;
  ASSERT_TRUE(clone.Step("tree").status.Success());
  const fs::path configure = clone / "qemu-7.2/tree/configure";
  const std::string good = ReadFile(configure);
  WriteFile(configure, "#!/bin/sh\necho ERROR: no such feature; exit 1\n");
  RunResult result = clone.Step("build", {"small"});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("ERROR: no such feature"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("profile small cannot be configured"), std::string::npos) << result.err;
  WriteFile(configure, good);
  result = clone.Step("build", {"small"});
  EXPECT_TRUE(result.status.Success()) << result.err;
}

TEST(Profile, ABuildThatFailsWithoutAFailedLineShowsTheEndOfItsLog) {
  Clone clone;
  ASSERT_TRUE(clone.Step("tree").status.Success());
  WriteFile(clone / "qemu-7.2/tree/configure", "#!/bin/sh\necho nonsense >build.ninja\n");
  RunResult result = clone.Step("build", {"small"});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.err.find("ninja: error: build.ninja:1: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("profile small does not build"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace stx
