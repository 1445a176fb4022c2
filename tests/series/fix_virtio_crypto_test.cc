// SPDX-License-Identifier: GPL-2.0-or-later
// virtio-crypto-request-size.patch (CVE-2025-14876): how much memory a request may cost the host,
// whatever lengths it contains.

#include "harness/host/memory_map.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};
constexpr uint64_t kMiB = 1 << 20;
// virtio 1.2, section 5.9.7: operations (service << 8 | code).
constexpr uint32_t kAkcipherCreateSession = 0x404, kCipherEncrypt = 0x00, kAkcipherEncrypt = 0x400;
constexpr uint32_t kRequest = 72, kResponse = 16;
constexpr uint32_t kBig = 64 << 20;

class CryptoRequest : public MachineTest {
 protected:
  static constexpr uint16_t kData = 0, kControl = 1;

  void SetUp() override {
    if (!HasDeviceType("virtio-crypto-pci")) GTEST_SKIP() << "$QEMU has no virtio-crypto-pci";
    StartMachine({"-object", "cryptodev-backend-builtin,id=c", "-device",
                  "virtio-crypto-pci,cryptodev=c,addr=5"});
    StartDriver();
    big = heap->Allocate(kBig);
  }
  void StartDriver() {
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    data.emplace(device->SetUpQueue(kData, *heap));
    control.emplace(device->SetUpQueue(kControl, *heap));
    device->SetDriverOk();
    request = heap->Allocate(kRequest);
    response = heap->Allocate(kResponse);
    qtest().MemSet(request, kRequest, 0);
    qtest().MemSet(response, kResponse, 0xff);
  }
  uint64_t HighWater() { return ReadStatusSize(qemu->process().pid(), "VmHWM"); }
  void WaitNeedsReset() {
    for (Deadline deadline(kWait); !(device->Status() & virtio::kNeedsReset);)
      ASSERT_FALSE(deadline.Passed()) << "the device does not report it";
  }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> data, control;
  /// Offers `request` with a source of eight times 64 MiB. The device must need a reset, and must
  /// not have used that memory in addition to `before`.
  void ExpectRefusedCheaply(uint64_t before) {
    std::vector<VirtqueueBuffer> chain{{request, kRequest, false}};
    chain.insert(chain.end(), 8, {big, kBig, false});
    chain.push_back({response, 1, true});
    data->Add(chain);
    device->Notify(kData);
    WaitNeedsReset();
    EXPECT_LT(HighWater(), before + 64 * kMiB);
    ExpectAlive();
  }

  uint64_t request = 0, response = 0, big = 0;
};

// Source and destination are as long as everything that the guest offers: eight times 64 MiB.
TEST_F(CryptoRequest, OfACipherCostsALittleWhateverItsLength) {
  const uint64_t before = HighWater();
  qtest().WriteL(request, kCipherEncrypt);
  constexpr uint32_t kIvLength = 24, kSourceLength = 28, kDestinationLength = 32, kOpType = 64;
  qtest().WriteL(request + kIvLength, 0);
  qtest().WriteL(request + kSourceLength, 8 * kBig);
  qtest().WriteL(request + kDestinationLength, 8 * kBig);
  qtest().WriteL(request + kOpType, 1);
  ExpectRefusedCheaply(before);
}

TEST_F(CryptoRequest, OfAnAsymmetricCipherCostsALittleWhateverItsLength) {
  const uint64_t before = HighWater();
  qtest().WriteL(request, kAkcipherEncrypt);
  constexpr uint32_t kSourceLength = 24, kDestinationLength = 28;
  qtest().WriteL(request + kSourceLength, 8 * kBig);
  qtest().WriteL(request + kDestinationLength, 8 * kBig);
  ExpectRefusedCheaply(before);
}

TEST_F(CryptoRequest, OfAKeyCostsALittleWhateverItsLength) {
  const uint64_t before = HighWater();
  qtest().WriteL(request, kAkcipherCreateSession);
  constexpr uint32_t kKeyType = 20, kKeyLength = 24;
  qtest().WriteL(request + kKeyType, 1);
  qtest().WriteL(request + kKeyLength, 8 * kBig);
  std::vector<VirtqueueBuffer> chain{{request, kRequest, false}};
  chain.insert(chain.end(), 8, {big, kBig, false});
  chain.push_back({response, kResponse, true});
  control->Add(chain);
  device->Notify(kControl);
  control->Wait(Deadline(kWait));
  EXPECT_NE(qtest().ReadL(response + 8), 0u) << "a session with such a key";
  EXPECT_LT(HighWater(), before + 64 * kMiB);
  ExpectAlive();
}

}  // namespace
}  // namespace stx
