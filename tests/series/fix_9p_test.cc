// SPDX-License-Identifier: GPL-2.0-or-later
// patches/fixes/9p-*.patch: what one request may do. Names, open flags, fids without an open file,
// sizes, and the mode of a file that is written.

#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <set>

#include "base/load.h"
#include "virtio/nine_p_machine.h"

namespace stx {
namespace {

using namespace nine_p;

constexpr const char* kUnix = "9P2000.u";

class Fix9p : public NinePMachine {
 protected:
  /// Twstat that changes the name, the length, or nothing.
  uint32_t Wstat(uint32_t fid, const std::string& name, uint64_t length = ~0ULL,
                 bool unix_fields = true) {
    const std::string no_id = Byte(0xff) + Long(~0U) + Quad(~0ULL);
    std::string stat = Word(0xffff) + Long(~0U) + no_id + Long(~0U) + Long(~0U) + Long(~0U) +
                       Quad(length) + Text(name) + Text("") + Text("") + Text("");
    if (unix_fields) stat += Text("") + Long(~0U) + Long(~0U) + Long(~0U);
    stat = Word(static_cast<uint16_t>(stat.size())) + stat;
    return p9().Try(kWstat, Long(fid) + Word(static_cast<uint16_t>(stat.size())) + stat).error;
  }
  uint32_t Topen(uint32_t fid, uint8_t mode) {
    return p9().Try(kOpen, Long(fid) + Byte(mode)).error;
  }
  uint32_t Setattr(uint32_t fid, uint32_t valid, const Values& values) {
    return p9().Try(kSetattr, nine_p::Setattr(fid, valid, values)).error;
  }
  /// st_mode as the guest sees it, without the file type.
  uint32_t GuestMode(uint32_t fid) {
    return ParseAttributes(p9().Try(kGetattr, Long(fid) + Quad(kAllAttributes)).body).mode & 07777;
  }
  std::set<std::string> Names() {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir.path()))
      if (!entry.is_socket()) names.insert(std::filesystem::relative(entry, dir.path()));
    return names;
  }
};

// 9p-rename-name

TEST_F(Fix9p, TwstatTakesNoNameThatIsNotOneElementOfAPath) {
  Start(",security_model=none", {kUnix});
  p9().Walk(1, {"f"});
  for (const std::string& name : {std::string("a/b"), std::string("../esc"), std::string("/abs"),
                                  std::string("a/"), std::string(1, '\0')})
    EXPECT_EQ(Wstat(1, name), EINVAL) << name;
  for (const char* name : {".", ".."}) EXPECT_EQ(Wstat(1, name), EISDIR) << name;
  EXPECT_EQ(Names(), (std::set<std::string>{"share", "share/f"}));
  // A refused request has no effect.
  EXPECT_EQ(Wstat(1, "a/b", 0), EINVAL);
  EXPECT_EQ(ReadFile(share / "f"), kContent);
  EXPECT_EQ(Wstat(1, "g"), 0u);
  EXPECT_EQ(Names(), (std::set<std::string>{"share", "share/g"}));
  EXPECT_EQ(ReadFile(share / "g"), kContent);
}

// 9p-read-only-open

TEST_F(Fix9p, AReadOnlyExportIsNotTruncated) {
  constexpr uint8_t kOread = 0, kOwrite = 1, kOrdwr = 2, kOexec = 3, kOtrunc = 0x10,
                    kOappend = 0x80;
  Start(",security_model=none,readonly=on", {kUnix});
  p9().Walk(1, {"f"});
  for (const uint8_t mode : {uint8_t(kOread | kOtrunc), uint8_t(kOexec | kOtrunc), kOwrite, kOrdwr,
                             uint8_t(kOread | kOappend)}) {
    EXPECT_EQ(Topen(1, mode), EROFS) << int{mode};
    ASSERT_EQ(ReadFile(share / "f"), kContent) << int{mode};
  }
  p9().Walk(2, {"f"});
  EXPECT_EQ(Topen(1, kOread), 0u);
  EXPECT_EQ(Topen(2, kOexec), 0u);
  EXPECT_EQ(p9().Read(1, 0, 100), kContent);
  Connect();
  p9().Walk(1, {"f"});
  for (const uint32_t flags : {O_TRUNC, O_WRONLY, O_RDWR, O_APPEND})
    EXPECT_EQ(p9().Try(kLopen, Long(1) + Long(flags)).error, EROFS) << flags;
  p9().Open(1, O_RDONLY);
  EXPECT_EQ(p9().Read(1, 0, 100), kContent);
}

// 9p-fid-without-file

TEST_F(Fix9p, AFidThatIsNoOpenFileIsNeitherSyncedNorLocked) {
  const auto requests = [&](uint32_t fid) {
    return std::vector<uint32_t>{
        p9().Try(kFsync, Long(fid) + Long(0)).error,
        p9().Try(kLock, Long(fid) + Byte(0) + Long(0) + Quad(0) + Quad(0) + Long(1) + Text("c"))
            .error,
        p9().Try(kGetlock, Long(fid) + Byte(0) + Quad(0) + Quad(0) + Long(1) + Text("c")).error};
  };
  const std::vector<uint32_t> refused(3, EBADF), done(3, 0);
  Start();
  p9().Walk(1, {"f"});
  EXPECT_EQ(requests(1), refused) << "walked to";
  p9().Open(1, O_RDWR);
  EXPECT_EQ(requests(1), done) << "an open file";
  p9().Walk(2, {});
  p9().Open(2, O_RDONLY);
  EXPECT_EQ(requests(2), done) << "an open folder";

  // An attribute with as many bytes as the number of a descriptor of QEMU that can be synced.
  ASSERT_EQ(Descriptors("f").size(), 1u);
  const uint32_t descriptor = Descriptors("f").front();
  ASSERT_EQ(CreateXattr(3, "user.x", 1000), 0u);
  ASSERT_EQ(p9().Write(3, 0, std::string(descriptor, 'x')), descriptor);
  EXPECT_EQ(requests(3), refused) << "an attribute";

  Connect({kUnix});
  p9().Walk(1, {"f"});
  EXPECT_EQ(Wstat(1, ""), EBADF) << "a Twstat that only syncs";
}

// 9p-wstat-sync

TEST_F(Fix9p, ATwstatThatOnlySyncsIsAnswered) {
  Start(",security_model=none", {kUnix});
  p9().Walk(1, {"f"});
  ASSERT_EQ(Topen(1, 0), 0u);
  EXPECT_EQ(Wstat(1, ""), 0u);
  EXPECT_EQ(p9().Read(1, 0, 100), kContent);
}

// 9p-xattr-limit

TEST_F(Fix9p, AttributesTakeABoundedAmountOfMemory) {
  constexpr uint32_t kValue = 64 << 10, kTooMany = 300;
  Start();
  const auto fill = [&] {
    uint32_t held = 0;
    for (uint32_t fid = 1; fid <= kTooMany; ++fid, ++held)
      if (const uint32_t error = CreateXattr(fid, "user.x", kValue)) {
        EXPECT_EQ(error, ENOMEM);
        break;
      }
    return held;
  };
  const uint32_t held = fill();
  EXPECT_LE(held, 256u) << "of 64 KiB each";
  EXPECT_GE(held, 250u);
  // The refused fid is unchanged, and a fid that is clunked makes room.
  EXPECT_EQ(GuestMode(held + 1), ModeOf("f"));
  EXPECT_EQ(p9().Try(kClunk, Long(1)).error, EINVAL) << "a value that was never written";
  p9().Clunk(held + 1);
  EXPECT_EQ(CreateXattr(1, "user.x", kValue), 0u);
  // So does a new session, down to the last byte.
  Connect();
  EXPECT_EQ(fill(), held);
}

TEST_F(Fix9p, AttributesThatAreReadCountToo) {
  const std::string value(3000, 'v');
  if (setxattr((share / "f").c_str(), "user.big", value.data(), value.size(), 0) != 0)
    GTEST_SKIP() << "no user attributes in " << share;
  Start();
  // All room except for one value of 64 KiB is taken by attributes that are being written.
  constexpr uint32_t kValue = 64 << 10, kTooMany = 300;
  uint32_t fid = 1, error = 0;
  while (fid < kTooMany && CreateXattr(fid, "user.x", kValue) == 0) ++fid;
  ASSERT_EQ(p9().Try(kClunk, Long(1)).error, EINVAL);
  p9().Walk(1, {"f"});
  const uint32_t first = 1000, most = 4 * kValue / 3000;
  for (fid = first; fid < first + most && !error; ++fid)
    error = p9().Try(kXattrwalk, Long(1) + Long(fid) + Text("user.big")).error;
  EXPECT_EQ(error, ENOMEM);
  EXPECT_EQ(p9().Read(first, 0, 4000), value);
  p9().Clunk(first);
  p9().Clunk(first + 1);
  // A value that is written in pieces arrives completely.
  constexpr uint32_t kOther = 2000;
  ASSERT_EQ(CreateXattr(kOther, "user.set", 5), 0u);
  EXPECT_EQ(p9().Write(kOther, 0, "he"), 2u);
  EXPECT_EQ(p9().Write(kOther, 2, "llo"), 3u);
  p9().Clunk(kOther);
  char got[16];
  ASSERT_EQ(getxattr((share / "f").c_str(), "user.set", got, sizeof(got)), 5);
  EXPECT_EQ(std::string(got, 5), "hello");
}

// 9p-readdir-limit

TEST_F(Fix9p, AFolderIsReadInPiecesWhateverTheClientAsksFor) {
  constexpr int kFiles = 3000;
  std::set<std::string> expected{".", "..", "f"};
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = "name-" + std::to_string(10000 + i);
    WriteFile(share / name, "");
    expected.insert(name);
  }
  constexpr uint32_t kMsize = 4 << 20, kMost = 64 << 10;
  Start(",security_model=none", {"9P2000.L", kMsize});
  p9().Walk(1, {});
  p9().Open(1, O_RDONLY | O_DIRECTORY);
  std::set<std::string> names;
  uint64_t offset = 0;
  for (;;) {
    const NineP::Reply reply = p9().Try(kReaddir, Long(1) + Quad(offset) + Long(kMsize - 11));
    ASSERT_EQ(reply.error, 0u);
    const auto count = LoadAt<uint32_t>(reply.body, 0, "Rreaddir");
    ASSERT_EQ(reply.body.size(), 4u + count);
    EXPECT_LE(count, kMost);
    if (count == 0) break;
    for (const Entry& entry : ParseEntries(reply.body)) {
      offset = entry.next;
      EXPECT_TRUE(names.insert(entry.name).second) << "twice";
    }
  }
  EXPECT_EQ(names, expected);
}

// 9p-set-user-id

struct ModeCase {
  mode_t before, after;
};
constexpr ModeCase kModes[] = {{04755, 0755},  {02755, 0755},  {06711, 0711},
                               {06710, 0710},  {02644, 02644},  // means mandatory locking
                               {01755, 01755}, {0644, 0644}};

TEST_F(Fix9p, AWriteTakesSetUserIdAway) {
  if (geteuid() != 0) GTEST_SKIP() << "for a process without privileges the kernel does it";
  for (const char* model : {"none", "passthrough"}) {
    Start(std::string(",security_model=") + model);
    for (const auto& [before, after] : kModes) {
      const auto set = [&] {
        WriteFile(share / "f", kContent);
        ASSERT_EQ(chmod((share / "f").c_str(), before), 0);
      };
      set();
      p9().Walk(1, {"f"});
      p9().Open(1, O_RDWR);
      EXPECT_EQ(p9().Read(1, 0, 100), kContent);
      EXPECT_EQ(ModeOf("f"), before) << "after a read";
      EXPECT_EQ(p9().Write(1, 0, "evil"), 4u);
      EXPECT_EQ(ModeOf("f"), after) << "after a write";
      EXPECT_EQ(ReadFile(share / "f"), "evilents of f");
      p9().Clunk(1);
      set();
      p9().Walk(1, {"f"});
      EXPECT_EQ(Setattr(1, kSetSize, {.size = 4}), 0u);
      EXPECT_EQ(ModeOf("f"), after) << "after Tsetattr of the size";
      EXPECT_EQ(ReadFile(share / "f"), "cont");
      set();
      p9().Open(1, O_WRONLY | O_TRUNC);
      EXPECT_EQ(ModeOf("f"), after) << "after Tlopen that truncates";
      EXPECT_EQ(ReadFile(share / "f"), "");
      p9().Clunk(1);
    }
  }
}

TEST_F(Fix9p, ATwstatOfTheLengthTakesSetUserIdAway) {
  if (geteuid() != 0) GTEST_SKIP() << "for a process without privileges the kernel does it";
  Start(",security_model=none", {kUnix});
  ASSERT_EQ(chmod((share / "f").c_str(), 04755), 0);
  p9().Walk(1, {"f"});
  EXPECT_EQ(Wstat(1, "", 3), 0u);
  EXPECT_EQ(ModeOf("f"), 0755u);
  EXPECT_EQ(ReadFile(share / "f"), "con");
}

TEST_F(Fix9p, InMappedModelsItIsTheGuestsModeThatLosesIt) {
  for (const char* model : {"mapped-xattr", "mapped-file"}) {
    if (model == std::string("mapped-xattr") &&
        setxattr((share / "f").c_str(), "user.try", "x", 1, 0) != 0)
      continue;  // no user attributes here
    Start(std::string(",security_model=") + model);
    p9().Walk(1, {"f"});
    p9().Walk(2, {"f"});
    p9().Open(2, O_RDWR);
    const auto set = [&] {
      EXPECT_EQ(Setattr(1, kSetMode, {.mode = S_IFREG | 06755}), 0u);
      EXPECT_EQ(GuestMode(1), 06755u) << model;
    };
    set();
    EXPECT_EQ(p9().Write(2, 0, "evil"), 4u);
    EXPECT_EQ(GuestMode(1), 0755u) << model << " after a write";
    set();
    EXPECT_EQ(Setattr(1, kSetSize, {.size = 4}), 0u);
    EXPECT_EQ(GuestMode(1), 0755u) << model << " after Tsetattr of the size";
    set();
    p9().Walk(3, {"f"});
    p9().Open(3, O_WRONLY | O_TRUNC);
    EXPECT_EQ(GuestMode(1), 0755u) << model << " after Tlopen that truncates";
    EXPECT_EQ(ReadFile(share / "f"), "");
    std::filesystem::remove_all(share);
    SetUp();
  }
}

}  // namespace
}  // namespace stx
