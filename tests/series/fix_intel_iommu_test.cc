// SPDX-License-Identifier: GPL-2.0-or-later
// patches/fixes/intel-iommu-*.patch: 8-byte accesses to the registers of the VT-d unit (VT-d
// specification, chapter 11), and wait descriptors in its invalidation queue (6.5.2.8).

#include <gtest/gtest.h>

#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"

namespace stx {
namespace {

class FixIntelIommu : public MachineTest {
 protected:
  static constexpr uint64_t kUnit = 0xfed90000;
  static constexpr uint64_t kGcmd = kUnit + 0x18, kGsts = kUnit + 0x1c, kIqt = kUnit + 0x88,
                            kIqa = kUnit + 0x90, kIcs = kUnit + 0x9c;

  void SetUp() override {
    if (!HasDeviceType("intel-iommu")) GTEST_SKIP() << "$QEMU has no intel-iommu";
    StartMachine({"-device", "intel-iommu,device-iotlb=on,caching-mode=on"});
  }
};

TEST_F(FixIntelIommu, TwoRegistersThatAreWrittenAtOnceGetTheirHalves) {
  // Fault event control and data, address; protected memory; completion status; its event.
  constexpr uint64_t kPairs[] = {0x30, 0x38, 0x40, 0x60, 0x68, 0x98, 0xa0, 0xa8};
  constexpr uint64_t kValues[] = {0, 0x0000432100001000, 0x89abcdef7fffffff, ~0ULL};
  for (const uint64_t offset : kPairs) {
    const uint64_t at = kUnit + offset;
    for (const uint64_t value : kValues) {
      qtest().WriteL(at, static_cast<uint32_t>(value));
      qtest().WriteL(at + 4, static_cast<uint32_t>(value >> 32));
      const uint32_t low = qtest().ReadL(at), high = qtest().ReadL(at + 4);
      qtest().WriteL(at, 0);
      qtest().WriteL(at + 4, 0);
      qtest().WriteQ(at, value);
      EXPECT_EQ(qtest().ReadL(at), low) << std::hex << offset << " " << value;
      EXPECT_EQ(qtest().ReadL(at + 4), high) << std::hex << offset << " " << value;
      EXPECT_EQ(qtest().ReadQ(at), low | uint64_t{high} << 32) << std::hex << offset;
    }
  }
  ExpectAlive();
}

TEST_F(FixIntelIommu, EveryRegisterTakesEightBytes) {
  for (uint64_t offset = 0; offset < 0x230; offset += 8) {
    qtest().ReadQ(kUnit + offset);
    qtest().WriteQ(kUnit + offset, 0);
  }
  ExpectAlive();
}

TEST_F(FixIntelIommu, AWaitDescriptorMayWriteItsStatusAndInterrupt) {
  constexpr uint64_t kQueue = 0x200000, kStatus = 0x300000;
  constexpr uint32_t kWait = 5, kInterrupt = 1 << 4, kWrite = 1 << 5, kQueueEnable = 1 << 26;
  qtest().WriteQ(kIqa, kQueue);
  qtest().WriteQ(kIqt, 0);
  qtest().WriteL(kGcmd, kQueueEnable);
  ASSERT_TRUE(qtest().ReadL(kGsts) & kQueueEnable);
  uint32_t tail = 0;
  for (const uint32_t how : {kWrite, kInterrupt, kWrite | kInterrupt}) {
    const uint32_t status = 0xc0de0000 + how;
    qtest().WriteL(kStatus, 0);
    qtest().WriteL(kIcs, 1);  // write one to clear
    ASSERT_EQ(qtest().ReadL(kIcs), 0u);
    qtest().WriteQ(kQueue + 16 * tail, uint64_t{status} << 32 | how | kWait);
    qtest().WriteQ(kQueue + 16 * tail + 8, kStatus);
    qtest().WriteQ(kIqt, uint64_t{++tail} << 4);
    EXPECT_EQ(qtest().ReadL(kStatus), how & kWrite ? status : 0) << how;
    EXPECT_EQ(qtest().ReadL(kIcs), how & kInterrupt ? 1u : 0u) << how;
  }
  ExpectAlive();
}

}  // namespace
}  // namespace stx
