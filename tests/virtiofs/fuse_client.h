// SPDX-License-Identifier: GPL-2.0-or-later
// A FUSE client in the test (include/uapi/linux/fuse.h; virtio 1.2, section 5.11): file operations
// through the queues of a virtio-fs device.
//   FuseClient fs(device, heap);
//   fs.Init();
//   fuse_entry_out entry = fs.Lookup(FUSE_ROOT_ID, "name");
#pragma once

#include <linux/fuse.h>

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/qemu/guest_heap.h"
#include "harness/virtio/virtio_device.h"

namespace stx {

/// The daemon answered with an error.
class FuseError : public std::runtime_error {
 public:
  FuseError(uint32_t opcode, int error);
  int error() const { return error_; }  ///< a positive errno

 private:
  int error_;
};

struct FuseReply {
  int error;  ///< 0, or a positive errno
  std::string bytes;
};

/// The bytes of a plain structure, for a request.
template <typename T>
std::string FuseBytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

class FuseClient {
 public:
  static constexpr uint16_t kDeviceType = 26;
  static constexpr Milliseconds kWait{10000};

  /// Resets and starts the device with queues on `heap`. Requests take 64 MiB of it.
  FuseClient(VirtioDevice& device, GuestHeap& heap, uint16_t queue_size = 0);

  /// Puts a request on the ring without a kick, with `room` bytes for what follows the header of
  /// the reply. `data` is a separate part, as Linux sends it. Returns the number of the request.
  uint64_t Post(uint32_t opcode, uint64_t node, const std::string& arguments, size_t room,
                const std::string& data = {});
  void Kick();
  /// Waits for that request; other replies are kept. Throws if it does not arrive, or if the header
  /// of the reply does not match the request.
  FuseReply Collect(uint64_t unique, Milliseconds timeout = kWait);
  size_t in_flight() const { return in_flight_.size(); }
  Virtqueue& requests() { return requests_; }

  /// Post, Kick and Collect; throws FuseError.
  std::string Call(uint32_t opcode, uint64_t node, const std::string& arguments, size_t room,
                   const std::string& data = {});

  /// Negotiates FUSE 7.31 with `flags`; returns the daemon's answer.
  fuse_init_out Init(uint32_t flags = FUSE_DO_READDIRPLUS | FUSE_BIG_WRITES | FUSE_MAX_PAGES);
  void Destroy() { Call(FUSE_DESTROY, 0, "", 0); }

  fuse_entry_out Lookup(uint64_t parent, const std::string& name);
  void Forget(uint64_t node, uint64_t lookups);
  fuse_attr Getattr(uint64_t node);
  fuse_attr Truncate(uint64_t node, uint64_t size);
  fuse_entry_out Mkdir(uint64_t parent, const std::string& name);
  fuse_entry_out Symlink(uint64_t parent, const std::string& name, const std::string& target);
  std::string Readlink(uint64_t node);
  fuse_entry_out Link(uint64_t node, uint64_t parent, const std::string& name);
  void Unlink(uint64_t parent, const std::string& name);
  void Rmdir(uint64_t parent, const std::string& name);
  /// `flags` are those of renameat2(2).
  void Rename(uint64_t parent, const std::string& name, uint64_t new_parent,
              const std::string& new_name, uint32_t flags = 0);
  fuse_kstatfs Statfs();

  struct File {
    uint64_t node, handle;
  };
  File Create(uint64_t parent, const std::string& name);
  /// `flags` are those of open(2).
  File Open(uint64_t node, uint32_t flags);
  std::string Read(const File& file, uint64_t offset, uint32_t size);
  /// Returns the number of bytes written.
  uint32_t Write(const File& file, uint64_t offset, const std::string& bytes);
  void Flush(const File& file);
  void Fsync(const File& file);
  void Release(const File& file);

  /// Every name in a folder with its attributes, by FUSE_READDIRPLUS, without "." and "..".
  std::map<std::string, fuse_attr> ReadFolder(uint64_t node);

  void SetXattr(uint64_t node, const std::string& name, const std::string& value);
  std::string GetXattr(uint64_t node, const std::string& name);
  std::vector<std::string> ListXattr(uint64_t node);
  void RemoveXattr(uint64_t node, const std::string& name);

 private:
  static constexpr uint64_t kArena = 64 << 20;
  struct Request {
    uint64_t unique;
    uint32_t opcode;
    uint64_t reply;
  };

  void Take(const DriverQueue::Used& used);

  VirtioDevice& device_;
  const uint64_t agreed_;  // declared before the queues
  Virtqueue priority_, requests_;
  const uint64_t arena_;
  uint64_t next_byte_, next_unique_ = 1;
  std::map<uint16_t, Request> in_flight_;  // by head
  std::map<uint64_t, FuseReply> done_;
};

}  // namespace stx
