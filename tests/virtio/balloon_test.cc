// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver may rely on of virtio-balloon (virtio 1.2, section 5.5): pages that it gives to the
// host, reports as free or hints at during a migration, and its statistics.

#include <thread>

#include "base/pattern.h"
#include "base/waiting.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/machine_test.h"
#include "harness/qemu/migration.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

class Balloon : public MachineTest {
 protected:
  static constexpr Milliseconds kWait{20000};
  static constexpr int kStatistics = 1, kHint = 3, kPoison = 4, kReporting = 5;
  static constexpr uint16_t kInflate = 0, kDeflate = 1, kStatisticsQueue = 2, kFreePages = 3;
  /// Offsets in the configuration (5.5.4).
  static constexpr uint32_t kNumPages = 0, kActual = 4, kCommand = 8, kPoisonValue = 12;
  static constexpr uint64_t kPage = 4096, kMiB = 1 << 20;

  void Start(const std::string& options = "") {
    StartMachine({"-object", "iothread,id=io", "-device",
                  "virtio-balloon-pci,id=balloon,disable-legacy=on,addr=5" + options});
    device.emplace(*bus, bus->At(5));
  }
  void StartDriver(uint64_t features) {
    EXPECT_EQ(device->Negotiate(features) & features, features) << "not offered";
    queues.clear();
    for (uint16_t i = 0; device->QueueMaxSize(i); ++i)
      queues.push_back(device->SetUpQueue(i, *heap));
    if (features & virtio::Bit(kPoison)) WriteConfig(kPoisonValue, poison);
    device->SetDriverOk();
  }
  void WriteConfig(uint32_t offset, uint32_t value) {
    qtest().WriteL(device->device_config() + offset, value);
  }
  /// One buffer that the device reads.
  void Post(uint16_t queue, const std::string& bytes) {
    const uint64_t at = heap->Allocate(bytes.size());
    qtest().MemWrite(at, bytes.data(), bytes.size());
    queues.at(queue).Add({{at, static_cast<uint32_t>(bytes.size()), false}});
    device->Notify(queue);
  }
  void Send(uint16_t queue, const std::string& bytes) {
    Post(queue, bytes);
    EXPECT_EQ(queues.at(queue).Wait(Deadline(kWait)).written, 0u);
  }
  template <typename T>
  static std::string Bytes(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }
  static std::string Pages(std::initializer_list<uint64_t> addresses) {
    std::string list;
    for (uint64_t address : addresses) list += Bytes(static_cast<uint32_t>(address / kPage));
    return list;
  }
  void Fill(uint64_t at, uint64_t pages, uint8_t value) {
    qtest().MemSet(at, pages * kPage, value);
  }
  /// The page is of this byte alone.
  bool Holds(uint64_t at, uint8_t value) {
    const auto bytes = qtest().MemRead(at, kPage);
    return std::count(bytes.begin(), bytes.end(), value) == static_cast<long>(kPage);
  }
  json Statistics() {
    return qmp().Execute("qom-get", {{"path", "balloon"}, {"property", "guest-stats"}});
  }

  std::optional<VirtioPciDevice> device;
  std::vector<Virtqueue> queues;
  uint32_t poison = 0;
};

TEST_F(Balloon, PagesInItAreTheHosts) {
  Start();
  StartDriver(0);
  device->Isr();
  EXPECT_EQ(device->ConfigL(kNumPages), 0u);
  qmp().Execute("balloon", {{"value", 252 * kMiB}});
  EXPECT_EQ(device->ConfigL(kNumPages), 4 * kMiB / kPage);
  EXPECT_TRUE(device->Isr() & 2) << "the configuration has changed";
  const uint64_t at = 100 * kMiB;
  Fill(at, 5, 0x5a);
  Send(kInflate, Pages({at, at + 2 * kPage, at + 3 * kPage}));
  EXPECT_TRUE(Holds(at, 0));
  EXPECT_TRUE(Holds(at + kPage, 0x5a)) << "it is not in the balloon";
  EXPECT_TRUE(Holds(at + 2 * kPage, 0));
  EXPECT_TRUE(Holds(at + 3 * kPage, 0));
  EXPECT_TRUE(Holds(at + 4 * kPage, 0x5a)) << "it is not in the balloon";
  WriteConfig(kActual, 3);
  EXPECT_EQ(qmp().Execute("query-balloon")["actual"], 256 * kMiB - 3 * kPage);
  EXPECT_EQ(qmp().WaitEvent("BALLOON_CHANGE")["data"]["actual"], 256 * kMiB - 3 * kPage);
  Send(kDeflate, Pages({at + 2 * kPage}));
  Fill(at + 2 * kPage, 1, 0x66);
  EXPECT_TRUE(Holds(at + 2 * kPage, 0x66)) << "the guest's again";
  WriteConfig(kActual, 2);
  EXPECT_EQ(qmp().Execute("query-balloon")["actual"], 256 * kMiB - 2 * kPage);
  // Addresses that are no RAM are nobody's.
  Send(kInflate, Pages({0xb000 * kPage, 0xfee00000, at + kPage}));
  EXPECT_TRUE(Holds(at + kPage, 0)) << "the valid one of the same list";
}

TEST_F(Balloon, StatisticsComeInAnyOrderAndTagsThatAreUnknownAreIgnored) {
  Covers({"virtio 5.5.6.3.2 unknown-tags", "virtio 5.5.6.3.2 any-order"});
  Start();
  StartDriver(virtio::Bit(kStatistics));
  const auto statistic = [](uint16_t tag, uint64_t value) { return Bytes(tag) + Bytes(value); };
  const uint64_t none = ~uint64_t{0};
  Post(kStatisticsQueue, statistic(9, 109) + statistic(10, 1) + statistic(0, 100) +
                             statistic(0xffff, 2) + statistic(5, 1ull << 40) + statistic(300, 3) +
                             statistic(4, 104));
  WaitUntil("the statistics", Deadline(kWait),
            [&] { return Statistics()["stats"]["stat-free-memory"] == 104; });
  json stats = Statistics()["stats"];
  EXPECT_EQ(stats["stat-swap-in"], 100);
  EXPECT_EQ(stats["stat-total-memory"], 1ull << 40);
  EXPECT_EQ(stats["stat-htlb-pgfail"], 109);
  for (const char* name : {"stat-swap-out", "stat-major-faults", "stat-minor-faults",
                           "stat-available-memory", "stat-disk-caches", "stat-htlb-pgalloc"})
    EXPECT_EQ(stats[name], none) << name << ": it was not told";
  EXPECT_FALSE(queues[kStatisticsQueue].Take()) << "the device keeps it until it wants new ones";

  qmp().Execute("qom-set",
                {{"path", "balloon"}, {"property", "guest-stats-polling-interval"}, {"value", 1}});
  EXPECT_EQ(queues[kStatisticsQueue].Wait(Deadline(kWait)).written, 0u);
  Post(kStatisticsQueue, statistic(4, 204) + statistic(1, 201));
  WaitUntil("the statistics", Deadline(kWait),
            [&] { return Statistics()["stats"]["stat-free-memory"] == 204; });
  stats = Statistics()["stats"];
  EXPECT_EQ(stats["stat-swap-out"], 201);
  EXPECT_EQ(stats["stat-swap-in"], none) << "of the time before";
}

TEST_F(Balloon, AReportedPageHoldsThePoison) {
  Covers({"virtio 5.5.6.6.2 poison"});
  const uint64_t at = 100 * kMiB;
  for (uint32_t value : {0u, 0xaaaaaaaau}) {
    SCOPED_TRACE(value);
    Start(",free-page-reporting=on");
    poison = value;
    const auto byte = static_cast<uint8_t>(value);
    StartDriver(virtio::Bit(kPoison) | virtio::Bit(kReporting));
    EXPECT_EQ(device->ConfigL(kPoisonValue), value);
    Fill(at, 8, byte);
    // Of two ranges in one chain; the pages between and behind them are in use.
    Fill(at + 3 * kPage, 1, 0x11);
    Fill(at + 6 * kPage, 2, 0x22);
    queues[3].Add({{at, 3 * kPage, true}, {at + 4 * kPage, 2 * kPage, true}});
    device->Notify(3);
    EXPECT_EQ(queues[3].Wait(Deadline(kWait)).written, 0u);
    for (uint64_t i : {0, 1, 2, 4, 5}) EXPECT_TRUE(Holds(at + i * kPage, byte)) << i;
    EXPECT_TRUE(Holds(at + 3 * kPage, 0x11));
    EXPECT_TRUE(Holds(at + 6 * kPage, 0x22));
    EXPECT_TRUE(Holds(at + 7 * kPage, 0x22));
    device->Reset();
    EXPECT_EQ(device->ConfigL(kPoisonValue), 0u);
  }
  // Without PAGE_POISON the host takes the pages, and a page of which a part is reported stays.
  Start(",free-page-reporting=on");
  StartDriver(virtio::Bit(kReporting));
  Fill(at, 6, 0x5a);
  queues[3].Add({{at, 2 * kPage, true}, {at + 3 * kPage + 512, kPage, true}});
  device->Notify(3);
  queues[3].Wait(Deadline(kWait));
  for (uint64_t i : {0, 1}) EXPECT_TRUE(Holds(at + i * kPage, 0)) << i << ": the host has it";
  for (uint64_t i : {2, 3, 4, 5}) EXPECT_TRUE(Holds(at + i * kPage, 0x5a)) << i;
}

class BalloonHint : public Balloon {
 protected:
  static constexpr uint64_t kStall = 1 * kMiB, kTold = 100 * kMiB, kNext = 120 * kMiB;
  const std::string told = "a page that is hinted at", stale = "one of an old command";

  ~BalloonHint() override {
    qemu.reset();  // which ends the stream
    if (reader.joinable()) reader.join();
  }
  /// Begins a migration that takes seconds for its first pages; returns the command's id.
  uint32_t Begin() {
    SetBandwidth(1 * kMiB);
    const UniqueFd listener = ListenUnix(dir / "target");
    qmp().Execute("migrate", {{"uri", "unix:" + (dir / "target").string()}});
    stream = Accept(listener.get(), Deadline(kWait));
    unlink((dir / "target").c_str());
    bytes.clear();
    reader = std::thread([this] {
      std::string chunk(1 << 16, '\0');
      for (ssize_t size; (size = read(stream.get(), chunk.data(), chunk.size())) > 0;)
        bytes.append(chunk, 0, static_cast<size_t>(size));
    });
    WaitUntil("the command", Deadline(kWait), [&] { return device->ConfigL(kCommand) > 1; });
    return device->ConfigL(kCommand);
  }
  /// All bytes of the migration.
  const std::string& Finish() {
    SetBandwidth(1 << 30);
    EXPECT_EQ(WaitMigrationEnd(qmp())["status"], "completed");
    reader.join();
    return bytes;
  }
  void SetBandwidth(uint64_t bytes_per_second) {
    qmp().Execute("migrate-set-parameters", {{"max-bandwidth", bytes_per_second}});
  }
  void Hint(uint64_t page) {
    queues[kFreePages].Add({{page, kPage, true}});
    device->Notify(kFreePages);
    EXPECT_EQ(queues[kFreePages].Wait(Deadline(kWait)).written, 0u);
  }

  UniqueFd stream;
  std::thread reader;
  std::string bytes;  // of the stream; the reader's until it ends
};

TEST_F(BalloonHint, PagesOfTheCommandAreNotMigratedAndOthersAre) {
  Covers({"virtio 5.5.6.4.2 hinting"});
  Start(",free-page-hint=on,iothread=io");
  StartDriver(virtio::Bit(kHint));
  device->Isr();
  // What is sent first.
  qtest().MemWrite(kStall, MakePattern(8 * kMiB, 1).data(), 8 * kMiB);
  qtest().MemWrite(kTold, told.data(), told.size());
  qtest().MemWrite(kNext, stale.data(), stale.size());
  EXPECT_LE(device->ConfigL(kCommand), 1u) << "no command";
  const uint32_t first = Begin();
  EXPECT_TRUE(device->Isr() & 2) << "the configuration has changed";
  Send(kFreePages, Bytes(first));
  Hint(kTold);
  Send(kFreePages, Bytes(uint32_t{0}));  // VIRTIO_BALLOON_CMD_ID_STOP
  Hint(kNext);                           // too late
  Finish();
  EXPECT_EQ(bytes.find(told), std::string::npos) << "a page that was hinted at is migrated";
  EXPECT_NE(bytes.find(stale), std::string::npos) << "a page that was not is missing";
  EXPECT_EQ(device->ConfigL(kCommand), 1u) << "VIRTIO_BALLOON_CMD_ID_DONE: the guest has its pages";

  // The next migration has another command; what answers the old one is not obeyed.
  qmp().Execute("cont");
  const uint32_t second = Begin();
  EXPECT_NE(second, first);
  Send(kFreePages, Bytes(first));
  Hint(kTold);
  Finish();
  EXPECT_NE(bytes.find(told), std::string::npos) << "hinted at for another command";
}

}  // namespace
}  // namespace stx
