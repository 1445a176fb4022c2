// SPDX-License-Identifier: GPL-2.0-or-later
// A virtio-scsi (virtio 1.2, section 5.6) whose requests the test makes byte by byte.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/pattern.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

/// `value` in `bytes` bytes, the most significant first, as SCSI has it.
inline std::string BigEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i);
  return text;
}
inline uint64_t FromBigEndian(const std::string& text, size_t at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = at; i < at + bytes; ++i) value = value << 8 | static_cast<uint8_t>(text.at(i));
  return value;
}

class ScsiTest : public MachineTest {
 protected:
  static constexpr Milliseconds kWait{20000};
  static constexpr size_t kSector = 512, kSectors = 2048;
  static constexpr uint16_t kControl = 0, kEvents = 1, kRequests = 2;
  static constexpr int kHotplug = 1, kChange = 2;  // feature bits
  /// Response codes (5.6.6.1).
  enum Response : uint8_t {
    kOk,
    kOverrun,
    kAborted,
    kBadTarget,
    kReset,
    kFailure = 9,
    kFunctionSucceeded,
    kFunctionRejected,
    kIncorrectLun,
  };

  /// Properties of a scsi-hd, and the node's own; its bytes.
  struct Unit {
    std::string device, node = "";
  };
  /// Units u0, u1, ... on nodes d0, d1, ..., of files that have their number in the pattern.
  void Start(const std::vector<Unit>& units, const std::string& controller = "") {
    std::vector<std::string> args{"-device",
                                  "virtio-scsi-pci,id=s,disable-legacy=on,addr=5" + controller};
    for (size_t i = 0; i < units.size(); ++i) {
      const std::string n = std::to_string(i);
      WriteFile(File(i), MakePattern(kSectors * kSector, i));
      args.insert(args.end(), {"-blockdev", Node(i) + units[i].node, "-device",
                               "scsi-hd,id=u" + n + ",drive=d" + n + "," + units[i].device});
    }
    args.insert(args.end(), more.begin(), more.end());
    StartMachine(args);
    device.emplace(*bus, bus->At(5));
  }
  std::filesystem::path File(size_t i) const { return dir / ("disk" + std::to_string(i)); }
  std::string Node(size_t i) const {
    return "driver=file,aio=threads,node-name=d" + std::to_string(i) +
           ",filename=" + File(i).string();
  }
  /// A driver that accepts `features` and takes `count` request queues into use.
  void StartDriver(uint64_t features = 0, uint16_t count = 1) {
    device->Negotiate(features);
    queues.clear();
    for (uint16_t i = 0; i < kRequests + count; ++i) queues.push_back(device->SetUpQueue(i, *heap));
    device->SetDriverOk();
  }
  /// Takes the unit attention of a power-on (SPC-4, 5.15).
  void TakeAttention(const std::string& lun) {
    const Answer answer = Do(lun, std::string(6, '\0'));
    EXPECT_EQ(answer.Sense(), 0x062900u) << "power on, reset or bus device reset occurred";
  }

  /// The two formats of a logical unit's number.
  static std::string Simple(uint8_t target, uint8_t lun) {
    return {'\1', static_cast<char>(target), 0, static_cast<char>(lun), 0, 0, 0, 0};
  }
  static std::string Flat(uint8_t target, uint16_t lun) {
    return {'\1',
            static_cast<char>(target),
            static_cast<char>(0x40 | lun >> 8),
            static_cast<char>(lun),
            0,
            0,
            0,
            0};
  }

  struct Posted {
    uint64_t response, data;
    uint32_t in, room;  // for data, for response and sense
    uint16_t head;
  };
  struct Answer {
    uint32_t sense_length, residual, written;
    uint8_t status, response;
    std::string sense, data;
    /// Key, code and qualifier, as 0xKKCCQQ; 0 without sense data. Fixed format.
    uint32_t Sense() const {
      if (sense_length < 14) return 0;
      return static_cast<uint32_t>((sense[2] & 0xf) << 16 | static_cast<uint8_t>(sense[12]) << 8 |
                                   static_cast<uint8_t>(sense[13]));
    }
  };
  Posted Post(const std::string& lun, const std::string& cdb, const std::string& out = "",
              uint32_t in = 0, uint16_t queue = kRequests, uint64_t tag = 1,
              uint32_t sense_size = 96) {
    std::string request = lun;
    request.append(reinterpret_cast<const char*>(&tag), 8);
    request += std::string(3, '\0') + cdb;
    request.resize(51);
    const uint64_t at = heap->Allocate(request.size() + out.size());
    Posted posted{heap->Allocate(12 + sense_size), heap->Allocate(in + 1), in, 12 + sense_size, 0};
    qtest().MemWrite(at, request.data(), request.size());
    std::vector<VirtqueueBuffer> chain{{at, 51, false}};
    if (!out.empty()) {
      qtest().MemWrite(at + 51, out.data(), out.size());
      chain.push_back({at + 51, static_cast<uint32_t>(out.size()), false});
    }
    qtest().MemSet(posted.response, posted.room, 0xee);
    chain.push_back({posted.response, posted.room, true});
    if (in) {
      qtest().MemSet(posted.data, in, 0xaa);
      chain.push_back({posted.data, in, true});
    }
    posted.head = queues[queue].Add(chain);
    return posted;
  }
  Answer Read(const Posted& posted, uint32_t written) {
    const auto sense = qtest().MemRead(posted.response + 12, posted.room - 12);
    const auto data = qtest().MemRead(posted.data, posted.in);
    return {qtest().ReadL(posted.response),
            qtest().ReadL(posted.response + 4),
            written,
            qtest().ReadB(posted.response + 10),
            qtest().ReadB(posted.response + 11),
            {sense.begin(), sense.end()},
            {data.begin(), data.end()}};
  }
  Answer Finish(const Posted& posted, uint16_t queue = kRequests) {
    const DriverQueue::Used used = queues[queue].Wait(Deadline(kWait));
    EXPECT_EQ(used.head, posted.head);
    return Read(posted, used.written);
  }
  Answer Do(const std::string& lun, const std::string& cdb, const std::string& out = "",
            uint32_t in = 0, uint16_t queue = kRequests) {
    const Posted posted = Post(lun, cdb, out, in, queue);
    device->Notify(queue);
    return Finish(posted, queue);
  }
  /// The data of a command that succeeds.
  std::string Data(const std::string& lun, const std::string& cdb, uint32_t in) {
    const Answer answer = Do(lun, cdb, "", in);
    EXPECT_EQ(answer.response, kOk);
    EXPECT_EQ(answer.status, 0) << std::hex << answer.Sense();
    return answer.data.substr(0, in - answer.residual);
  }

  // Command descriptor blocks (SBC-3, SPC-4).
  static std::string Cdb(std::initializer_list<int> bytes) {
    std::string cdb;
    for (int byte : bytes) cdb += static_cast<char>(byte);
    return cdb;
  }
  static std::string Read10(uint32_t lba, uint16_t count, int flags = 0) {
    return Cdb({0x28, flags}) + BigEndian(lba, 4) + '\0' + BigEndian(count, 2) + '\0';
  }
  static std::string Write10(uint32_t lba, uint16_t count, int flags = 0) {
    return Cdb({0x2a, flags}) + BigEndian(lba, 4) + '\0' + BigEndian(count, 2) + '\0';
  }
  static std::string Inquiry(int page, uint16_t room, bool vital = true) {
    return Cdb({0x12, vital, page}) + BigEndian(room, 2) + '\0';
  }

  std::vector<std::string> more;  ///< options of the next machine
  std::optional<VirtioPciDevice> device;
  std::vector<Virtqueue> queues;
};

}  // namespace stx
