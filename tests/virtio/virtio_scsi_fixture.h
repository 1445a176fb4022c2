// SPDX-License-Identifier: GPL-2.0-or-later
// A driver of virtio-scsi with its own sizes, and the control and event queues (virtio 1.2,
// sections 5.6.4, 5.6.6.2 and 5.6.6.3).
#pragma once

#include <cstdint>
#include <string>

#include "virtio/scsi_fixture.h"

namespace stx {

class VirtioScsi : public ScsiTest {
 protected:
  /// A driver that wants `size` bytes of sense data, and reads cdb_size.
  void StartDriverWithSenseSize(uint32_t size) {
    device->Negotiate(0);
    EXPECT_EQ(device->ConfigL(24), 32u);
    qtest().WriteL(device->device_config() + 20, size);
    queues.clear();
    for (uint16_t i = 0; i < 3; ++i) queues.push_back(device->SetUpQueue(i, *heap));
    device->SetDriverOk();
  }
  /// Sends a request to the control queue; `response` bytes come.
  std::string Control(const std::string& request, uint32_t response) {
    const uint64_t out = heap->Allocate(request.size()), in = heap->Allocate(response);
    qtest().MemWrite(out, request.data(), request.size());
    qtest().MemSet(in, response, 0xee);
    queues[kControl].Add(
        {{out, static_cast<uint32_t>(request.size()), false}, {in, response, true}});
    device->Notify(kControl);
    EXPECT_EQ(queues[kControl].Wait(Deadline(kWait)).written, response);
    const auto bytes = qtest().MemRead(in, response);
    return {bytes.begin(), bytes.end()};
  }
  static std::string Long(uint32_t value) { return {reinterpret_cast<char*>(&value), 4}; }
  /// Task management (5.6.6.2); returns the response.
  int Manage(uint32_t subtype, const std::string& lun, uint64_t tag = 0) {
    return Control(
        Long(0) + Long(subtype) + lun + std::string(reinterpret_cast<const char*>(&tag), 8), 1)[0];
  }
  enum Task : uint32_t {
    kAbortTask,
    kAbortTaskSet,
    kClearAca,
    kClearTaskSet,
    kNexusReset,
    kUnitReset,
    kQueryTask,
    kQueryTaskSet,
  };

  struct Event {
    uint32_t event;
    std::string lun;
    uint32_t reason;
    bool operator==(const Event&) const = default;
  };
  void OfferEvent() {
    event_ = heap->Allocate(16);
    qtest().MemSet(event_, 16, 0xee);
    queues[kEvents].Add({{event_, 16, true}});
    device->Notify(kEvents);
  }
  Event WaitEvent() {
    EXPECT_EQ(queues[kEvents].Wait(Deadline(kWait)).written, 16u);
    const auto lun = qtest().MemRead(event_ + 4, 8);
    return {qtest().ReadL(event_), {lun.begin(), lun.end()}, qtest().ReadL(event_ + 12)};
  }
  void Plug(const std::string& id, int target, int lun) {
    WriteFile(dir / id, MakePattern(kSectors * kSector, 9));
    qmp().Execute("blockdev-add",
                  {{"driver", "file"}, {"node-name", "n" + id}, {"filename", (dir / id).string()}});
    qmp().Execute("device_add", {{"driver", "scsi-hd"},
                                 {"id", id},
                                 {"bus", "s.0"},
                                 {"drive", "n" + id},
                                 {"scsi-id", target},
                                 {"lun", lun}});
  }
  uint64_t event_ = 0;
};

}  // namespace stx
