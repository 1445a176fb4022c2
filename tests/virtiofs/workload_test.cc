// SPDX-License-Identifier: GPL-2.0-or-later
// A random workload on 100 000 files, with many requests in flight. At the end, the host's folder
// must equal the test's own model, byte by byte.

#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <random>

#include "virtiofs/fixture.h"

namespace stx {
namespace {

constexpr int kParts = 20, kFilesOfAPart = 5000, kBatch = 100;

class VirtioFsWorkload : public VirtioFsMachine, public testing::WithParamInterface<int> {
 protected:
  // In memory, because the host's disk is not under test.
  VirtioFsWorkload()
      : VirtioFsMachine(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "") {}
  void SetUp() override {
    Covers({"1.1 virtio-fs"});
    kind = GetParam() % 4 == 3 ? DaemonKind::kRust : DaemonKind::kC;
    if (Virtiofsd::Missing(kind)) kind = DaemonKind::kC;
    if (auto missing = Virtiofsd::Missing(kind)) GTEST_SKIP() << *missing;
    StartDaemon(kind);
    StartFsMachine();
    fs.emplace(*device, *heap);
    fs->Init();
  }

  /// One step for many files at once: posts a request for each, kicks once, and collects all
  /// replies.
  template <typename Posts, typename Takes>
  void ForAll(size_t count, Posts&& post, Takes&& take) {
    std::vector<uint64_t> uniques;
    for (size_t i = 0; i < count; ++i) uniques.push_back(post(i));
    fs->Kick();
    for (size_t i = 0; i < count; ++i) {
      const FuseReply reply = fs->Collect(uniques[i]);
      ASSERT_EQ(reply.error, 0) << std::strerror(reply.error);
      take(i, reply.bytes);
    }
  }

  DaemonKind kind;
};

struct Open {
  std::string name, folder;
  uint64_t parent, node, handle;
};

TEST_P(VirtioFsWorkload, LosesNoByteOfFiveThousandFiles) {
  std::mt19937_64 random(static_cast<uint64_t>(GetParam()) + 1);
  std::map<std::string, std::string> model;  // path -> bytes
  std::map<std::string, uint64_t> folders;
  for (int i = 0; i < 8; ++i) {
    const std::string name = "folder" + std::to_string(i);
    folders[name] = fs->Mkdir(FUSE_ROOT_ID, name).nodeid;
  }
  for (int batch = 0; batch < kFilesOfAPart / kBatch && !HasFailure(); ++batch) {
    std::vector<Open> files(kBatch);
    ForAll(
        kBatch,
        [&](size_t i) {
          auto folder = std::next(folders.begin(), static_cast<long>(random() % folders.size()));
          files[i] = {"f" + std::to_string(batch) + "-" + std::to_string(i), folder->first,
                      folder->second, 0, 0};
          fuse_create_in in{};
          in.flags = O_RDWR | O_CREAT;
          in.mode = S_IFREG | 0600;
          return fs->Post(FUSE_CREATE, folder->second, FuseBytes(in) + files[i].name + '\0',
                          sizeof(fuse_entry_out) + sizeof(fuse_open_out));
        },
        [&](size_t i, const std::string& reply) {
          std::memcpy(&files[i].node, reply.data() + offsetof(fuse_entry_out, nodeid), 8);
          std::memcpy(&files[i].handle, reply.data() + sizeof(fuse_entry_out), 8);
        });
    // Writes at random offsets, in two rounds, so that they overlap.
    for (int round = 0; round < 2 && !HasFailure(); ++round)
      ForAll(
          kBatch,
          [&](size_t i) {
            const uint64_t offset = random() % 3000;
            const std::string bytes = MakePattern(1 + random() % 3000, random());
            std::string& now = model[files[i].folder + "/" + files[i].name];
            if (now.size() < offset + bytes.size()) now.resize(offset + bytes.size());
            now.replace(offset, bytes.size(), bytes);
            fuse_write_in in{};
            in.fh = files[i].handle;
            in.offset = offset;
            in.size = static_cast<uint32_t>(bytes.size());
            return fs->Post(FUSE_WRITE, files[i].node, FuseBytes(in), sizeof(fuse_write_out),
                            bytes);
          },
          [&](size_t, const std::string&) {});
    ForAll(
        kBatch,
        [&](size_t i) {
          fuse_read_in in{};
          in.fh = files[i].handle;
          in.size = 8192;
          return fs->Post(FUSE_READ, files[i].node, FuseBytes(in), in.size);
        },
        [&](size_t i, const std::string& bytes) {
          ASSERT_TRUE(bytes == model[files[i].folder + "/" + files[i].name]) << files[i].name;
        });
    // What then happens to each file: it is kept, truncated, moved or removed.
    ForAll(
        kBatch,
        [&](size_t i) {
          const Open& file = files[i];
          const std::string path = file.folder + "/" + file.name;
          switch (random() % 4) {
            case 0: {
              fuse_setattr_in in{};
              in.valid = FATTR_SIZE;
              in.size = random() % 4000;
              model[path].resize(in.size);
              return fs->Post(FUSE_SETATTR, file.node, FuseBytes(in), sizeof(fuse_attr_out));
            }
            case 1: {
              auto to = std::next(folders.begin(), static_cast<long>(random() % folders.size()));
              const std::string name = "moved-" + file.name;
              model[to->first + "/" + name] = std::move(model[path]);
              model.erase(path);
              return fs->Post(
                  FUSE_RENAME, file.parent,
                  FuseBytes(fuse_rename_in{to->second}) + file.name + '\0' + name + '\0', 0);
            }
            case 2:
              model.erase(path);
              return fs->Post(FUSE_UNLINK, file.parent, file.name + '\0', 0);
            default:
              return fs->Post(FUSE_GETATTR, file.node, FuseBytes(fuse_getattr_in{}),
                              sizeof(fuse_attr_out));
          }
        },
        [&](size_t, const std::string&) {});
    ForAll(
        kBatch,
        [&](size_t i) {
          fuse_release_in in{};
          in.fh = files[i].handle;
          return fs->Post(FUSE_RELEASE, files[i].node, FuseBytes(in), 0);
        },
        [&](size_t, const std::string&) {});
    ForAll(
        kBatch,
        [&](size_t i) {
          return fs->Post(FUSE_FORGET, files[i].node, FuseBytes(fuse_forget_in{1}), 0);
        },
        [&](size_t, const std::string&) {});
  }
  size_t seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shared.path())) {
    if (!entry.is_regular_file()) continue;
    const std::string path = std::filesystem::relative(entry.path(), shared.path());
    ++seen;
    ASSERT_TRUE(model.contains(path)) << path << " is there";
    ASSERT_TRUE(ReadFile(entry.path()) == model[path]) << path << " has other bytes";
  }
  EXPECT_EQ(seen, model.size()) << "files are missing";
}

INSTANTIATE_TEST_SUITE_P(Parts, VirtioFsWorkload, testing::Range(0, kParts));

}  // namespace
}  // namespace stx
