// SPDX-License-Identifier: GPL-2.0-or-later
// A virtio-net with four queue pairs on a vhost-user back-end that records what it is told about
// rings, and a driver for it. Shared by the tests of the vhost patches.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_recorder.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

using Request = VhostUserRequest;
using Messages = std::vector<VhostUserMessage>;

inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr uint16_t kNet = 1, kRng = 4;  // virtio device types
inline constexpr uint64_t kNetCtrlVq = 1ULL << 17, kNetMq = 1ULL << 22, kIommuPlatform = 1ULL << 33,
                          kRingReset = 1ULL << 40;
inline constexpr int kPairs = 4;
inline constexpr uint16_t kControlQueue = 2 * kPairs;

inline std::string ToString(const Messages& messages) {
  std::string text;
  for (const VhostUserMessage& m : messages) text += m.ToString() + "\n";
  return text;
}

inline std::vector<uint32_t> RingsAddressed(const Messages& messages) {
  std::vector<uint32_t> rings;
  for (const VhostUserMessage& m : messages)
    if (m.request == Request::kSetVringAddr) rings.push_back(m.RingAddresses().index);
  return rings;
}

inline std::map<uint32_t, VhostUserRingAddresses> AddressesIn(const Messages& messages) {
  std::map<uint32_t, VhostUserRingAddresses> addresses;
  for (const VhostUserMessage& m : messages)
    if (m.request == Request::kSetVringAddr) {
      VhostUserRingAddresses a = m.RingAddresses();
      addresses[a.index] = a;
    }
  return addresses;
}

inline size_t Count(const Messages& messages, Request request) {
  return static_cast<size_t>(std::count_if(messages.begin(), messages.end(),
                                           [&](const auto& m) { return m.request == request; }));
}

/// A machine with room for DIMMs, a virtio-net with 4 queue pairs on a recording back-end, and its
/// driver.
class RingAddresses : public testing::Test {
 protected:
  void Start(VhostUserRecorderOptions options = {}, const std::vector<std::string>& more = {},
             const std::string& properties = "") {
    options.features |= kNetMq;
    std::vector<std::string> device{
        "-netdev", "vhost-user,id=n,chardev=c,queues=" + std::to_string(kPairs), "-device",
        "virtio-net-pci,netdev=n,mq=on,disable-legacy=on,addr=5,romfile=" + properties};
    device.insert(device.end(), more.begin(), more.end());
    StartDevice(kNet, device, ",reconnect=1", options);
  }

  /// `device` are the arguments for a virtio device on chardev c in slot 5; `chardev` are further
  /// options of that chardev.
  void StartDevice(uint16_t type, const std::vector<std::string>& device,
                   const std::string& chardev, const VhostUserRecorderOptions& options = {}) {
    recorder_.emplace(dir_ / "vhost.sock", options);
    QemuOptions qemu;
    qemu.qtest = true;
    qemu.args = {"-M",       "q35,memory-backend=ram",
                 "-m",       "128M,slots=4,maxmem=2G",
                 "-object",  "memory-backend-memfd,id=ram,size=128M,share=on",
                 "-chardev", "socket,id=c,path=" + (dir_ / "vhost.sock").string() + chardev};
    qemu.args.insert(qemu.args.end(), device.begin(), device.end());
    qemu_.emplace(std::move(qemu));
    bus_.emplace(qemu_->qtest());
    device_.emplace(*bus_, bus_->At(5));
    ASSERT_EQ(device_->pci().device(), virtio::PciId(type));
  }

  void TearDown() override {
    if (HasFailure() && qemu_) std::cerr << qemu_->Report();
  }

  /// The driver's part: features, the rings of the first `pairs` pairs, the control queue.
  void StartDriver(int pairs, uint64_t features = kNetMq | kNetCtrlVq) {
    device_->Negotiate(features);
    for (uint16_t i = 0; i < 2 * pairs; ++i) device_->SetUpQueue(i, heap_);
    if (features & kNetMq) control_.emplace(device_->SetUpQueue(kControlQueue, heap_, 64));
    device_->SetDriverOk();
  }

  /// VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET (virtio 1.2, section 5.1.6.5.5).
  void EnablePairs(uint16_t pairs) {
    const uint64_t command = heap_.Allocate(2), value = heap_.Allocate(2), ack = heap_.Allocate(1);
    QTest& qtest = qemu_->qtest();
    qtest.WriteB(command, 4);
    qtest.WriteB(command + 1, 0);
    qtest.WriteW(value, pairs);
    qtest.WriteB(ack, 0xff);
    control_->Add({{command, 2, false}, {value, 2, false}, {ack, 1, true}});
    device_->Notify(kControlQueue);
    control_->Wait(Deadline(Milliseconds(5000)));
    ASSERT_EQ(qtest.ReadB(ack), 0);
  }

  void PlugDimm(const std::string& id) {
    qemu_->qmp().Execute("object-add", {{"qom-type", "memory-backend-memfd"},
                                        {"id", "mem-" + id},
                                        {"size", 128 * kMiB},
                                        {"share", true}});
    qemu_->qmp().Execute("device_add",
                         {{"driver", "pc-dimm"}, {"id", id}, {"memdev", "mem-" + id}});
  }

  /// The guest's part of an unplug: ACPI ejects the DIMM in `slot` (docs/specs/acpi_mem_hotplug).
  void UnplugDimm(const std::string& id, uint32_t slot) {
    constexpr uint16_t kAcpiMemoryHotplug = 0x0a00;
    qemu_->qmp().Execute("device_del", {{"id", id}});
    qemu_->qtest().OutL(kAcpiMemoryHotplug, slot);
    qemu_->qtest().OutB(kAcpiMemoryHotplug + 0x14, 1 << 3);
    qemu_->qmp().WaitEvent("DEVICE_DELETED");
  }

  /// Starts a migration to a target that accepts the stream and never reads it, so that it takes
  /// very long. Returns the target's listening socket once the back-end logs writes of four rings.
  UniqueFd StartEndlessMigration() {
    UniqueFd target = ListenUnix(dir_ / "target.sock");
    qemu_->qmp().Execute("migrate-set-parameters", {{"max-bandwidth", 4096}});
    qemu_->qmp().Execute("migrate", {{"uri", "unix:" + (dir_ / "target.sock").string()}});
    const auto logging = [](const Messages& messages) {
      const auto addresses = AddressesIn(messages);
      return addresses.size() == 4 &&
             std::all_of(addresses.begin(), addresses.end(),
                         [](const auto& a) { return a.second.flags == 1; });
    };
    EXPECT_TRUE(recorder_->WaitUntil(logging, Deadline(Milliseconds(10000))));
    return target;
  }

  void ExpectAlive() {
    EXPECT_EQ(qemu_->qmp().Execute("query-status")["status"], "running");
    qemu_->qtest().WriteQ(64 * kMiB, 0x0123456789abcdef);
    EXPECT_EQ(qemu_->qtest().ReadQ(64 * kMiB), 0x0123456789abcdef);
  }

  /// Checks the messages after the first `before`: one new table of `regions` regions, then each of
  /// `rings` once with its previous addresses, all of them within the table's memory, and nothing
  /// else about rings.
  void ExpectRefresh(size_t before, size_t regions, const std::vector<uint32_t>& rings) {
    const Messages all = recorder_->Messages();
    const auto old = AddressesIn({all.begin(), all.begin() + static_cast<ptrdiff_t>(before)});
    const Messages after = recorder_->MessagesAfter(before);
    SCOPED_TRACE(ToString(after));
    ASSERT_EQ(Count(after, Request::kSetMemTable), 1U);
    ASSERT_EQ(after.front().request, Request::kSetMemTable);
    const auto table = after.front().Regions();
    EXPECT_EQ(table.size(), regions);
    EXPECT_EQ(static_cast<size_t>(after.front().descriptors), regions);
    EXPECT_EQ(RingsAddressed(after), rings);
    for (const auto& [ring, a] : AddressesIn(after)) {
      SCOPED_TRACE("ring " + std::to_string(ring));
      ASSERT_TRUE(old.contains(ring));
      EXPECT_TRUE(a == old.at(ring));
      for (uint64_t address : {a.descriptors, a.available, a.used})
        EXPECT_TRUE(std::any_of(table.begin(), table.end(), [&](const VhostUserRegion& region) {
          return region.HoldsUser(address, 4096);
        }));
    }
    EXPECT_EQ(after.size(), 1 + rings.size());
  }
  /// Memory is plugged and the back-end refuses the new table: no ring address may follow.
  void ExpectNoAddressesAfterARefusedTable() {
    recorder_->SetFate([](const VhostUserMessage& m) {
      return m.request == Request::kSetMemTable ? VhostUserFate::kRefuse : VhostUserFate::kServe;
    });
    const size_t before = recorder_->Messages().size();
    PlugDimm("dimm0");
    const Messages after = recorder_->MessagesAfter(before);
    EXPECT_EQ(Count(after, Request::kSetVringAddr), 0U) << ToString(after);
    ExpectAlive();
  }
  /// Then more memory is plugged and the back-end accepts the table: the addresses of `rings`
  /// follow.
  void ExpectAddressesAfterTheNextTable(const std::vector<uint32_t>& rings) {
    recorder_->SetFate(nullptr);
    const size_t refused = recorder_->Messages().size();
    PlugDimm("dimm1");
    ExpectRefresh(refused, 4, rings);
  }

  TempDir dir_{"rings"};
  std::optional<VhostUserRecorder> recorder_;
  std::optional<Qemu> qemu_;
  std::optional<PciBus> bus_;
  std::optional<VirtioPciDevice> device_;
  std::optional<Virtqueue> control_;
  GuestHeap heap_{16 * kMiB, 32 * kMiB};
};

}  // namespace stx
