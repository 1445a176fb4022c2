// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/virtio/disk.h"

#include <cstdio>

namespace stx {
namespace {

constexpr Milliseconds kWait{20000};
constexpr uint32_t kBuffer = 1 << 20;  // the maximum size of a request

class VirtioBlk final : public Disk {
 public:
  VirtioBlk(PciBus& bus, uint8_t slot, GuestHeap& heap)
      : device_(bus, bus.At(slot)),
        agreed_(device_.Negotiate(virtio::Bit(kFlush))),
        queue_(device_.SetUpQueue(0, heap)),
        header_(heap.Allocate(17)),
        buffer_(heap.Allocate(kBuffer)) {
    device_.SetDriverOk();
  }

  std::string Read(uint64_t sector, uint32_t bytes) override {
    Request(kIn, sector, {{buffer_, bytes, true}});
    const auto data = device_.qtest().MemRead(buffer_, bytes);
    return {data.begin(), data.end()};
  }
  void Write(uint64_t sector, const std::string& bytes) override {
    device_.qtest().MemWrite(buffer_, bytes.data(), bytes.size());
    Request(kOut, sector, {{buffer_, static_cast<uint32_t>(bytes.size()), false}});
  }
  std::string PastTheEnd() const override { return "request 0 ends in status 1"; }
  void Flush() override {
    if (!(agreed_ & virtio::Bit(kFlush))) throw std::runtime_error("the disk cannot flush");
    Request(kFlushRequest, 0, {});
  }
  uint64_t Sectors() override { return device_.ConfigQ(0); }

 private:
  static constexpr int kFlush = 9;  // feature bit
  static constexpr uint32_t kIn = 0, kOut = 1, kFlushRequest = 4;

  void Request(uint32_t type, uint64_t sector, std::vector<VirtqueueBuffer> data) {
    device_.qtest().WriteL(header_, type);
    device_.qtest().WriteL(header_ + 4, 0);
    device_.qtest().WriteQ(header_ + 8, sector);
    device_.qtest().WriteB(header_ + 16, 0xff);
    data.insert(data.begin(), {header_, 16, false});
    data.push_back({header_ + 16, 1, true});
    queue_.Add(data);
    device_.Notify(0);
    queue_.Wait(Deadline(kWait));
    if (const int status = device_.qtest().ReadB(header_ + 16))
      throw DiskError("virtio-blk: request " + std::to_string(type) + " ends in status " +
                      std::to_string(status));
  }

  VirtioPciDevice device_;
  uint64_t agreed_;
  Virtqueue queue_;
  uint64_t header_, buffer_;
};

// struct virtio_scsi_req_cmd (lun, id, attributes, and the CDB) and its response.
constexpr uint32_t kRequest = 51, kResponse = 108, kCdb = 32;
constexpr uint64_t kResponseAt = 64, kDataAt = 256;

std::string BigEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i);
  return text;
}

std::string ToHex(unsigned value) {
  char text[8];
  std::snprintf(text, sizeof(text), "%02x", value);
  return text;
}

// Sense keys and additional codes (SPC-4, 4.5.6): unit attention, "power on or reset occurred";
// illegal request, "logical block address out of range".
constexpr const char *kPowerOn = "sense 06/29", *kOutOfRange = "sense 05/21";

class ScsiDisk final : public Disk {
 public:
  ScsiDisk(ScsiController& controller, uint8_t target, uint16_t lun)
      : controller_(controller), target_(target), lun_(lun) {
    // The first command after power-on fails with a unit attention (SPC-4, 6.29).
    try {
      Send(std::string(6, '\0'), "", 0);
    } catch (const DiskError& error) {
      if (std::string(error.what()).find(kPowerOn) == std::string::npos) throw;
      Send(std::string(6, '\0'), "", 0);
    }
  }

  std::string Read(uint64_t sector, uint32_t bytes) override {
    return Send("\x28" + std::string(1, '\0') + BigEndian(sector, 4) + std::string(1, '\0') +
                    BigEndian(bytes / kSector, 2) + std::string(1, '\0'),
                "", bytes);
  }
  void Write(uint64_t sector, const std::string& bytes) override {
    Send("\x2a" + std::string(1, '\0') + BigEndian(sector, 4) + std::string(1, '\0') +
             BigEndian(bytes.size() / kSector, 2) + std::string(1, '\0'),
         bytes, 0);
  }
  std::string PastTheEnd() const override { return kOutOfRange; }
  void Flush() override { Send("\x35" + std::string(9, '\0'), "", 0); }
  uint64_t Sectors() override {
    const std::string last = Send("\x25" + std::string(9, '\0'), "", 8);
    uint64_t value = 0;
    for (int i = 0; i < 4; ++i)
      value = value << 8 | static_cast<uint8_t>(last[static_cast<size_t>(i)]);
    return value + 1;
  }

 private:
  std::string Send(const std::string& cdb, const std::string& out, uint32_t in) {
    return controller_.Command(target_, lun_, cdb, out, in);
  }

  ScsiController& controller_;
  uint8_t target_;
  uint16_t lun_;
};

}  // namespace

std::unique_ptr<Disk> OpenVirtioBlk(PciBus& bus, uint8_t slot, GuestHeap& heap) {
  return std::make_unique<VirtioBlk>(bus, slot, heap);
}

ScsiController::ScsiController(PciBus& bus, uint8_t slot, GuestHeap& heap)
    : device_(bus, bus.At(slot)),
      requests_((device_.Negotiate(0), device_.SetUpQueue(2, heap))),
      buffer_(heap.Allocate(kDataAt + kBuffer, 4096)) {
  device_.SetUpQueue(0, heap);
  device_.SetUpQueue(1, heap);
  device_.SetDriverOk();
}

std::unique_ptr<Disk> ScsiController::Open(uint8_t target, uint16_t lun) {
  return std::make_unique<ScsiDisk>(*this, target, lun);
}

std::string ScsiController::Command(uint8_t target, uint16_t lun, const std::string& cdb,
                                    const std::string& out, uint32_t in) {
  std::string request(kRequest, '\0');
  request[0] = 1;
  request[1] = static_cast<char>(target);
  request[2] = static_cast<char>(0x40 | lun >> 8);
  request[3] = static_cast<char>(lun);
  request.replace(kRequest - kCdb, cdb.size(), cdb);
  device_.qtest().MemWrite(buffer_, request.data(), request.size());
  device_.qtest().MemSet(buffer_ + kResponseAt, kResponse, 0xff);
  std::vector<VirtqueueBuffer> chain{{buffer_, kRequest, false}};
  if (!out.empty()) {
    device_.qtest().MemWrite(buffer_ + kDataAt, out.data(), out.size());
    chain.push_back({buffer_ + kDataAt, static_cast<uint32_t>(out.size()), false});
  }
  chain.push_back({buffer_ + kResponseAt, kResponse, true});
  if (in) chain.push_back({buffer_ + kDataAt, in, true});
  requests_.Add(chain);
  device_.Notify(2);
  requests_.Wait(Deadline(kWait));
  // The status is at 10, the response at 11, the sense data at 12 (fixed format: key at 2,
  // additional code at 12).
  const uint64_t sense = buffer_ + kResponseAt + 12;
  const int status = device_.qtest().ReadB(buffer_ + kResponseAt + 10),
            response = device_.qtest().ReadB(buffer_ + kResponseAt + 11);
  if (status != 0 || response != 0)
    throw DiskError("SCSI: response " + std::to_string(response) + ", status " +
                    std::to_string(status) + ", sense " +
                    ToHex(device_.qtest().ReadB(sense + 2) & 0xf) + "/" +
                    ToHex(device_.qtest().ReadB(sense + 12)));
  const auto data = device_.qtest().MemRead(buffer_ + kDataAt, in);
  return {data.begin(), data.end()};
}

}  // namespace stx
