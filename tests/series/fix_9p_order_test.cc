// SPDX-License-Identifier: GPL-2.0-or-later
// patches/fixes/9p-*.patch: requests in progress at the same time, and requests that the device
// cannot complete. Each round puts several requests into the queue and notifies once.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/load.h"
#include "virtio/nine_p_machine.h"

namespace stx {
namespace {

using namespace nine_p;

class Fix9pOrder : public NinePMachine {};

// 9p-path-lock

TEST_F(Fix9pOrder, ARenameWaitsForWhoReadsTheFolder) {
  constexpr int kFiles = 1500, kRounds = 10;
  std::filesystem::create_directory(share / "d0");
  for (int i = 0; i < kFiles; ++i) WriteFile(share / "d0" / ("entry-" + std::to_string(i)), "");
  Start();
  for (int round = 0; round < kRounds; ++round) {
    const std::string from = "d" + std::to_string(round), to = "d" + std::to_string(round + 1);
    p9().Walk(1, {from});
    p9().Open(1, O_RDONLY | O_DIRECTORY);
    p9().Add(1, kReaddir, Long(1) + Quad(0) + Long(60000));
    p9().Add(2, kRenameat, Long(0) + Text(from) + Long(0) + Text(to));
    p9().Notify();
    const NineP::Reply read = p9().Next(), rename = p9().Next();
    ASSERT_EQ(read.tag, 1) << "the rename was done while the folder was read";
    ASSERT_EQ(read.error, 0u);
    EXPECT_GT(LoadAt<uint32_t>(read.body, 0, "Rreaddir"), 30000u);
    ASSERT_EQ(rename.error, 0u);
    EXPECT_TRUE(std::filesystem::exists(share / to));
    p9().Clunk(1);
  }
}

// 9p-readdir-lock

TEST_F(Fix9pOrder, TwoReadsOfAFolderGetItOneAfterTheOther) {
  // 9P2000.u: each Tread continues where the previous one ended, one entry at a time.
  constexpr int kFiles = 400, kRounds = 5;
  for (int i = 0; i < kFiles; ++i) WriteFile(share / ("entry-" + std::to_string(i)), "");
  Start(",security_model=none", {"9P2000.u"});
  const auto names = [](const NineP::Reply& reply) {
    std::vector<std::string> found;
    for (size_t at = 4; at < reply.body.size();) {
      const auto size = LoadAt<uint16_t>(reply.body, at, "a stat");
      const size_t name = at + 2 + 2 + 4 + 13 + 4 + 4 + 4 + 8;
      found.push_back(reply.body.substr(name + 2, LoadAt<uint16_t>(reply.body, name, "a stat")));
      at += 2u + size;
    }
    return found;
  };
  for (int round = 0; round < kRounds; ++round) {
    p9().Walk(1, {});
    ASSERT_EQ(p9().Try(kOpen, Long(1) + Byte(0)).error, 0u);
    const std::vector<std::string> first = names(p9().Try(kRead, Long(1) + Quad(0) + Long(8000)));
    ASSERT_FALSE(first.empty());
    p9().Add(1, kRead, Long(1) + Quad(1) + Long(8000));
    p9().Add(2, kRead, Long(1) + Quad(1) + Long(3000));
    p9().Notify();
    std::multiset<std::string> seen(first.begin(), first.end());
    for (int i = 0; i < 2; ++i) {
      const NineP::Reply reply = p9().Next();
      ASSERT_EQ(reply.error, 0u);
      for (const std::string& name : names(reply)) seen.insert(name);
    }
    // A further read finds the rest.
    for (;;) {
      const std::vector<std::string> more = names(p9().Try(kRead, Long(1) + Quad(1) + Long(8000)));
      if (more.empty()) break;
      seen.insert(more.begin(), more.end());
    }
    for (const std::string& name : seen) ASSERT_EQ(seen.count(name), 1u) << name << " twice";
    EXPECT_EQ(seen.size(), kFiles + 3u) << "with ., .. and f";
    p9().Clunk(1);
  }
}

// 9p-short-buffer

TEST_F(Fix9pOrder, AReplyThatDoesNotFitBreaksTheDeviceAndNotTheMachine) {
  Start();
  for (const uint32_t room : {7u, 8u, 10u, 11u, 20u}) {
    p9().Walk(1, {"f"});
    p9().Open(1, O_RDWR);
    p9().Add(1, kRead, Long(1) + Quad(0) + Long(100), room);
    p9().Notify();
    ExpectAlive();
    EXPECT_TRUE(p9().device().Status() & virtio::kNeedsReset) << room;
    Connect();
  }
  // A write whose count exceeds its data writes nothing.
  p9().Walk(1, {"f"});
  p9().Open(1, O_RDWR);
  p9().Add(1, kWrite, Long(1) + Quad(0) + Long(100) + "short");
  p9().Notify();
  ExpectAlive();
  EXPECT_TRUE(p9().device().Status() & virtio::kNeedsReset);
  EXPECT_EQ(ReadFile(share / "f"), kContent);
  Connect();
  p9().Walk(1, {"f"});
  p9().Open(1, O_RDONLY);
  EXPECT_EQ(p9().Read(1, 0, 100), kContent);
}

// 9p-one-open

TEST_F(Fix9pOrder, AFidIsOpenedOnce) {
  Start();
  const std::pair<uint8_t, std::string> openings[] = {
      {kLopen, Long(1) + Long(O_RDONLY)},
      {kXattrcreate, Long(1) + Text("user.x") + Quad(100) + Long(0)},
  };
  for (const auto& [type, body] : openings) {
    p9().Walk(1, {"f"});
    p9().Add(1, kLopen, Long(1) + Long(O_RDONLY));
    p9().Add(2, type, body);
    p9().Notify();
    std::map<uint16_t, uint32_t> errors;
    for (int i = 0; i < 2; ++i) {
      const NineP::Reply reply = p9().Next();
      errors[reply.tag] = reply.error;
    }
    EXPECT_EQ(errors[1], 0u);
    EXPECT_EQ(errors[2], EINVAL);
    EXPECT_EQ(p9().Read(1, 0, 100), kContent);
    EXPECT_EQ(Descriptors("f").size(), 1u);
    p9().Clunk(1);
    EXPECT_EQ(Descriptors("f").size(), 0u) << "left open";
  }
  // A fid that could not be opened can be opened later.
  p9().Walk(1, {"f"});
  EXPECT_EQ(p9().Try(kLopen, Long(1) + Long(O_RDONLY | O_DIRECTORY)).error, ENOTDIR);
  p9().Open(1, O_RDONLY);
  EXPECT_EQ(p9().Read(1, 0, 100), kContent);
}

// 9p-close-cancelled

TEST_F(Fix9pOrder, AFileIsClosedThoughItsLastRequestIsCancelled) {
  Start();
  for (const bool folder : {false, true}) {
    const std::string name = folder ? "d" : "f";
    if (folder) std::filesystem::create_directory(share / name);
    p9().Walk(1, {name});
    p9().Open(1, O_RDONLY);
    ASSERT_EQ(Descriptors(name).size(), 1u);
    p9().Add(1, folder ? kReaddir : kRead, Long(1) + Quad(0) + Long(100));
    p9().Add(2, kClunk, Long(1));
    p9().Add(3, kFlush, Word(1));
    p9().Notify();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(p9().Next().error, 0u);
    EXPECT_EQ(Descriptors(name).size(), 0u) << name << " is left open";
  }
}

// 9p-rename-reopen

/// During its life, a QEMU that is started may have at most `files` descriptors.
class FileLimit {
 public:
  explicit FileLimit(rlim_t files) {
    if (getrlimit(RLIMIT_NOFILE, &before_) != 0) ThrowErrno("getrlimit");
    const rlimit limit{files, before_.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) ThrowErrno("setrlimit");
  }
  ~FileLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(Fix9pOrder, ARenameIntoAFolderThatWasClosedForWantOfDescriptorsEnds) {
  std::filesystem::create_directory(share / "d");
  {
    const FileLimit limit(640);  // the harness itself needs more than 512
    Start();
  }
  uint32_t next = 100;
  const auto open_until_closed = [&] {
    for (int i = 0; i < 100 && !Descriptors("d").empty(); ++i)
      for (int j = 0; j < 20; ++j) {
        p9().Walk(next, {"f"});
        p9().Open(next++, O_RDONLY);
      }
    ASSERT_TRUE(Descriptors("d").empty()) << "the folder stays open";
  };
  p9().Walk(1, {"d"});
  p9().Open(1, O_RDONLY | O_DIRECTORY);
  open_until_closed();
  p9().Walk(2, {"f"});
  EXPECT_EQ(p9().Try(kRename, Long(2) + Long(1) + Text("g")).error, 0u);
  EXPECT_EQ(ReadFile(share / "d" / "g"), kContent);
  // The fid has followed its file, and open files stay open.
  EXPECT_EQ(p9().Try(kLopen, Long(2) + Long(O_RDONLY)).error, 0u);
  EXPECT_EQ(p9().Read(2, 0, 100), kContent);
  EXPECT_EQ(p9().Read(next - 1, 0, 100), kContent);
  p9().Clunk(2);
  WriteFile(share / "f", "another");
  open_until_closed();
  EXPECT_EQ(p9().Try(kRenameat, Long(0) + Text("f") + Long(1) + Text("h")).error, 0u);
  EXPECT_EQ(ReadFile(share / "d" / "h"), "another");
}

}  // namespace
}  // namespace stx
