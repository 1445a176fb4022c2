// SPDX-License-Identifier: GPL-2.0-or-later
// What a 9P2000.L client learns of files, and sets.
#include <sys/statfs.h>

#include <chrono>
#include <map>
#include <set>

#include "base/load.h"
#include "virtio/nine_p_tree.h"

namespace stx {
namespace {

using namespace nine_p;

TEST_P(NinePTree, ModeAndOwnerAreThoseThatWereSet) {
  const struct stat before = HostStat("f");
  p9().Walk(1, {"f"});
  ASSERT_EQ(Setattr(1, kSetUid, {.uid = 1234}), 0u);
  EXPECT_EQ(Attributes(1).uid, 1234u);
  EXPECT_EQ(Attributes(1).gid, before.st_gid) << "not asked for";
  ASSERT_EQ(Setattr(1, kSetGid, {.gid = 2345}), 0u);
  EXPECT_EQ(Attributes(1).uid, 1234u);
  EXPECT_EQ(Attributes(1).gid, 2345u);
  ASSERT_EQ(Setattr(1, kSetMode, {.mode = S_IFREG | 04711}), 0u);
  EXPECT_EQ(Attributes(1).mode, uint32_t{S_IFREG} | 04711);
  EXPECT_EQ(Attributes(1).uid, 1234u) << "kept beside the new mode";
  EXPECT_EQ(Attributes(1).gid, 2345u);
  const struct stat after = HostStat("f");
  if (Mapped()) {
    EXPECT_EQ(after.st_uid, before.st_uid) << "the host's file is QEMU's";
    EXPECT_EQ(after.st_gid, before.st_gid);
    EXPECT_EQ(after.st_mode, before.st_mode);
  } else {
    EXPECT_EQ(after.st_uid, uid_t{1234});
    EXPECT_EQ(after.st_gid, gid_t{2345});
    EXPECT_EQ(after.st_mode & 07777, mode_t{04711});
  }
  EXPECT_EQ(ReadFile(share / "f"), kContent);
  EXPECT_NE(Setattr(77, kSetMode, {.mode = 0600}), 0u) << "no such fid";
}

TEST_P(NinePTree, TheLengthIsThatWhichWasSet) {
  p9().Walk(1, {"f"});
  ASSERT_EQ(Setattr(1, kSetSize, {.size = 3}), 0u);
  EXPECT_EQ(ReadFile(share / "f"), std::string(kContent).substr(0, 3));
  ASSERT_EQ(Setattr(1, kSetSize, {.size = 8}), 0u);
  EXPECT_EQ(ReadFile(share / "f"), std::string(kContent).substr(0, 3) + std::string(5, '\0'));
  EXPECT_EQ(Attributes(1).size, 8u);
}

TEST_P(NinePTree, TimesAreThoseThatWereSetOrNow) {
  p9().Walk(1, {"f"});
  ASSERT_EQ(Setattr(1, kSetAtime | kAtimeGiven, {.atime = 1000000000, .atime_ns = 123456789}), 0u);
  EXPECT_EQ(Attributes(1).atime, 1000000000u);
  EXPECT_EQ(Attributes(1).atime_ns, 123456789u);
  ASSERT_EQ(Setattr(1, kSetMtime | kMtimeGiven, {.mtime = 1100000000, .mtime_ns = 987654321}), 0u);
  EXPECT_EQ(Attributes(1).mtime, 1100000000u);
  EXPECT_EQ(Attributes(1).mtime_ns, 987654321u);
  EXPECT_EQ(Attributes(1).atime, 1000000000u) << "not asked for";
  EXPECT_EQ(HostStat("f").st_mtim.tv_sec, 1100000000);
  EXPECT_EQ(HostStat("f").st_atim.tv_nsec, 123456789);
  const auto start = static_cast<uint64_t>(time(nullptr));
  ASSERT_EQ(Setattr(1, kSetMtime, {.mtime = 5, .mtime_ns = 5}), 0u);
  EXPECT_GE(Attributes(1).mtime + 1, start) << "without kMtimeGiven it is now";
  EXPECT_EQ(Attributes(1).atime, 1000000000u);
}

TEST_P(NinePTree, AttributesAreThoseOfTheFile) {
  p9().Walk(1, {"f"});
  const struct stat host = HostStat("f");
  const nine_p::Attributes guest = Attributes(1);
  EXPECT_EQ(guest.size, static_cast<uint64_t>(host.st_size));
  EXPECT_EQ(guest.mode, host.st_mode);
  EXPECT_EQ(guest.links, host.st_nlink);
  EXPECT_EQ(guest.mtime, static_cast<uint64_t>(host.st_mtim.tv_sec));
  EXPECT_EQ(guest.mtime_ns, static_cast<uint64_t>(host.st_mtim.tv_nsec));
  EXPECT_EQ(static_cast<uint8_t>(guest.qid[0]), kQidFile);
  EXPECT_NE(guest.qid.substr(5), AttributesOf({}).qid.substr(5)) << "another path, another number";
}

TEST_P(NinePTree, TheFileSystemIsTheHosts) {
  ASSERT_EQ(Ask(kStatfs, Long(kRoot)), 0u);
  struct statfs host {};
  ASSERT_EQ(statfs(share.c_str(), &host), 0);
  const auto at32 = [&](size_t at) { return LoadAt<uint32_t>(reply.body, at, "Rstatfs"); };
  const auto at64 = [&](size_t at) { return LoadAt<uint64_t>(reply.body, at, "Rstatfs"); };
  // type[4] bsize[4] blocks[8] bfree[8] bavail[8] files[8] ffree[8] fsid[8] namelen[4]
  EXPECT_EQ(at32(0), static_cast<uint32_t>(host.f_type));
  // Blocks are larger, so that a message carries one.
  const uint32_t block = at32(4), factor = block / static_cast<uint32_t>(host.f_bsize);
  ASSERT_GT(factor, 0u);
  EXPECT_EQ(block % static_cast<uint32_t>(host.f_bsize), 0u);
  EXPECT_EQ(at64(8), host.f_blocks / factor);
  EXPECT_LE(at64(16), at64(8));
  EXPECT_LE(at64(24), at64(16)) << "what root keeps for itself";
  EXPECT_NEAR(static_cast<double>(at64(16)), static_cast<double>(host.f_bfree / factor),
              static_cast<double>(at64(8)) / 100);
  EXPECT_EQ(at64(32), host.f_files);
  EXPECT_NEAR(static_cast<double>(at64(40)), static_cast<double>(host.f_ffree), 10000);
  EXPECT_LE(at32(56), static_cast<uint32_t>(host.f_namelen));
  EXPECT_GE(at32(56), 200u);
}

TEST_P(NinePTree, AFolderListsItsEntriesFromAnyPlace) {
  ASSERT_EQ(Mkdir(kRoot, "d", 0755), 0u);
  p9().Walk(1, {"d"});
  std::map<std::string, uint8_t> kinds{{".", kQidFolder}, {"..", kQidFolder}};
  ASSERT_EQ(Mkdir(1, "folder", 0700), 0u);
  kinds["folder"] = kQidFolder;
  ASSERT_EQ(Symlink(1, "link", "x"), 0u);
  kinds["link"] = kQidLink;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "file-" + std::to_string(i);
    p9().Walk(2, {"d"});
    p9().Create(2, name, O_RDWR, 0600);
    p9().Clunk(2);
    kinds[name] = kQidFile;
  }
  p9().Open(1, O_RDONLY | O_DIRECTORY);
  const auto list = [&](uint64_t offset, uint32_t count) {
    if (Ask(kReaddir, Long(1) + Quad(offset) + Long(count)) != 0)
      throw std::runtime_error("Treaddir: errno " + std::to_string(reply.error));
    EXPECT_LE(reply.body.size(), 4u + count);
    return ParseEntries(reply.body);
  };
  const std::vector<Entry> all = list(0, 60000);
  std::set<std::string> names;
  for (const Entry& entry : all) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " twice";
    ASSERT_TRUE(kinds.count(entry.name)) << entry.name;
    // In the mapped models the host's folder does not know what the guest's file is.
    if (!Mapped() || kinds[entry.name] == kQidFolder) {
      EXPECT_EQ(static_cast<uint8_t>(entry.qid[0]), kinds[entry.name]) << entry.name;
    }
    if (entry.name[0] != '.' && !Mapped()) {
      EXPECT_EQ(entry.qid, AttributesOf({"d", entry.name}).qid);
    }
  }
  EXPECT_EQ(names.size(), kinds.size());
  EXPECT_TRUE(list(all.back().next, 60000).empty()) << "after the last";
  // In small pieces, and from the middle on.
  std::vector<std::string> pieces;
  for (uint64_t offset = 0;;) {
    const std::vector<Entry> piece = list(offset, 64);
    if (piece.empty()) break;
    for (const Entry& entry : piece) pieces.push_back(entry.name);
    offset = piece.back().next;
    ASSERT_LE(pieces.size(), all.size());
  }
  ASSERT_EQ(pieces.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(pieces[i], all[i].name);
  const std::vector<Entry> rest = list(all[9].next, 60000);
  ASSERT_EQ(rest.size(), all.size() - 10);
  EXPECT_EQ(rest[0].name, all[10].name);
}

class NinePXattr : public NinePTree {
 protected:
  static constexpr uint32_t kCreateOnly = 1, kReplaceOnly = 2;
  /// The errno of writing a value: Tclunk carries it out.
  uint32_t Write(const std::string& name, const std::string& value, uint32_t flags = 0) {
    if (const uint32_t error = CreateXattr(50, name, value.size(), flags))
      throw std::runtime_error("Txattrcreate: errno " + std::to_string(error));
    if (!value.empty()) p9().Write(50, 0, value);
    return Ask(kClunk, Long(50));
  }
  /// The value of an attribute, or with an empty name the list of names.
  std::string Get(const std::string& name) {
    p9().Walk(51, {"f"});
    const uint32_t error = Ask(kXattrwalk, Long(51) + Long(52) + Text(name));
    if (error) {
      p9().Clunk(51);
      return "errno " + std::to_string(error);
    }
    const auto size = LoadAt<uint64_t>(reply.body, 0, "Rxattrwalk");
    const std::string value = p9().Read(52, 0, 60000);
    EXPECT_EQ(value.size(), size);
    p9().Clunk(52);
    p9().Clunk(51);
    return value;
  }
  std::string HostGet(const std::string& name) {
    char value[4096];
    const ssize_t size = getxattr((share / "f").c_str(), name.c_str(), value, sizeof value);
    return size < 0 ? "errno " + std::to_string(errno)
                    : std::string(value, static_cast<size_t>(size));
  }
};

TEST_P(NinePXattr, AttributesAreWrittenReadListedAndRemoved) {
  const std::string none = "errno " + std::to_string(ENODATA), binary("a\0b", 3);
  EXPECT_EQ(Get("user.one"), none);
  EXPECT_EQ(Write("user.one", binary), 0u);
  EXPECT_EQ(Write("user.two", std::string(3000, '2')), 0u);
  EXPECT_EQ(HostGet("user.one"), binary);
  EXPECT_EQ(Get("user.one"), binary);
  EXPECT_EQ(Get("user.two"), std::string(3000, '2'));
  const auto list = [&] {
    std::set<std::string> names;
    const std::string all = Get("");
    for (size_t at = 0; at < all.size(); at = all.find('\0', at) + 1)
      names.insert(all.substr(at, all.find('\0', at) - at));
    return names;
  };
  const std::set<std::string> before = list();
  EXPECT_TRUE(before.count("user.one"));
  EXPECT_TRUE(before.count("user.two"));
  for (const std::string& name : before)
    EXPECT_FALSE(name.starts_with("user.virtfs")) << "the back-end's own";
  EXPECT_EQ(Write("user.one", "new"), 0u);
  EXPECT_EQ(Get("user.one"), "new");
  EXPECT_EQ(Write("user.one", "x", kCreateOnly), uint32_t{EEXIST});
  EXPECT_EQ(Write("user.three", "x", kReplaceOnly), uint32_t{ENODATA});
  EXPECT_EQ(Get("user.one"), "new");
  // A value of no bytes removes the attribute.
  EXPECT_EQ(Write("user.one", ""), 0u);
  EXPECT_EQ(Get("user.one"), none);
  EXPECT_EQ(HostGet("user.one"), none);
  EXPECT_FALSE(list().count("user.one"));
  // The host may have one without a value.
  ASSERT_EQ(setxattr((share / "f").c_str(), "user.empty", "", 0, 0), 0);
  EXPECT_EQ(Get("user.none"), none);
  EXPECT_EQ(Get("user.empty"), "");
  EXPECT_TRUE(list().count("user.empty"));
  EXPECT_EQ(ReadFile(share / "f"), kContent);
}

TEST_P(NinePXattr, WhatTheBackEndKeepsIsNotTheGuests) {
  if (std::string(GetParam()) != "mapped-xattr") GTEST_SKIP() << "no attributes of its own";
  p9().Walk(1, {"f"});
  ASSERT_EQ(Setattr(1, kSetUid, {.uid = 1234}), 0u);
  const std::string owner = HostGet("user.virtfs.uid");
  EXPECT_EQ(owner.size(), 4u);
  EXPECT_TRUE(Get("user.virtfs.uid").starts_with("errno ")) << "not readable";
  EXPECT_NE(Write("user.virtfs.uid", std::string(4, '\0')), 0u);
  EXPECT_EQ(HostGet("user.virtfs.uid"), owner);
}

INSTANTIATE_TEST_SUITE_P(Models, NinePXattr, kSecurityModels, NameOfModel);

}  // namespace
}  // namespace stx
