#include "harness/virtqueue.h"

#include <stdexcept>
#include <thread>

namespace stx {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint16_t kNext = 1, kWrite = 2;  // virtio 1.2, section 2.7.5

}  // namespace

Virtqueue::Virtqueue(QTest& qtest, GuestHeap& heap, uint16_t size)
    : qtest_(&qtest),
      size_(size),
      descriptors_(heap.Allocate(16ULL * size, kPage)),
      available_(heap.Allocate(6 + 2ULL * size, kPage)),
      used_(heap.Allocate(6 + 8ULL * size, kPage)) {
  qtest.MemSet(descriptors_, 16ULL * size, 0);
  qtest.MemSet(available_, 6 + 2ULL * size, 0);
  qtest.MemSet(used_, 6 + 8ULL * size, 0);
}

uint16_t Virtqueue::Add(const std::vector<VirtqueueBuffer>& chain) {
  if (chain.empty() || chain.size() > size_) throw std::runtime_error("a chain of no valid length");
  const uint16_t head = next_descriptor_;
  for (size_t i = 0; i < chain.size(); ++i) {
    const uint64_t at = descriptors_ + 16ULL * next_descriptor_;
    next_descriptor_ = static_cast<uint16_t>((next_descriptor_ + 1) % size_);
    const bool last = i + 1 == chain.size();
    qtest_->WriteQ(at, chain[i].address);
    qtest_->WriteL(at + 8, chain[i].length);
    qtest_->WriteW(
        at + 12, static_cast<uint16_t>((last ? 0 : kNext) | (chain[i].device_writes ? kWrite : 0)));
    qtest_->WriteW(at + 14, last ? 0 : next_descriptor_);
  }
  qtest_->WriteW(available_ + 4 + 2ULL * (available_index_ % size_), head);
  qtest_->WriteW(available_ + 2, ++available_index_);
  return head;
}

std::optional<Virtqueue::Used> Virtqueue::Take() {
  if (qtest_->ReadW(used_ + 2) == used_index_) return std::nullopt;
  const uint64_t at = used_ + 4 + 8ULL * (used_index_++ % size_);
  return Used{static_cast<uint16_t>(qtest_->ReadL(at)), qtest_->ReadL(at + 4)};
}

Virtqueue::Used Virtqueue::Wait(const Deadline& deadline) {
  for (;;) {
    if (auto used = Take()) return *used;
    if (deadline.Passed()) throw std::runtime_error("the device gave no buffer back in time");
    std::this_thread::sleep_for(Milliseconds(1));
  }
}

}  // namespace stx
