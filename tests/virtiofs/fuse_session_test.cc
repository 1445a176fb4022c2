// SPDX-License-Identifier: GPL-2.0-or-later
// Whole FUSE sessions through vhost-user-fs-pci and vhost-user-fs-device: what the guest does and
// reads, and what the host's folder contains afterwards.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "base/waiting.h"
#include "virtiofs/fixture.h"

namespace stx {
namespace {

namespace fs_ = std::filesystem;

struct Server {
  const char* name;
  DaemonKind kind;
  bool mmio;
};
void PrintTo(const Server& server, std::ostream* out) { *out << server.name; }

class VirtioFs : public VirtioFsMachine, public testing::WithParamInterface<Server> {
 protected:
  void SetUp() override {
    Covers({"1.1 virtio-fs"});
    if (GetParam().mmio) Covers({"1.2 microvm"});
    if (auto missing = Virtiofsd::Missing(GetParam().kind)) GTEST_SKIP() << *missing;
    StartDaemon(GetParam().kind);
    StartFsMachine(GetParam().mmio);
    fs.emplace(*device, *heap);
    init = fs->Init();
  }
  /// The errno with which `call` fails; 0 if it succeeds.
  template <typename Call>
  static int Error(Call&& call) {
    try {
      call();
      return 0;
    } catch (const FuseError& error) {
      return error.error();
    }
  }
  uint64_t NodeOf(const std::string& name) { return fs->Lookup(FUSE_ROOT_ID, name).nodeid; }
  std::string Contents(uint64_t node, uint32_t size = 65536) {
    const FuseClient::File file = fs->Open(node, O_RDONLY);
    std::string bytes = fs->Read(file, 0, size);
    fs->Release(file);
    return bytes;
  }

  fuse_init_out init;
};

TEST_P(VirtioFs, InitAgreesOnWhatKataNeeds) {
  EXPECT_EQ(init.major, 7u);
  EXPECT_GE(init.minor, 27u);
  EXPECT_GE(init.max_write, 1u << 20);
  EXPECT_TRUE(init.flags & FUSE_DO_READDIRPLUS);
  EXPECT_TRUE(init.flags & FUSE_MAX_PAGES);
  std::string tag(36, '\0');
  for (uint32_t i = 0; i < tag.size(); ++i) tag[i] = static_cast<char>(device->ConfigB(i));
  EXPECT_STREQ(tag.c_str(), "kataShared");
  EXPECT_EQ(device->ConfigL(36), 1u) << "request queues";
  EXPECT_EQ(fs->requests().size(), 1024);
}

TEST_P(VirtioFs, AFileOfTheHostIsReadByTheGuest) {
  const std::string bytes = MakePattern(10000, 1);
  WriteFile(shared / "file", bytes);
  const fuse_entry_out entry = fs->Lookup(FUSE_ROOT_ID, "file");
  EXPECT_EQ(entry.attr.size, bytes.size());
  EXPECT_EQ(entry.attr.mode & S_IFMT, static_cast<uint32_t>(S_IFREG));
  const FuseClient::File file = fs->Open(entry.nodeid, O_RDONLY);
  EXPECT_EQ(fs->Read(file, 0, 65536), bytes);
  EXPECT_EQ(fs->Read(file, 9990, 100), bytes.substr(9990));
  EXPECT_EQ(fs->Read(file, 20000, 100), "");
  fs->Release(file);
}

TEST_P(VirtioFs, AFileOfTheGuestIsReadByTheHost) {
  const std::string bytes = MakePattern(5000, 2);
  const FuseClient::File file = fs->Create(FUSE_ROOT_ID, "made");
  EXPECT_EQ(fs->Write(file, 0, bytes), bytes.size());
  EXPECT_EQ(fs->Write(file, 7000, "after a hole"), 12u);
  fs->Flush(file);
  fs->Release(file);
  EXPECT_EQ(HostRead("made"), bytes + std::string(2000, '\0') + "after a hole");
  EXPECT_EQ(fs->Getattr(file.node).size, 7012u);
}

TEST_P(VirtioFs, AMebibyteGoesInOneRequest) {
  const std::string bytes = MakePattern(1 << 20, 3);
  const FuseClient::File file = fs->Create(FUSE_ROOT_ID, "large");
  EXPECT_EQ(fs->Write(file, 0, bytes), bytes.size());
  EXPECT_TRUE(HostRead("large") == bytes);
  EXPECT_TRUE(fs->Read(file, 0, 1 << 20) == bytes);
  fs->Release(file);
}

TEST_P(VirtioFs, AFolderIsListedWhole) {
  std::map<std::string, uint64_t> made;
  for (int i = 0; i < 1000; ++i) {
    const std::string name =
        "name-" + std::to_string(i) + std::string(static_cast<size_t>(i % 100), 'x');
    WriteFile(shared / name, std::string(static_cast<size_t>(i), 'c'));
    made[name] = static_cast<uint64_t>(i);
  }
  const auto listed = fs->ReadFolder(FUSE_ROOT_ID);
  EXPECT_EQ(listed.size(), made.size());
  for (const auto& [name, size] : made) {
    ASSERT_TRUE(listed.contains(name)) << name;
    ASSERT_EQ(listed.at(name).size, size) << name;
  }
}

TEST_P(VirtioFs, StatfsIsTheHosts) {
  struct statvfs host;
  ASSERT_EQ(statvfs(shared.path().c_str(), &host), 0);
  const fuse_kstatfs guest = fs->Statfs();
  EXPECT_EQ(guest.blocks, host.f_blocks);
  EXPECT_EQ(guest.bsize, host.f_bsize);
  EXPECT_EQ(guest.namelen, host.f_namemax);
}

TEST_P(VirtioFs, ExtendedAttributesAreTheHosts) {
  WriteFile(shared / "file", "x");
  if (setxattr((shared / "file").c_str(), "user.host", "h", 1, 0) != 0)
    GTEST_SKIP() << "the host's folder has no extended attributes";
  const uint64_t node = NodeOf("file");
  EXPECT_EQ(fs->GetXattr(node, "user.host"), "h");
  const std::string value = MakePattern(200, 4);
  fs->SetXattr(node, "user.guest", value);
  char bytes[300];
  EXPECT_EQ(getxattr((shared / "file").c_str(), "user.guest", bytes, sizeof(bytes)), 200);
  EXPECT_EQ(std::string(bytes, 200), value);
  const auto names = fs->ListXattr(node);
  EXPECT_NE(std::find(names.begin(), names.end(), "user.guest"), names.end());
  fs->RemoveXattr(node, "user.guest");
  EXPECT_EQ(Error([&] { fs->GetXattr(node, "user.guest"); }), ENODATA);
}

TEST_P(VirtioFs, FsyncAndTruncateReachTheHost) {
  const FuseClient::File file = fs->Create(FUSE_ROOT_ID, "file");
  fs->Write(file, 0, "0123456789");
  fs->Fsync(file);
  EXPECT_EQ(fs->Truncate(file.node, 4).size, 4u);
  EXPECT_EQ(HostRead("file"), "0123");
  EXPECT_EQ(fs->Truncate(file.node, 6).size, 6u);
  EXPECT_EQ(HostRead("file"), std::string("0123\0\0", 6));
  fs->Release(file);
}

TEST_P(VirtioFs, RenamesMoveReplaceAndRefuse) {
  WriteFile(shared / "a", "A");
  WriteFile(shared / "b", "B");
  const uint64_t folder = fs->Mkdir(FUSE_ROOT_ID, "folder").nodeid;
  // The names are looked up first, as a kernel does, because the C daemon renames only what it
  // knows.
  NodeOf("a");
  NodeOf("b");
  fs->Rename(FUSE_ROOT_ID, "a", folder, "moved");
  EXPECT_EQ(HostRead("folder/moved"), "A");
  EXPECT_FALSE(fs_::exists(shared / "a"));
  EXPECT_EQ(Error([&] { fs->Rename(folder, "moved", FUSE_ROOT_ID, "b", RENAME_NOREPLACE); }),
            EEXIST);
  fs->Rename(folder, "moved", FUSE_ROOT_ID, "b", RENAME_EXCHANGE);
  EXPECT_EQ(HostRead("b"), "A");
  EXPECT_EQ(HostRead("folder/moved"), "B");
  fs->Rename(folder, "moved", FUSE_ROOT_ID, "b");
  EXPECT_EQ(HostRead("b"), "B");
  EXPECT_NE(Error([&] { fs->Rename(FUSE_ROOT_ID, "none", folder, "x"); }), 0);
}

TEST_P(VirtioFs, LinksAndFoldersComeAndGo) {
  WriteFile(shared / "file", "content");
  const uint64_t node = NodeOf("file");
  EXPECT_EQ(fs->Link(node, FUSE_ROOT_ID, "hard").attr.nlink, 2u);
  EXPECT_EQ(HostRead("hard"), "content");
  const fuse_entry_out soft = fs->Symlink(FUSE_ROOT_ID, "soft", "no/such target");
  EXPECT_EQ(fs->Readlink(soft.nodeid), "no/such target");
  EXPECT_EQ(fs_::read_symlink(shared / "soft"), "no/such target");
  fs->Unlink(FUSE_ROOT_ID, "file");
  EXPECT_EQ(fs->Getattr(node).nlink, 1u);
  const uint64_t folder = fs->Mkdir(FUSE_ROOT_ID, "folder").nodeid;
  fs->Release(fs->Create(folder, "inside"));
  EXPECT_EQ(Error([&] { fs->Rmdir(FUSE_ROOT_ID, "folder"); }), ENOTEMPTY);
  fs->Unlink(folder, "inside");
  fs->Rmdir(FUSE_ROOT_ID, "folder");
  EXPECT_FALSE(fs_::exists(shared / "folder"));
  EXPECT_EQ(Error([&] { NodeOf("folder"); }), ENOENT);
}

TEST_P(VirtioFs, AnUnlinkedFileThatIsOpenKeepsItsBytes) {
  const FuseClient::File file = fs->Create(FUSE_ROOT_ID, "file");
  fs->Write(file, 0, "still here");
  fs->Unlink(FUSE_ROOT_ID, "file");
  EXPECT_FALSE(fs_::exists(shared / "file"));
  EXPECT_EQ(fs->Read(file, 0, 100), "still here");
  fs->Release(file);
}

TEST_P(VirtioFs, TheGuestCannotLeaveTheFolder) {
  WriteFile(dir / "secret", "secret");
  EXPECT_NE(Error([&] { NodeOf("../" + dir.path().filename().string() + "/secret"); }), 0);
  Error([&] { fs->Create(FUSE_ROOT_ID, "../made"); });  // for the Rust daemon, ".." in the root is
                                                        // the root
  EXPECT_FALSE(fs_::exists(shared.path().parent_path() / "made"));
  // Looking up ".." in the root gives the root.
  const fuse_attr root = fs->Getattr(FUSE_ROOT_ID);
  const int error = Error([&] { EXPECT_EQ(fs->Lookup(FUSE_ROOT_ID, "..").attr.ino, root.ino); });
  EXPECT_TRUE(error == 0 || error == EINVAL || error == ENOENT) << error;
  // A link that points outside is followed by the guest and not by the daemon.
  fs_::create_symlink(dir / "secret", shared / "out");
  EXPECT_EQ(fs->Lookup(FUSE_ROOT_ID, "out").attr.mode & S_IFMT, static_cast<uint32_t>(S_IFLNK));
}

TEST_P(VirtioFs, NodesThatDoNotExistAreErrors) {
  EXPECT_NE(Error([&] { fs->Getattr(0x123456789); }), 0);
  EXPECT_NE(Error([&] { fs->Read({FUSE_ROOT_ID, 0x7777}, 0, 100); }), 0);
  EXPECT_EQ(Error([&] { fs->Call(9999, FUSE_ROOT_ID, "", 0); }), ENOSYS);
  EXPECT_EQ(fs->Getattr(FUSE_ROOT_ID).mode & S_IFMT, static_cast<uint32_t>(S_IFDIR));
}

TEST_P(VirtioFs, AsManyRequestsAsTheQueueHoldsAreInFlightAtOnce) {
  // Four descriptors each, so 255 requests take 1020 of 1024.
  const std::string bytes = MakePattern(1 << 20, 5);
  WriteFile(shared / "file", bytes);
  const FuseClient::File file = fs->Open(NodeOf("file"), O_RDONLY);
  for (int round = 0; round < 4; ++round) {
    std::map<uint64_t, uint64_t> offsets;
    for (uint64_t i = 0; i < 255; ++i) {
      fuse_read_in in{};
      in.fh = file.handle;
      in.offset = i * 4099;
      in.size = 4096;
      offsets[fs->Post(FUSE_READ, file.node, FuseBytes(in), in.size)] = in.offset;
    }
    EXPECT_EQ(fs->in_flight(), 255u);
    fs->Kick();
    for (const auto& [unique, offset] : offsets) {
      const FuseReply reply = fs->Collect(unique);
      ASSERT_EQ(reply.error, 0);
      ASSERT_TRUE(reply.bytes == bytes.substr(offset, 4096)) << offset;
    }
  }
  fs->Release(file);
}

TEST_P(VirtioFs, ADriverThatWantsNoInterruptGetsNoneButItsReplies) {
  WriteFile(shared / "file", "x");
  for (Deadline quiet(Milliseconds(50)); !quiet.Passed();) device->Isr();
  qtest().WriteW(fs->requests().available(), 1);  // VIRTQ_AVAIL_F_NO_INTERRUPT
  for (int i = 0; i < 50; ++i) NodeOf("file");
  // The flag is a hint (virtio 1.2, section 2.7.7), which the Rust daemon ignores.
  const uint8_t told = device->Isr();
  EXPECT_TRUE(GetParam().kind == DaemonKind::kRust || !(told & 1));
  qtest().WriteW(fs->requests().available(), 0);
  NodeOf("file");
  WaitUntil("an interrupt", Deadline(Milliseconds(5000)), [&] { return device->Isr() & 1; });
}

TEST_P(VirtioFs, ForgottenNodesAreFoundAnew) {
  WriteFile(shared / "file", "x");
  for (int i = 0; i < 100; ++i) fs->Forget(NodeOf("file"), 1);
  EXPECT_EQ(Contents(NodeOf("file")), "x");
}

TEST_P(VirtioFs, AfterDestroyAndResetANewSessionStarts) {
  const FuseClient::File file = fs->Create(FUSE_ROOT_ID, "file");
  fs->Write(file, 0, "first");
  fs->Destroy();
  device->Reset();
  fs.emplace(*device, *heap);
  EXPECT_EQ(fs->Init().major, 7u);
  EXPECT_EQ(Contents(NodeOf("file")), "first");
}

INSTANTIATE_TEST_SUITE_P(Daemons, VirtioFs,
                         testing::Values(Server{"C", DaemonKind::kC, false},
                                         Server{"CMmio", DaemonKind::kC, true},
                                         Server{"Rust", DaemonKind::kRust, false}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace stx
