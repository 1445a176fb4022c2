// SPDX-License-Identifier: GPL-2.0-or-later
// patches/fixes/cryptodev-lkcf-session.patch: a guest may close a session that does not exist.

#include <gtest/gtest.h>

#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr const char* kType = "cryptodev-backend-lkcf";

class FixCryptodevLkcf : public MachineTest {
 protected:
  void SetUp() override {
    if (!HasObjectType(kType)) GTEST_SKIP() << "$QEMU has no " << kType;
  }
};

TEST_F(FixCryptodevLkcf, ASessionThatThereIsNotCannotBeEnded) {
  StartMachine(
      {"-object", kType + std::string(",id=c"), "-device", "virtio-crypto-pci,cryptodev=c,addr=5"});
  VirtioPciDevice device(*bus, bus->At(5));
  device.Negotiate(0);
  device.SetUpQueue(0, *heap);
  Virtqueue control = device.SetUpQueue(1, *heap);
  device.SetDriverOk();
  constexpr uint32_t kDestroy = 4 << 8 | 5;  // akcipher: virtio 1.2, section 5.9.7.2
  constexpr uint8_t kUntouched = 0xaa;
  const uint64_t request = heap->Allocate(72), status = heap->Allocate(1);
  for (const uint64_t session : {0ULL, 255ULL, 256ULL, ~0ULL}) {
    qtest().MemSet(request, 72, 0);
    qtest().WriteL(request, kDestroy);
    qtest().WriteQ(request + 16, session);
    qtest().WriteB(status, kUntouched);
    control.Add({{request, 72, false}, {status, 1, true}});
    device.Notify(1);
    EXPECT_EQ(control.Wait(Deadline(Milliseconds(10000))).written, 1u);
    EXPECT_NE(qtest().ReadB(status), 0) << "session " << session << " was ended";
    EXPECT_NE(qtest().ReadB(status), kUntouched);
  }
  ExpectAlive();
}

}  // namespace
}  // namespace stx
