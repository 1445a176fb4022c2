// SPDX-License-Identifier: GPL-2.0-or-later
// The archive that scripts/deb makes, read by apt as docs/install.md sets it up: with a private
// state, so that the machine's own apt sees nothing of it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/process.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

class Archive : public testing::Test {
 protected:
  Archive() : dir_("archive") {
    // gpg refuses a home that others can read; its agent's socket needs a short path.
    chmod(dir_.path().c_str(), 0700);
    Shell(R"(
mkdir -p debs package/DEBIAN lists/partial state cache/archives/partial
printf 'Package: stx-small\nVersion: 1\nArchitecture: all\nMaintainer: T <t@localhost>\nDescription: small\n' \
  >package/DEBIAN/control
dpkg-deb -b package debs >/dev/null)");
  }
  ~Archive() override {
    stx::Run({"env", "GNUPGHOME=" + dir_.path().string(), "gpgconf", "--kill", "all"},
             Milliseconds(20000));
  }

  RunResult Try(const std::string& script) const {
    return stx::Run({"env", "GNUPGHOME=" + dir_.path().string(), "sh", "-ec",
                     "cd \"$0\"\n" + script, dir_.path().string(), EnvOr("REPOSITORY", ".")},
                    Milliseconds(100000));
  }
  void Shell(const std::string& script) const {
    const RunResult result = Try(script);
    ASSERT_TRUE(result.status.Success()) << script << ": " << result.out << result.err;
  }
  void MakeKey(const std::string& name) const {
    Shell("gpg -q --batch --passphrase '' --quick-gen-key " + name + " ed25519 sign never");
  }
  /// apt-get update, with the key that the operator trusts in `keyring`.
  RunResult Update(const std::string& keyring) const {
    return Try(R"(
printf 'deb [signed-by=%s] file:%s/debs/archive ./\n' "$PWD/)" +
               keyring + R"(" "$PWD" >sources
apt-get -q -o Dir::Etc::sourcelist="$PWD/sources" -o Dir::Etc::sourceparts=/dev/null \
  -o Dir::State="$PWD/state" -o Dir::State::Lists="$PWD/lists" -o Dir::Cache="$PWD/cache" \
  -o APT::Sandbox::User= -o APT::Update::Error-Mode=any update 2>&1
apt-cache -o Dir::State::Lists="$PWD/lists" -o Dir::State="$PWD/state" -o Dir::Cache="$PWD/cache" \
  -o Dir::Etc::sourcelist="$PWD/sources" -o Dir::Etc::sourceparts=/dev/null show stx-small)");
  }

  TempDir dir_;
};

TEST_F(Archive, SignedItIsReadAndAnotherKeyIsRefused) {
  MakeKey("operator");
  MakeKey("somebody");
  Shell(
      "\"$1\"/scripts/step/archive debs bookworm operator\n"
      "gpg -q --batch --export somebody >somebody.gpg");
  const RunResult refused = Update("somebody.gpg");
  EXPECT_FALSE(refused.status.Success());
  EXPECT_NE(refused.out.find("NO_PUBKEY"), std::string::npos) << refused.out;
  const RunResult read = Update("debs/archive/stx-qemu.gpg");
  EXPECT_TRUE(read.status.Success()) << read.out << read.err;
  EXPECT_NE(read.out.find("Filename: ./stx-small_1_all.deb"), std::string::npos) << read.out;
}

TEST_F(Archive, AlteredItIsRefused) {
  MakeKey("operator");
  Shell(
      "\"$1\"/scripts/step/archive debs bookworm operator\n"
      "cd debs/archive\nsed -i s/small/smelt/ Packages\nrm Packages.xz");
  const RunResult refused = Update("debs/archive/stx-qemu.gpg");
  EXPECT_FALSE(refused.status.Success()) << refused.out;
}

TEST_F(Archive, UnsignedItIsRefused) {
  Shell("\"$1\"/scripts/step/archive debs bookworm\n: >empty.gpg");
  const RunResult refused = Update("empty.gpg");
  EXPECT_FALSE(refused.status.Success());
  EXPECT_NE(refused.out.find("not signed"), std::string::npos) << refused.out;
}

TEST_F(Archive, BadInputIsNamed) {
  RunResult result = Try("\"$1\"/scripts/step/archive debs bookworm nobody");
  EXPECT_EQ(result.status.code, 2);
  EXPECT_NE(result.err.find("gpg has no secret key nobody"), std::string::npos) << result.err;
  result = Try("mkdir none; \"$1\"/scripts/step/archive none bookworm");
  EXPECT_EQ(result.status.code, 2);
  EXPECT_NE(result.err.find("there are no packages in none"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace stx
