// SPDX-License-Identifier: GPL-2.0-or-later
// Files and folders over virtio-9p: made, linked, moved, removed (9P2000.L; what each request does
// is what the system call of its name does).
#include <sys/sysmacros.h>

#include "base/load.h"
#include "virtio/nine_p_tree.h"

namespace stx {
namespace {

using namespace nine_p;

TEST_P(NinePTree, AFolderIsMadeWithItsModeAndGroup) {
  ASSERT_EQ(Mkdir(kRoot, "d", 0777, 1234), 0u);
  const std::string qid = reply.body;
  ASSERT_EQ(qid.size(), kQidSize);
  EXPECT_EQ(static_cast<uint8_t>(qid[0]), kQidFolder);
  const nine_p::Attributes made = AttributesOf({"d"});
  EXPECT_EQ(made.mode, uint32_t{S_IFDIR} | 0777) << "the host's umask does not matter";
  EXPECT_EQ(made.uid, 0u);
  EXPECT_EQ(made.gid, 1234u);
  EXPECT_EQ(made.qid, qid);
  EXPECT_TRUE(S_ISDIR(HostStat("d").st_mode));
  if (!Mapped()) {
    EXPECT_EQ(HostStat("d").st_mode & 07777, mode_t{0777});
    EXPECT_EQ(HostStat("d").st_gid, gid_t{1234});
  }
  p9().Walk(1, {"d"});
  EXPECT_EQ(Mkdir(1, "e", 0700), 0u);
  EXPECT_TRUE(S_ISDIR(HostStat("d/e").st_mode));
  EXPECT_EQ(Mkdir(kRoot, "d", 0700), uint32_t{EEXIST});
  for (const char* name : {".", ".."}) EXPECT_EQ(Mkdir(kRoot, name, 0700), uint32_t{EEXIST});
  EXPECT_EQ(Mkdir(kRoot, "no/path", 0700), uint32_t{ENOENT});
  EXPECT_EQ(Mkdir(77, "x", 0700), uint32_t{ENOENT}) << "no such fid";
}

TEST_P(NinePTree, AFileIsMadeWrittenAndRead) {
  p9().Walk(1, {});
  p9().Create(1, "n", O_RDWR | O_EXCL, 0666);
  EXPECT_EQ(AttributesOf({"n"}).mode, uint32_t{S_IFREG} | 0666);
  EXPECT_EQ(p9().Write(1, 0, "hello"), 5u);
  EXPECT_EQ(p9().Write(1, 8, "world"), 5u);
  const std::string content("hello\0\0\0world", 13);
  EXPECT_EQ(ReadFile(share / "n"), content);
  EXPECT_EQ(ReadAll(1), content);
  EXPECT_EQ(p9().Read(1, 8, 3), "wor");
  EXPECT_EQ(p9().Read(1, 13, 10), "") << "the end";
  EXPECT_EQ(p9().Read(1, 1000, 10), "");
  EXPECT_EQ(AttributesOf({"n"}).size, 13u);
  p9().Walk(2, {});
  EXPECT_EQ(Ask(kLcreate, Long(2) + Text("n") + Long(O_RDWR | O_EXCL) + Long(0600) + Long(0)),
            uint32_t{EEXIST});
  // What open(2) does with its flags.
  p9().Walk(3, {"n"});
  p9().Open(3, O_WRONLY | O_APPEND);
  p9().Write(3, 0, "!");
  EXPECT_EQ(ReadFile(share / "n"), content + "!");
  EXPECT_EQ(Ask(kRead, Long(3) + Quad(0) + Long(1)), uint32_t{EBADF}) << "write-only";
  p9().Walk(4, {"n"});
  p9().Open(4, O_RDONLY);
  EXPECT_EQ(Ask(kWrite, Long(4) + Quad(0) + Long(1) + "x"), uint32_t{EBADF}) << "read-only";
  p9().Walk(5, {"n"});
  p9().Open(5, O_RDWR | O_TRUNC);
  EXPECT_EQ(ReadFile(share / "n"), "");
  EXPECT_EQ(Ask(kFsync, Long(5) + Long(0)), 0u);
  // The reply names the new file.
  p9().Walk(6, {});
  ASSERT_EQ(Ask(kLcreate, Long(6) + Text("q") + Long(O_RDWR) + Long(0600) + Long(0)), 0u);
  const std::string qid = reply.body.substr(0, kQidSize);
  EXPECT_EQ(qid, AttributesOf({"q"}).qid);
}

TEST_P(NinePTree, ASymbolicLinkIsReadAsItWasMadeAndNotFollowed) {
  const std::string target = "../beyond/the root";
  ASSERT_EQ(Symlink(kRoot, "l", target), 0u);
  EXPECT_EQ(static_cast<uint8_t>(reply.body[0]), kQidLink);
  const nine_p::Attributes link = AttributesOf({"l"});
  EXPECT_TRUE(S_ISLNK(link.mode));
  EXPECT_EQ(link.size, target.size());
  p9().Walk(1, {"l"});
  ASSERT_EQ(Ask(kReadlink, Long(1)), 0u);
  EXPECT_EQ(reply.body, Text(target));
  if (Mapped()) {
    EXPECT_EQ(ReadFile(share / "l"), target);
  } else {
    EXPECT_EQ(std::filesystem::read_symlink(share / "l"), target);
  }
  ASSERT_EQ(Mkdir(kRoot, "d", 0700), 0u);
  WriteFile(share / "d/inner", "");
  ASSERT_EQ(Symlink(kRoot, "to-d", "d"), 0u);
  p9().Walk(2, {"d", "inner"});
  EXPECT_TRUE(TryWalk(3, {"to-d", "inner"}) != 0 || LoadAt<uint16_t>(reply.body, 0, "Rwalk") == 1);
  EXPECT_EQ(Symlink(kRoot, "l", "x"), uint32_t{EEXIST});
}

TEST_P(NinePTree, ALinkIsTheSameFile) {
  p9().Walk(1, {"f"});
  ASSERT_EQ(Link(kRoot, 1, "g"), 0u);
  const nine_p::Attributes f = AttributesOf({"f"}), g = AttributesOf({"g"});
  EXPECT_EQ(f.qid, g.qid);
  EXPECT_EQ(f.links, 2u);
  EXPECT_EQ(HostStat("f").st_ino, HostStat("g").st_ino);
  EXPECT_EQ(Link(kRoot, 1, "g"), uint32_t{EEXIST});
  EXPECT_EQ(Link(kRoot, 77, "h"), uint32_t{ENOENT}) << "no such fid";
  ASSERT_EQ(Unlink(kRoot, "f"), 0u);
  EXPECT_EQ(AttributesOf({"g"}).links, 1u);
  EXPECT_EQ(ReadFile(share / "g"), kContent);
}

TEST_P(NinePTree, WhatIsMadeLeavesNoDescriptorOpen) {
  const auto descriptors = [&] {
    const std::string folder = "/proc/" + std::to_string(qemu->process().pid()) + "/fd";
    return std::distance(std::filesystem::directory_iterator(folder), {});
  };
  const auto make = [&](const std::string& name) {
    EXPECT_EQ(Symlink(kRoot, "l" + name, "target"), 0u);
    EXPECT_EQ(Mkdir(kRoot, "d" + name, 0755), 0u);
    EXPECT_EQ(Mknod(kRoot, "p" + name, S_IFIFO | 0600, 0, 0), 0u);
    p9().Walk(1, {});
    p9().Create(1, "f" + name, O_RDWR, 0600);
    p9().Clunk(1);
  };
  make("first");  // what is kept open once, is now
  const auto before = descriptors();
  for (int i = 0; i < 20; ++i) make(std::to_string(i));
  EXPECT_LT(descriptors(), before + 20);
}

TEST_P(NinePTree, WhatIsMovedKeepsItsFids) {
  ASSERT_EQ(Mkdir(kRoot, "d", 0700), 0u);
  p9().Walk(1, {"d"});
  p9().Walk(2, {"f"});
  ASSERT_EQ(Rename(kRoot, "f", 1, "moved"), 0u);
  EXPECT_FALSE(Exists("f"));
  EXPECT_EQ(ReadFile(share / "d/moved"), kContent);
  EXPECT_EQ(Attributes(2).size, std::string(kContent).size()) << "the fid of the file";
  // A fid below a folder that is moved follows it.
  ASSERT_EQ(Rename(kRoot, "d", kRoot, "e"), 0u);
  EXPECT_EQ(Attributes(2).size, std::string(kContent).size());
  p9().Open(2, O_RDONLY);
  EXPECT_EQ(ReadAll(2), kContent);
  // By fid and name, over a file that exists.
  WriteFile(share / "e/old", "old");
  p9().Walk(3, {"e", "moved"});
  p9().Walk(4, {"e"});
  ASSERT_EQ(Ask(kRename, Long(3) + Long(4) + Text("old")), 0u);
  EXPECT_EQ(ReadFile(share / "e/old"), kContent);
  EXPECT_FALSE(Exists("e/moved"));
  EXPECT_EQ(Attributes(3).size, std::string(kContent).size());
  EXPECT_EQ(Rename(kRoot, "nothing", kRoot, "x"), uint32_t{ENOENT});
}

TEST_P(NinePTree, WhatIsRemovedIsGone) {
  ASSERT_EQ(Mkdir(kRoot, "d", 0700), 0u);
  p9().Walk(1, {"d"});
  ASSERT_EQ(Mkdir(1, "e", 0700), 0u);
  p9().Walk(2, {"d"});
  p9().Create(2, "file", O_RDWR, 0600);
  p9().Write(2, 0, "still here");
  EXPECT_EQ(Unlink(kRoot, "d"), uint32_t{EISDIR});
  EXPECT_EQ(Unlink(kRoot, "d", kRemoveFolder), uint32_t{ENOTEMPTY});
  EXPECT_EQ(Unlink(1, "file", kRemoveFolder), uint32_t{ENOTDIR});
  EXPECT_EQ(Unlink(1, "file", 1), uint32_t{EINVAL}) << "flags that nobody knows";
  EXPECT_EQ(Unlink(1, "nothing"), uint32_t{ENOENT});
  for (const char* name : {".", ".."}) EXPECT_NE(Unlink(1, name, kRemoveFolder), 0u) << name;
  EXPECT_TRUE(Exists("d/file"));
  ASSERT_EQ(Unlink(1, "file"), 0u);
  EXPECT_FALSE(Exists("d/file"));
  EXPECT_EQ(ReadAll(2), "still here") << "an open file is there until it is closed";
  ASSERT_EQ(Unlink(1, "e", kRemoveFolder), 0u);
  ASSERT_EQ(Unlink(kRoot, "d", kRemoveFolder), 0u);
  EXPECT_FALSE(Exists("d"));
  // Tremove takes the fid with it.
  p9().Walk(5, {"f"});
  ASSERT_EQ(Ask(kRemove, Long(5)), 0u);
  EXPECT_FALSE(Exists("f"));
  EXPECT_NE(Ask(kGetattr, Long(5) + Quad(0x7ff)), 0u);
}

TEST_P(NinePTree, SpecialFilesAreWhatTheyWereMade) {
  const struct {
    const char* name;
    uint32_t mode, major, minor;
  } cases[] = {{"pipe", S_IFIFO | 0640, 0, 0},
               {"null", S_IFCHR | 0622, 1, 3},
               {"disk", S_IFBLK | 0600, 259, 70000},
               {"socket", S_IFSOCK | 0700, 0, 0}};
  for (const auto& c : cases) {
    ASSERT_EQ(Mknod(kRoot, c.name, c.mode, c.major, c.minor), 0u) << c.name;
    const nine_p::Attributes node = AttributesOf({c.name});
    EXPECT_EQ(node.mode, c.mode) << c.name;
    EXPECT_EQ(node.rdev, makedev(c.major, c.minor)) << c.name;
    const struct stat host = HostStat(c.name);
    if (Mapped()) {
      EXPECT_TRUE(S_ISREG(host.st_mode)) << c.name;
    } else {
      EXPECT_EQ(host.st_mode, c.mode) << c.name;
      EXPECT_EQ(host.st_rdev, makedev(c.major, c.minor)) << c.name;
    }
    EXPECT_EQ(Mknod(kRoot, c.name, c.mode, c.major, c.minor), uint32_t{EEXIST});
    p9().Walk(1, {c.name});
    const uint32_t mode = (c.mode & S_IFMT) | 0604;
    EXPECT_EQ(Setattr(1, kSetMode, {.mode = mode}), 0u) << c.name;
    EXPECT_EQ(Attributes(1).mode, mode) << c.name;
    EXPECT_EQ(Ask(kLopen, Long(1) + Long(O_RDONLY)) != 0, !Mapped())
        << c.name << ": what is behind it on the host is not the guest's";
    p9().Clunk(1);
  }
}

TEST_P(NinePTree, AWalkEndsWhereThePathDoes) {
  ASSERT_EQ(Mkdir(kRoot, "d", 0700), 0u);
  WriteFile(share / "d/inner", "x");
  p9().Walk(1, {"d", "inner"});
  EXPECT_EQ(Attributes(1).size, 1u);
  // The elements that there are; the new fid is not made.
  ASSERT_EQ(TryWalk(2, {"d", "nothing", "x"}), 0u);
  const std::string walked = reply.body;
  EXPECT_EQ(LoadAt<uint16_t>(walked, 0, "Rwalk"), 1);
  EXPECT_EQ(walked.substr(2), AttributesOf({"d"}).qid);
  EXPECT_NE(Ask(kGetattr, Long(2) + Quad(0x7ff)), 0u);
  EXPECT_EQ(TryWalk(2, {"nothing"}), uint32_t{ENOENT});
  EXPECT_EQ(TryWalk(1, {"d"}), uint32_t{EINVAL}) << "the fid is in use";
  // Nothing is above the root.
  p9().Walk(3, {"..", ".."});
  EXPECT_EQ(Attributes(3).qid, Attributes(kRoot).qid);
  p9().Walk(4, {"d", ".."});
  EXPECT_EQ(Attributes(4).qid, Attributes(kRoot).qid);
  // Of no element: the same object, again.
  p9().Walk(5, {}, 1);
  EXPECT_EQ(Attributes(5).qid, Attributes(1).qid);
  p9().Clunk(1);
  EXPECT_NE(Ask(kGetattr, Long(1) + Quad(0x7ff)), 0u);
  EXPECT_EQ(Attributes(5).size, 1u);
  EXPECT_NE(TryWalk(6, std::vector<std::string>(17, "d")), 0u) << "at most 16 elements";
}

INSTANTIATE_TEST_SUITE_P(Models, NinePTree, kSecurityModels, NameOfModel);

}  // namespace
}  // namespace stx
