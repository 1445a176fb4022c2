// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-blk over each way in which QEMU reads and writes a file (Kata's block_device_aio and
// block_device_cache_direct). What the driver sees is the same. Buffers are pages, as a guest's
// kernel has them: others do not reach Linux AIO, since O_DIRECT does not take them.

#include <map>

#include "virtio/blk_fixture.h"

namespace stx {
namespace {

class BlkEngine : public Blk, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr uint32_t kPage = 4096;
  static constexpr uint64_t kPages = kSectors * kSector / kPage;

  /// More requests at once than an io_uring of QEMU has entries (128), each by itself.
  void SetUp() override {
    Start(",queue-size=1024,request-merging=off", std::string(",") + GetParam());
    StartDriver();
  }
  /// A request of one page, whose buffer is a page of the guest.
  Request PostPage(uint32_t type, uint64_t page, const std::string& out) {
    Request request{heap->Allocate(16), 0, heap->Allocate(1), out.empty() ? kPage : 0, 0, 0};
    request.data = (heap->Allocate(2 * kPage) + kPage - 1) & ~uint64_t{kPage - 1};
    const std::string header = Bytes(type) + Bytes(uint32_t{0}) + Bytes(page * kPage / kSector);
    qtest().MemWrite(request.header, header.data(), header.size());
    if (!out.empty()) qtest().MemWrite(request.data, out.data(), out.size());
    qtest().WriteB(request.status, 0xee);
    request.head = queues[0].Add({{request.header, 16, false},
                                  {request.data, kPage, out.empty()},
                                  {request.status, 1, true}});
    return request;
  }
  /// One kick for all; returns what was written for each head.
  std::map<uint16_t, uint32_t> Await(size_t count) {
    device->Notify(0);
    std::map<uint16_t, uint32_t> written;
    for (size_t i = 0; i < count; ++i) {
      const DriverQueue::Used used = queues[0].Wait(Deadline(kWait));
      EXPECT_TRUE(written.emplace(used.head, used.written).second) << "used twice";
    }
    EXPECT_FALSE(queues[0].Take());
    return written;
  }
};

TEST_P(BlkEngine, ManyRequestsAtOnceKeepTheirBytes) {
  constexpr size_t kCount = 200;
  const auto place = [](size_t i) { return i * 77 % kPages; };
  std::vector<Request> requests;
  for (size_t i = 0; i < kCount; ++i) {
    const std::string bytes = MakePattern(kPage, 100 + i);
    disk.replace(place(i) * kPage, kPage, bytes);
    requests.push_back(PostPage(kOut, place(i), bytes));
  }
  std::map<uint16_t, uint32_t> written = Await(kCount);
  for (const Request& request : requests) {
    EXPECT_EQ(qtest().ReadB(request.status), kOk);
    EXPECT_EQ(written[request.head], 1u);
  }
  EXPECT_EQ(Do(kFlush, 0, "").status, kOk);
  ExpectFile(disk);

  requests.clear();
  for (size_t i = 0; i < kCount; ++i) requests.push_back(PostPage(kIn, place(i), ""));
  written = Await(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    const Answer answer = Read(requests[i], written[requests[i].head]);
    EXPECT_EQ(answer.status, kOk);
    EXPECT_EQ(answer.written, kPage + 1);
    EXPECT_TRUE(answer.data == disk.substr(place(i) * kPage, kPage)) << i;
  }
}

TEST_P(BlkEngine, RequestsAfterOneAnotherArriveEachTime) {
  for (uint64_t i = 0; i < 20; ++i) {
    const std::string bytes = MakePattern(kPage, 500 + i);
    PostPage(kOut, 7, bytes);
    Await(1);
    const Request read = PostPage(kIn, 7, "");
    const uint32_t written = Await(1)[read.head];
    EXPECT_TRUE(Read(read, written).data == bytes) << i;
  }
}

/// The host has truncated the file: what is not there any more is read as zeros.
TEST_P(BlkEngine, BehindTheEndOfTheFileThereAreZeros) {
  constexpr uint64_t kLast = 100;
  std::filesystem::resize_file(dir / "disk", kLast * kPage + kPage / 2);
  const std::string end = disk.substr((kLast - 1) * kPage, kPage + kPage / 2);
  const std::string right = end + std::string(kPage / 2 + kPage, '\0');
  // One by one, because a later request would wake an engine that forgot an earlier one; and often,
  // because it depends on the moment whether the kernel answers at once.
  for (int round = 0; round < 100; ++round)
    for (size_t i = 0; i < 3; ++i) {
      const Request request = PostPage(kIn, kLast - 1 + i, "");
      const uint32_t written = Await(1)[request.head];
      const Answer answer = Read(request, written);
      ASSERT_EQ(answer.status, kOk);
      ASSERT_TRUE(answer.data == right.substr(i * kPage, kPage)) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(All, BlkEngine,
                         testing::Values("aio=threads", "aio=threads,cache.direct=on",
                                         "aio=native,cache.direct=on", "aio=io_uring",
                                         "aio=io_uring,cache.direct=on"),
                         [](const auto& info) {
                           std::string name;
                           for (char c : std::string(info.param).substr(4))
                             if (isalpha(c)) name += c;
                           return name;
                         });

}  // namespace
}  // namespace stx
