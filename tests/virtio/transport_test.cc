// SPDX-License-Identifier: GPL-2.0-or-later
// Every transport of a virtio device with every ring format that it supports, on the same device:
// virtio-blk (virtio 1.2, section 5.2), whose data the test can compare with a file.

#include <memory>

#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/machine_test.h"
#include "harness/qemu/msix.h"
#include "harness/virtio/virtio_mmio.h"
#include "harness/virtio/virtio_pci.h"
#include "harness/virtio/virtio_pci_legacy.h"

namespace stx {
namespace {

constexpr uint16_t kBlock = 2;
constexpr uint32_t kRead = 0, kWrite = 1, kGetId = 8;
constexpr size_t kSector = 512, kSectors = 2048;
constexpr Milliseconds kWait{5000};

enum class Transport { kPci, kPciLegacy, kMmio, kMmioLegacy };
enum class Ring { kSplit, kIndirect, kEventIndex, kPacked };

struct Way {
  const char* name;
  Transport transport;
  Ring ring;
};

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

std::string Pattern(size_t size, unsigned seed) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1103515245 + 12345;
    text[i] = static_cast<char>(seed >> 16);
  }
  return text;
}

class BlockMachine : public MachineTest {
 protected:
  void StartDisk(Transport transport, bool packed) {
    disk = Pattern(kSectors * kSector, 1);
    WriteFile(dir / "disk", disk);
    const bool mmio = transport == Transport::kMmio || transport == Transport::kMmioLegacy;
    std::string device = mmio ? "virtio-blk-device" : "virtio-blk-pci,addr=5";
    if (transport == Transport::kPci) device += ",disable-legacy=on";
    if (transport == Transport::kPciLegacy) device += ",disable-legacy=off";
    if (packed) device += ",packed=on";
    std::vector<std::string> args{"-drive",
                                  "if=none,id=disk,format=raw,file=" + (dir / "disk").string(),
                                  "-device", device + ",drive=disk,serial=stx-1"};
    if (transport == Transport::kMmio)
      args.insert(args.end(), {"-global", "virtio-mmio.force-legacy=false"});
    StartMachine(args, mmio ? "microvm" : "q35");
    if (transport == Transport::kPci) {
      device_ = std::make_unique<VirtioPciDevice>(*bus, bus->At(5));
    } else if (transport == Transport::kPciLegacy) {
      device_ = std::make_unique<VirtioPciLegacyDevice>(*bus, bus->At(5));
    } else {
      auto found = VirtioMmioDevice::FindOnMicrovm(qtest(), kBlock);
      ASSERT_TRUE(found) << "no virtio-blk on microvm's transports";
      device_ = std::make_unique<VirtioMmioDevice>(*found);
    }
  }

  void StartDriver(Ring ring, uint16_t size = 0) {
    uint64_t wanted = 0;
    if (ring == Ring::kIndirect) wanted = virtio::Bit(virtio::kFeatureIndirect);
    if (ring == Ring::kEventIndex) wanted = virtio::Bit(virtio::kFeatureEventIndex);
    if (ring == Ring::kPacked) wanted = virtio::Bit(virtio::kFeatureRingPacked);
    ASSERT_EQ(device_->Negotiate(wanted) & wanted, wanted) << "not offered";
    if (ring == Ring::kPacked) {
      queue_ = std::make_unique<PackedVirtqueue>(device_->SetUpPackedQueue(0, *heap, size));
    } else {
      auto split = std::make_unique<Virtqueue>(device_->SetUpQueue(0, *heap, size));
      if (ring == Ring::kIndirect) split->UseIndirect(*heap);
      if (ring == Ring::kEventIndex) split->UseEventIndex();
      queue_ = std::move(split);
    }
    device_->SetDriverOk();
  }

  /// A request in flight: header, data in two buffers, status.
  struct Request {
    uint64_t header, data;
    size_t size;
    uint16_t head;
  };

  Request Post(uint32_t type, uint64_t sector, size_t size, const std::string& data = {}) {
    Request request{heap->Allocate(16), heap->Allocate(size + 1), size, 0};
    qtest().WriteL(request.header, type);
    qtest().WriteL(request.header + 4, 0);
    qtest().WriteQ(request.header + 8, sector);
    qtest().MemSet(request.data, size + 1, 0xaa);
    if (!data.empty()) qtest().MemWrite(request.data, data.data(), data.size());
    const auto half = static_cast<uint32_t>(size / 2), rest = static_cast<uint32_t>(size) - half;
    const bool in = type != kWrite;
    request.head = queue_->Add({{request.header, 16, false},
                                {request.data, half, in},
                                {request.data + half, rest, in},
                                {request.data + size, 1, true}});
    return request;
  }
  void Kick() {
    if (queue_->NeedsNotify()) device_->Notify(0);
  }
  /// The data of a request, which must be the next one that completes.
  std::string Finish(const Request& request) {
    DriverQueue::Used used = queue_->Wait(Deadline(kWait));
    EXPECT_EQ(used.head, request.head);
    EXPECT_EQ(qtest().ReadB(request.data + request.size), 0) << "VIRTIO_BLK_S_OK";
    written_ = used.written;
    std::vector<uint8_t> bytes = qtest().MemRead(request.data, request.size);
    return {bytes.begin(), bytes.end()};
  }
  std::string Read(uint64_t sector, size_t size) {
    Request request = Post(kRead, sector, size);
    Kick();
    return Finish(request);
  }

  /// Takes interrupts until none has arrived for a while. A device with its own thread may
  /// interrupt twice for one completion.
  void Quieten() {
    Deadline quiet(Milliseconds(20));
    for (Deadline end(kWait); !quiet.Passed() && !end.Passed();)
      if (device_->Isr()) quiet = Deadline(Milliseconds(20));
  }

  std::string disk;
  std::unique_ptr<VirtioDevice> device_;
  std::unique_ptr<DriverQueue> queue_;
  uint32_t written_ = 0;
};

class VirtioTransport : public BlockMachine, public testing::WithParamInterface<Way> {
 protected:
  void SetUp() override {
    if (GetParam().transport == Transport::kMmio || GetParam().transport == Transport::kMmioLegacy)
      Covers({"1.2 microvm"});
    StartDisk(GetParam().transport, GetParam().ring == Ring::kPacked);
  }
};

TEST_P(VirtioTransport, ReadsAndWritesTheFilesBytes) {
  StartDriver(GetParam().ring);
  EXPECT_EQ(device_->ConfigQ(0), kSectors);
  for (uint64_t sector : {0, 1, 7, 2047}) {
    EXPECT_EQ(Read(sector, kSector), disk.substr(sector * kSector, kSector)) << sector;
    EXPECT_EQ(written_, kSector + 1);
  }
  EXPECT_EQ(Read(16, 65536), disk.substr(16 * kSector, 65536));
  const std::string news = Pattern(8192, 99);
  Request write = Post(kWrite, 100, news.size(), news);
  Kick();
  Finish(write);
  EXPECT_EQ(written_, 1u) << "the status byte alone";
  EXPECT_EQ(Read(100, news.size()), news);
  EXPECT_EQ(ReadFile(dir / "disk").substr(100 * kSector, news.size()), news);
}

TEST_P(VirtioTransport, ARingThatWrapsManyTimesLosesNothing) {
  // Enough chains of four descriptors to wrap the ring many times. It has 16 descriptors, or the
  // device's own number on the legacy transport.
  const bool fixed = GetParam().transport == Transport::kPciLegacy;
  StartDriver(GetParam().ring, fixed ? 0 : 16);
  const int laps = fixed ? 300 : 100;
  for (int i = 0; i < laps; ++i) {
    const auto sector = static_cast<uint64_t>(i * 37 % 2040);
    Request first = Post(kRead, sector, kSector), second = Post(kRead, sector + 1, kSector);
    Kick();
    // A device may complete them in any order.
    for (int k = 0; k < 2; ++k) {
      const DriverQueue::Used used = queue_->Wait(Deadline(kWait));
      const Request& done = used.head == first.head ? first : second;
      ASSERT_EQ(used.head, done.head);
      const std::vector<uint8_t> bytes = qtest().MemRead(done.data, kSector);
      const uint64_t at = (sector + (&done == &second)) * kSector;
      ASSERT_EQ(std::string(bytes.begin(), bytes.end()), disk.substr(at, kSector)) << i;
    }
  }
}

TEST_P(VirtioTransport, ADeviceThatIsResetStartsAnewWithOtherRings) {
  StartDriver(GetParam().ring);
  EXPECT_EQ(Read(3, kSector), disk.substr(3 * kSector, kSector));
  const std::unique_ptr<DriverQueue> old = std::move(queue_);
  device_->Reset();
  EXPECT_EQ(device_->Status(), 0);
  StartDriver(GetParam().ring);
  EXPECT_EQ(Read(5, kSector), disk.substr(5 * kSector, kSector));
  EXPECT_FALSE(old->Take()) << "the ring of before the reset was written";
}

TEST_P(VirtioTransport, CompletionIsToldByTheInterruptStatus) {
  StartDriver(GetParam().ring);
  device_->Isr();
  Request request = Post(kGetId, 0, 20);
  Kick();
  WaitUntil("an interrupt", Deadline(kWait), [&] { return device_->Isr() & 1; });
  EXPECT_EQ(Finish(request).substr(0, 6), std::string("stx-1\0", 6));
  Quieten();
  EXPECT_EQ(device_->Isr(), 0) << "reading the status clears it";
}

INSTANTIATE_TEST_SUITE_P(
    Ways, VirtioTransport,
    testing::Values(Way{"PciSplit", Transport::kPci, Ring::kSplit},
                    Way{"PciIndirect", Transport::kPci, Ring::kIndirect},
                    Way{"PciEventIndex", Transport::kPci, Ring::kEventIndex},
                    Way{"PciPacked", Transport::kPci, Ring::kPacked},
                    Way{"PciLegacySplit", Transport::kPciLegacy, Ring::kSplit},
                    Way{"PciLegacyIndirect", Transport::kPciLegacy, Ring::kIndirect},
                    Way{"PciLegacyEventIndex", Transport::kPciLegacy, Ring::kEventIndex},
                    Way{"MmioSplit", Transport::kMmio, Ring::kSplit},
                    Way{"MmioIndirect", Transport::kMmio, Ring::kIndirect},
                    Way{"MmioEventIndex", Transport::kMmio, Ring::kEventIndex},
                    Way{"MmioPacked", Transport::kMmio, Ring::kPacked},
                    Way{"MmioLegacySplit", Transport::kMmioLegacy, Ring::kSplit}),
    [](const auto& info) { return std::string(info.param.name); });

class VirtioBlock : public BlockMachine {
 protected:
  void SetUp() override { StartDisk(Transport::kPci, false); }
  VirtioPciDevice& pci() { return static_cast<VirtioPciDevice&>(*device_); }
};

TEST_F(VirtioBlock, EventIndexSparesNotificationsAndInterrupts) {
  StartDriver(Ring::kEventIndex);
  auto& queue = static_cast<Virtqueue&>(*queue_);
  EXPECT_EQ(Read(0, kSector), disk.substr(0, kSector));
  Quieten();
  queue.InterruptAfter(3);
  for (int i = 0; i < 2; ++i) Read(0, kSector);
  EXPECT_EQ(device_->Isr(), 0) << "an interrupt that used_event did not ask for";
  Request third = Post(kRead, 0, kSector);
  Kick();
  WaitUntil("the interrupt that used_event asked for", Deadline(kWait),
            [&] { return device_->Isr() & 1; });
  Finish(third);
}

TEST_F(VirtioBlock, ACompletionIsAnMsixMessageUnlessMasked) {
  Msix msix(pci().pci(), pci().bars());
  EXPECT_EQ(msix.vectors(), 2);
  const uint64_t inbox = heap->Allocate(16);
  qtest().MemSet(inbox, 16, 0);
  msix.Enable();
  msix.Route(1, inbox, 0x5a5a1234);
  device_->Negotiate(0);
  queue_ = std::make_unique<Virtqueue>(device_->SetUpQueue(0, *heap));
  EXPECT_EQ(pci().SetQueueVector(0, 1), 1);
  device_->SetDriverOk();
  auto message = [&](Milliseconds wait) {
    uint32_t got = 0;
    HoldsBefore(Deadline(wait), [&] { return (got = qtest().ReadL(inbox)) != 0; });
    qtest().WriteL(inbox, 0);
    return got;
  };
  Read(1, kSector);
  EXPECT_EQ(message(kWait), 0x5a5a1234u);
  msix.Mask(1, true);
  Read(1, kSector);
  WaitUntil("the vector is pending", Deadline(kWait), [&] { return msix.Pending(1); });
  EXPECT_TRUE(msix.Pending(1));
  EXPECT_EQ(qtest().ReadL(inbox), 0u) << "a masked vector was sent";
  msix.Mask(1, false);
  EXPECT_EQ(message(kWait), 0x5a5a1234u) << "a pending message is sent when it is unmasked";
  EXPECT_FALSE(msix.Pending(1));
  msix.MaskFunction(true);
  Read(1, kSector);
  WaitUntil("the vector is pending", Deadline(kWait), [&] { return msix.Pending(1); });
  EXPECT_EQ(qtest().ReadL(inbox), 0u);
  msix.MaskFunction(false);
  EXPECT_EQ(message(kWait), 0x5a5a1234u);
}

TEST_F(VirtioBlock, AVectorThatTheTableLacksIsRefused) {
  Msix msix(pci().pci(), pci().bars());
  msix.Enable();
  device_->Negotiate(0);
  EXPECT_EQ(pci().SetQueueVector(0, msix.vectors()), virtio::kNoVector);
  EXPECT_EQ(pci().SetConfigVector(1000), virtio::kNoVector);
  EXPECT_EQ(pci().SetConfigVector(0), 0);
}

TEST_F(VirtioBlock, AResizeIsAConfigurationInterrupt) {
  Msix msix(pci().pci(), pci().bars());
  const uint64_t inbox = heap->Allocate(16);
  qtest().MemSet(inbox, 16, 0);
  msix.Enable();
  msix.Route(0, inbox, 77);
  device_->Negotiate(0);
  EXPECT_EQ(pci().SetConfigVector(0), 0);
  queue_ = std::make_unique<Virtqueue>(device_->SetUpQueue(0, *heap));
  device_->SetDriverOk();
  qmp().Execute("block_resize", {{"device", "disk"}, {"size", 2 * kSectors * kSector}});
  WaitUntil("the message", Deadline(kWait), [&] { return qtest().ReadL(inbox) == 77; });
  EXPECT_EQ(device_->ConfigQ(0), 2 * kSectors);
}

TEST_F(VirtioBlock, FeaturesThatWereNotOfferedAreNotAccepted) {
  const uint64_t offered = device_->OfferedFeatures();
  EXPECT_TRUE(offered & virtio::Bit(virtio::kFeatureVersion1));
  EXPECT_TRUE(offered & virtio::Bit(virtio::kFeatureIndirect));
  EXPECT_TRUE(offered & virtio::Bit(virtio::kFeatureEventIndex));
  EXPECT_FALSE(offered & virtio::Bit(virtio::kFeatureRingPacked)) << "without packed=on";
}

}  // namespace
}  // namespace stx
