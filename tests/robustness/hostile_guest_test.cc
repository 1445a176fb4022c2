// SPDX-License-Identifier: GPL-2.0-or-later
// Guests with malicious drivers, on each virtio device. QEMU must neither crash nor hang, must
// report for an invalid ring that the device needs a reset (virtio 1.2, section 2.1.2), and must
// serve the next driver.

#include <unistd.h>

#include <map>
#include <random>

#include "base/waiting.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/vhost_user/vsock_backend.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

using Queue = Virtqueue;

struct Victim {
  const char* name;
  const char* device;  ///< -device, beginning with its type
  uint16_t queue;      ///< the queue that is attacked: QEMU takes buffers from it at once
  std::vector<const char*> args = {};  ///< further arguments that come first; @dir@ is a folder
  bool only_writes = false;            ///< accepts only buffers that it can write to
  bool served_by_qemu = true;          ///< otherwise by a back-end in another process
};
void PrintTo(const Victim& victim, std::ostream* out) { *out << victim.name; }

const std::vector<Victim> kPodDevices = {
    {"Block", "virtio-blk-pci,drive=d", 0, {"-drive", "if=none,id=d,format=raw,file=@dir@/disk"}},
    {"Scsi", "virtio-scsi-pci", 2},
    {"ScsiControl", "virtio-scsi-pci", 0},
    {"Net", "virtio-net-pci,netdev=n,romfile=", 1, {"-netdev", "hubport,id=n,hubid=0"}},
    {"NetControl", "virtio-net-pci,netdev=n,romfile=", 2, {"-netdev", "hubport,id=n,hubid=0"}},
    {"Serial", "virtio-serial-pci", 3},
    {"Rng", "virtio-rng-pci", 0, {}, true},
    {"NineP",
     "virtio-9p-pci,fsdev=f,mount_tag=t",
     0,
     {"-fsdev", "local,id=f,path=@dir@,security_model=none"}},
    {"Mem", "virtio-mem-pci,memdev=vm", 0, {"-object", "memory-backend-ram,id=vm,size=64M"}},
    {"Vsock",
     "vhost-user-vsock-pci,chardev=v",
     1,
     {"-chardev", "socket,id=v,path=@dir@/vhost"},
     false,
     false},
};
const std::vector<Victim> kHostDevices = {
    {"Balloon", "virtio-balloon-pci", 0},
    {"Crypto", "virtio-crypto-pci,cryptodev=c", 0, {"-object", "cryptodev-backend-builtin,id=c"}},
    {"Gpu", "virtio-gpu-pci", 0},
    {"GpuCursor", "virtio-gpu-pci", 1},
    {"Keyboard", "virtio-keyboard-pci", 1},
    {"Iommu", "virtio-iommu-pci", 0},
};

/// The devices whose type the binary has. machine/types_test.cc checks whether the kata build has
/// all of them.
std::vector<Victim> Present(const std::vector<Victim>& victims) {
  std::vector<Victim> present;
  if (EnvOr("QEMU", "").empty()) return present;
  for (const Victim& victim : victims)
    if (const std::string device = victim.device; HasDeviceType(device.substr(0, device.find(','))))
      present.push_back(victim);
  return present;
}

class HostileMachine : public MachineTest {
 protected:
  static constexpr uint8_t kSlot = 5;

  void StartVictim(const Victim& victim) {
    WriteFile(dir / "disk", std::string(1 << 20, 'd'));
    if (!victim.served_by_qemu)
      backend.emplace(VsockBackendOptions{.socket = dir / "vhost", .uds = dir / "vsock"});
    std::vector<std::string> args;
    for (std::string arg : victim.args) {
      if (const size_t at = arg.find("@dir@"); at != std::string::npos)
        arg.replace(at, 5, dir.path());
      args.push_back(arg);
    }
    args.insert(args.end(), {"-device", std::string(victim.device) + ",addr=5"});
    StartMachine(args, "q35", "256M,slots=2,maxmem=4G");
    device.emplace(*bus, bus->At(kSlot));
  }
  /// With all features and all queues.
  void StartDriver() {
    device->Negotiate(device->OfferedFeatures() & ~virtio::Bit(virtio::kFeatureRingPacked) &
                      ~virtio::Bit(33 /* ACCESS_PLATFORM */));
    queues.clear();
    for (uint16_t i = 0; i < std::min<uint16_t>(device->QueueCount(), 8); ++i)
      if (device->QueueMaxSize(i)) queues.emplace(i, device->SetUpQueue(i, *heap));
    device->SetDriverOk();
  }
  /// The next driver finds a working device, as far as can be told without knowledge of the device.
  void ExpectServesTheNextDriver() {
    ExpectAlive();
    if (HasFailure()) return;
    device.emplace(*bus, bus->At(kSlot));
    heap.emplace(kHeap, kRam - kHeap);
    StartDriver();
    EXPECT_EQ(device->Status(),
              virtio::kAcknowledge | virtio::kDriver | virtio::kFeaturesOk | virtio::kDriverOk);
    ExpectAlive();
  }

  std::optional<VsockBackend> backend;
  std::optional<VirtioPciDevice> device;
  std::map<uint16_t, Queue> queues;
};

/// An invalid ring. `buffer` is 4 KiB of guest memory.
struct BadRing {
  const char* name;
  /// `flags` are set in each buffer that a device is to look at.
  void (*make)(Queue& queue, QTest& qtest, uint64_t buffer, uint16_t flags);
  /// False if some devices can serve it, or cannot detect it.
  bool always_told = true;
};
void PrintTo(const BadRing& ring, std::ostream* out) { *out << ring.name; }

constexpr uint16_t kNext = Queue::kNext, kWrite = Queue::kWrite, kIndirect = Queue::kIndirect;

const BadRing kBadRings[] = {
    {"DescriptorLoop",
     [](Queue& queue, QTest&, uint64_t buffer, uint16_t flags) {
       queue.WriteDescriptor(0, buffer, 16, kNext | flags, 1);
       queue.WriteDescriptor(1, buffer, 16, kNext | flags, 0);
       queue.Offer(0);
     }},
    {"NextPastTheEnd",
     [](Queue& queue, QTest&, uint64_t buffer, uint16_t flags) {
       queue.WriteDescriptor(0, buffer, 16, kNext | flags, static_cast<uint16_t>(queue.size() + 5));
       queue.Offer(0);
     }},
    {"HeadPastTheEnd", [](Queue& queue, QTest&, uint64_t, uint16_t) { queue.Offer(queue.size()); }},
    {"IndexJumpsPastTheRing",
     [](Queue& queue, QTest&, uint64_t buffer, uint16_t flags) {
       queue.WriteDescriptor(0, buffer, 16, flags, 0);
       queue.Offer(0, static_cast<uint16_t>(queue.size() + 1));
     },
     false},
    {"IndirectTableOfOddLength",
     [](Queue& queue, QTest&, uint64_t buffer, uint16_t) {
       queue.WriteDescriptor(0, buffer, 17, kIndirect, 0);
       queue.Offer(0);
     }},
    {"IndirectTableOfNoLength",
     [](Queue& queue, QTest&, uint64_t buffer, uint16_t) {
       queue.WriteDescriptor(0, buffer, 0, kIndirect, 0);
       queue.Offer(0);
     }},
    {"IndirectLoop",
     [](Queue& queue, QTest& qtest, uint64_t buffer, uint16_t flags) {
       // Two descriptors that point at each other.
       for (uint16_t i = 0; i < 2; ++i) {
         qtest.WriteQ(buffer + 16 * i, buffer + 1024);
         qtest.WriteL(buffer + 16 * i + 8, 16);
         qtest.WriteW(buffer + 16 * i + 12, static_cast<uint16_t>(kNext | flags));
         qtest.WriteW(buffer + 16 * i + 14, static_cast<uint16_t>(1 - i));
       }
       queue.WriteDescriptor(0, buffer, 32, kIndirect, 0);
       queue.Offer(0);
     }},
    {"AddressWithoutMemory",
     [](Queue& queue, QTest&, uint64_t, uint16_t flags) {
       queue.WriteDescriptor(0, 0xffff'ffff'ffff'f000, 0x2000, flags, 0);
       queue.Offer(0);
     },
     false},
    {"LengthPastTheEndOfMemory",
     [](Queue& queue, QTest&, uint64_t, uint16_t flags) {
       // Not 4 GiB, because virtio-rng would fetch that much entropy before it looks where to put
       // it.
       queue.WriteDescriptor(0, (256 << 20) - 4096, 1 << 20, flags, 0);
       queue.Offer(0);
     }},
    {"BufferOfNoLength",
     [](Queue& queue, QTest&, uint64_t buffer, uint16_t flags) {
       queue.WriteDescriptor(0, buffer, 0, flags, 0);
       queue.Offer(0);
     }},
    {"ReadableBehindWritable",
     [](Queue& queue, QTest&, uint64_t buffer, uint16_t) {
       queue.WriteDescriptor(0, buffer, 16, kNext | kWrite, 1);
       queue.WriteDescriptor(1, buffer + 16, 16, 0, 0);
       queue.Offer(0);
     }},
};

class HostileRing : public HostileMachine,
                    public testing::WithParamInterface<std::tuple<Victim, BadRing>> {};

TEST_P(HostileRing, NeedsAResetAndServesTheNextDriver) {
  const auto& [victim, ring] = GetParam();
  StartVictim(victim);
  StartDriver();
  ring.make(queues.at(victim.queue), qtest(), heap->Allocate(4096, 4096),
            victim.only_writes ? kWrite : 0);
  device->Notify(victim.queue);
  // An entropy device has no reason to examine a buffer without room.
  const bool unseen = victim.only_writes && std::string(ring.name) == "BufferOfNoLength";
  if (victim.served_by_qemu && ring.always_told && !unseen) {
    EXPECT_TRUE(HoldsBefore(Deadline(Milliseconds(5000)), [&] {
      return device->Status() & virtio::kNeedsReset;
    })) << "the device took it";
  }
  ExpectServesTheNextDriver();
}

/// What a driver can do apart from its rings.
struct Trick {
  const char* name;
  void (*play)(VirtioPciDevice& device, std::map<uint16_t, Queue>& queues, GuestHeap& heap);
};
void PrintTo(const Trick& trick, std::ostream* out) { *out << trick.name; }

/// Writes of 1, 2 and 4 bytes to everything that a BAR decodes, in an order that depends on the
/// seed.
void FillBars(VirtioPciDevice& device, unsigned seed) {
  std::mt19937 random(seed);
  QTest& qtest = device.qtest();
  for (size_t i = 0; i < device.bars().size(); ++i) {
    const uint64_t base = device.bars()[i];
    if (!base) continue;
    if (device.pci().ReadL(static_cast<uint8_t>(pci::kBar0 + 4 * i)) & 1) {
      for (uint16_t port = 0; port < 64; ++port)
        qtest.OutB(static_cast<uint16_t>(base + port), static_cast<uint8_t>(random()));
      continue;
    }
    for (int n = 0; n < 3000; ++n) {
      const uint64_t at = base + random() % 0x4000 / 4 * 4;
      const uint32_t value = n % 3 ? random() : ~0U;
      if (random() % 2)
        qtest.WriteL(at, value);
      else
        qtest.WriteW(at, static_cast<uint16_t>(value));
    }
  }
}

const Trick kTricks[] = {
    {"EveryRegisterIsWritten",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>&, GuestHeap&) { FillBars(device, 1); }},
    {"EveryRegisterIsWrittenDuringWork",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>& queues, GuestHeap& heap) {
       const uint64_t buffer = heap.Allocate(65536, 4096);
       for (int round = 0; round < 4; ++round) {
         for (auto& [index, queue] : queues) {
           queue.Add({{buffer, 64, false}, {buffer + 4096, 4096, true}});
           device.Notify(index);
         }
         FillBars(device, 100 + static_cast<unsigned>(round));
       }
     }},
    {"ConfigurationSpaceIsWritten",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>&, GuestHeap&) {
       std::mt19937 random(7);
       for (int n = 0; n < 1000; ++n)
         device.pci().WriteL(static_cast<uint8_t>(random() % 64 * 4), random());
       for (int at = 0; at < 256; at += 4) device.pci().WriteL(static_cast<uint8_t>(at), 0);
     }},
    {"RingsWhereNoMemoryIs",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>& queues, GuestHeap&) {
       for (const uint64_t nowhere :
            {0xffff'ffff'ffff'0000ULL, 0xfee0'0000ULL, 0xd000'0000ULL, 0ULL}) {
         device.Negotiate(0);
         for (auto& [index, queue] : queues)
           device.PlaceQueue(index, {queue.size(), nowhere, nowhere + 0x4000, nowhere + 0x8000});
         device.SetDriverOk();
         for (auto& [index, queue] : queues) device.Notify(index);
       }
     }},
    {"RingsOfImpossibleSizes",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>& queues, GuestHeap& heap) {
       for (const uint16_t size : {uint16_t{0}, uint16_t{3}, uint16_t{0x8000}, uint16_t{0xffff}}) {
         device.Negotiate(0);
         for (auto& [index, queue] : queues)
           device.PlaceQueue(index, {size, queue.descriptors(), queue.available(), queue.used()});
         device.SetDriverOk();
         for (auto& [index, queue] : queues) {
           queue.WriteDescriptor(0, heap.Allocate(64), 64, 0, 0);
           queue.Offer(0);
           device.Notify(index);
         }
       }
     }},
    {"KicksOfQueuesThatAreNotSetUp",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>&, GuestHeap&) {
       device.Reset();
       for (int round = 0; round < 2; ++round) {
         for (uint16_t index : {0, 1, 2, 63, 1023, 1024, 0xffff}) device.Notify(index);
         device.Negotiate(0);
         device.SetDriverOk();
       }
     }},
    {"ResetsWithRequestsInFlight",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>&, GuestHeap&) {
       for (int round = 0; round < 30; ++round) {
         GuestHeap heap(64 << 20, 32 << 20);
         device.Negotiate(0);
         std::map<uint16_t, Queue> queues;
         for (uint16_t i = 0; i < std::min<uint16_t>(device.QueueCount(), 8); ++i)
           if (device.QueueMaxSize(i)) queues.emplace(i, device.SetUpQueue(i, heap));
         device.SetDriverOk();
         const uint64_t buffer = heap.Allocate(65536, 4096);
         for (auto& [index, queue] : queues)
           for (int n = 0; n < queue.size() / 2; ++n)
             queue.Add({{buffer, 64, false}, {buffer + 4096, 4096, true}});
         for (auto& [index, queue] : queues) device.Notify(index);
         device.Reset();
       }
     }},
    {"StatusInNoOrder",
     [](VirtioPciDevice& device, std::map<uint16_t, Queue>&, GuestHeap&) {
       for (int status = 255; status >= 0; --status) device.SetStatus(static_cast<uint8_t>(status));
       for (int status = 0; status < 256; status += 3)
         device.SetStatus(static_cast<uint8_t>(status));
       device.SetStatus(0);
     }},
};

class HostileDriver : public HostileMachine,
                      public testing::WithParamInterface<std::tuple<Victim, Trick>> {};

TEST_P(HostileDriver, LeavesADeviceForTheNextDriver) {
  const auto& [victim, trick] = GetParam();
  StartVictim(victim);
  StartDriver();
  try {
    trick.play(*device, queues, *heap);
  } catch (const std::runtime_error& error) {
    // A device may refuse, but QEMU must not crash.
    if (!qemu->process().Running()) FAIL() << error.what();
  }
  ExpectServesTheNextDriver();
}

template <typename Params>
std::string Name(const testing::TestParamInfo<Params>& info) {
  return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name;
}

constexpr auto RingName = Name<std::tuple<Victim, BadRing>>;
constexpr auto TrickName = Name<std::tuple<Victim, Trick>>;

INSTANTIATE_TEST_SUITE_P(Pod, HostileRing,
                         testing::Combine(testing::ValuesIn(Present(kPodDevices)),
                                          testing::ValuesIn(kBadRings)),
                         RingName);
INSTANTIATE_TEST_SUITE_P(Host, HostileRing,
                         testing::Combine(testing::ValuesIn(Present(kHostDevices)),
                                          testing::ValuesIn(kBadRings)),
                         RingName);
INSTANTIATE_TEST_SUITE_P(Pod, HostileDriver,
                         testing::Combine(testing::ValuesIn(Present(kPodDevices)),
                                          testing::ValuesIn(kTricks)),
                         TrickName);
INSTANTIATE_TEST_SUITE_P(Host, HostileDriver,
                         testing::Combine(testing::ValuesIn(Present(kHostDevices)),
                                          testing::ValuesIn(kTricks)),
                         TrickName);

TEST(HostDevices, AreAttackedToo) {
  if (Present(kHostDevices).empty())
    GTEST_SKIP() << "$QEMU has none of the virtio devices that only libvirt hosts have";
}

}  // namespace
}  // namespace stx
