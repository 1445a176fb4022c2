// SPDX-License-Identifier: GPL-2.0-or-later
// How a driver divides a request of virtio-blk into descriptors is its own matter: neither the
// header nor the status need a descriptor of their own (virtio 1.2, section 2.7.4).

#include <numeric>

#include "harness/qemu/contract.h"
#include "virtio/blk_fixture.h"

namespace stx {
namespace {

class BlkFraming : public Blk {
 protected:
  static constexpr uint8_t kGuard = 0x77;
  struct Result {
    uint8_t status;
    uint32_t written;
    std::string in;
  };
  /// Makes a request of `out` (header and data), then `in` bytes of data and one of status. Each of
  /// `out_parts` and `in_parts` is the length of a descriptor. No two of these touch in memory.
  Result Make(const std::string& out, const std::vector<uint32_t>& out_parts, uint32_t in,
              const std::vector<uint32_t>& in_parts) {
    EXPECT_EQ(std::accumulate(out_parts.begin(), out_parts.end(), size_t{0}), out.size());
    EXPECT_EQ(std::accumulate(in_parts.begin(), in_parts.end(), 0u), in + 1);
    std::vector<VirtqueueBuffer> chain;
    size_t done = 0;
    for (uint32_t length : out_parts) {
      const uint64_t at = heap->Allocate(length);
      qtest().MemWrite(at, out.data() + done, length);
      done += length;
      chain.push_back({at, length, false});
    }
    std::vector<VirtqueueBuffer> answers;
    for (uint32_t length : in_parts) {
      const uint64_t at = heap->Allocate(length + 2);
      qtest().MemSet(at, length + 2, kGuard);
      answers.push_back({at + 1, length, true});
    }
    chain.insert(chain.end(), answers.begin(), answers.end());
    const uint16_t head = queues[0].Add(chain);
    device->Notify(0);
    const DriverQueue::Used used = queues[0].Wait(Deadline(kWait));
    EXPECT_EQ(used.head, head);
    std::string bytes;
    for (const VirtqueueBuffer& part : answers) {
      const auto got = qtest().MemRead(part.address - 1, part.length + 2);
      EXPECT_EQ(got.front(), kGuard) << "before a buffer";
      EXPECT_EQ(got.back(), kGuard) << "behind a buffer";
      bytes.append(got.begin() + 1, got.end() - 1);
    }
    return {static_cast<uint8_t>(bytes.back()), used.written, bytes.substr(0, in)};
  }
  static std::string Header(uint32_t type, uint64_t sector) {
    return Bytes(type) + Bytes(uint32_t{0}) + Bytes(sector);
  }
};

TEST_F(BlkFraming, TheHeaderOfAWriteMayShareItsDescriptorWithData) {
  Covers({"virtio 2.7.4.1 framing"});
  Start();
  StartDriver();
  const uint32_t data = 2 * kSector;
  const std::vector<std::vector<uint32_t>> cuts{{16 + data},
                                                {16 + 1, data - 1},
                                                {16 + 511, 513},
                                                {3, 13 + 700, data - 700},
                                                {16, 5, data - 5}};
  for (size_t i = 0; i < cuts.size(); ++i) {
    SCOPED_TRACE(i);
    const std::string bytes = MakePattern(data, 100 + i);
    const Result result = Make(Header(kOut, 8 * i + 3) + bytes, cuts[i], 0, {1});
    EXPECT_EQ(result.status, kOk);
    EXPECT_EQ(result.written, 1u);
    disk.replace((8 * i + 3) * kSector, data, bytes);
    ExpectFile(disk);
  }
}

TEST_F(BlkFraming, TheStatusOfAReadMayShareItsDescriptorWithData) {
  Covers({"virtio 2.7.4.1 framing"});
  Start();
  StartDriver();
  const uint32_t data = 2 * kSector;
  const std::vector<std::vector<uint32_t>> cuts{
      {data + 1}, {1, data}, {513, 511 + 1}, {300, 700, data - 1000 + 1}, {5, data - 5, 1}};
  for (size_t i = 0; i < cuts.size(); ++i) {
    SCOPED_TRACE(i);
    const Result result = Make(Header(kIn, 8 * i + 3), {16}, data, cuts[i]);
    EXPECT_EQ(result.status, kOk);
    EXPECT_EQ(result.written, data + 1);
    EXPECT_TRUE(result.in == disk.substr((8 * i + 3) * kSector, data));
  }
  ExpectFile(disk);
}

TEST_F(BlkFraming, TheSegmentOfWriteZeroesMayBeCutAnywhere) {
  Covers({"virtio 2.7.4.1 framing"});
  Start();
  StartDriver();
  const std::vector<std::vector<uint32_t>> cuts{{32}, {20, 12}, {16, 1, 15}, {16, 9, 7}};
  for (size_t i = 0; i < cuts.size(); ++i) {
    SCOPED_TRACE(i);
    const uint64_t first = 16 * i + 5;
    EXPECT_EQ(Make(Header(kWriteZeroes, 0) + Segment(first, 2, 0), cuts[i], 0, {1}).status, kOk);
    disk.replace(first * kSector, 2 * kSector, std::string(2 * kSector, '\0'));
    ExpectFile(disk);
  }
}

}  // namespace
}  // namespace stx
