// SPDX-License-Identifier: GPL-2.0-or-later
// Disks as a guest's driver sees them, in sectors of 512 bytes: virtio-blk (virtio 1.2, section
// 5.2) and SCSI disks behind virtio-scsi (section 5.6; SBC-3).
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "harness/virtio/virtio_pci.h"

namespace stx {

/// The device completed a request with an error.
struct DiskError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Disk {
 public:
  static constexpr uint32_t kSector = 512;

  virtual ~Disk() = default;
  /// Read and write whole sectors. They throw DiskError if the device reports an error.
  virtual std::string Read(uint64_t sector, uint32_t bytes) = 0;
  virtual void Write(uint64_t sector, const std::string& bytes) = 0;
  /// Returns once everything that was written is on the medium.
  virtual void Flush() = 0;
  virtual uint64_t Sectors() = 0;
  /// The text of the DiskError for a sector past the end.
  virtual std::string PastTheEnd() const = 0;
};

/// The virtio-blk or vhost-user-blk device in `slot` of the bus.
std::unique_ptr<Disk> OpenVirtioBlk(PciBus& bus, uint8_t slot, GuestHeap& heap);

/// The virtio-scsi device in `slot` of the bus, set up once for all units behind it.
class ScsiController {
 public:
  ScsiController(PciBus& bus, uint8_t slot, GuestHeap& heap);
  std::unique_ptr<Disk> Open(uint8_t target, uint16_t lun);

  /// Sends a command and returns the data that the device sent. Throws DiskError if the response or
  /// the status is not good.
  std::string Command(uint8_t target, uint16_t lun, const std::string& cdb, const std::string& out,
                      uint32_t in);

 private:
  VirtioPciDevice device_;
  Virtqueue requests_;
  uint64_t buffer_;
};

}  // namespace stx
