// SPDX-License-Identifier: GPL-2.0-or-later
// A 9P client on virtio-9p. It speaks 9P2000.L and 9P2000.u, one call at a time or several requests
// at once (message layout: Linux's net/9p and the diod protocol description).
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "harness/qemu/guest_heap.h"
#include "harness/qemu/pci.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {

namespace nine_p {

/// Request types. The type of a reply is the request's plus one.
enum Type : uint8_t {
  kLerror = 6,
  kStatfs = 8,
  kLopen = 12,
  kLcreate = 14,
  kSymlink = 16,
  kMknod = 18,
  kRename = 20,
  kReadlink = 22,
  kGetattr = 24,
  kSetattr = 26,
  kXattrwalk = 30,
  kXattrcreate = 32,
  kReaddir = 40,
  kFsync = 50,
  kLock = 52,
  kGetlock = 54,
  kLink = 70,
  kMkdir = 72,
  kRenameat = 74,
  kUnlinkat = 76,
  kVersion = 100,
  kAttach = 104,
  kError = 106,
  kFlush = 108,
  kWalk = 110,
  kOpen = 112,
  kCreate = 114,
  kRead = 116,
  kWrite = 118,
  kClunk = 120,
  kRemove = 122,
  kStat = 124,
  kWstat = 126,
};

/// A number as messages contain it: little-endian, with the width of its type.
template <typename T>
std::string Number(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
inline std::string Byte(uint8_t value) { return Number(value); }
inline std::string Word(uint16_t value) { return Number(value); }
inline std::string Long(uint32_t value) { return Number(value); }
inline std::string Quad(uint64_t value) { return Number(value); }
/// A string, preceded by its length.
inline std::string Text(const std::string& text) {
  return Word(static_cast<uint16_t>(text.size())) + text;
}

/// What Tsetattr sets.
enum Valid : uint32_t {
  kSetMode = 1,
  kSetUid = 2,
  kSetGid = 4,
  kSetSize = 8,
  kSetAtime = 0x10,  ///< to now, without kAtimeGiven
  kSetMtime = 0x20,
  kAtimeGiven = 0x80,
  kMtimeGiven = 0x100,
};
struct Values {
  uint32_t mode = 0, uid = 0, gid = 0;
  uint64_t size = 0, atime = 0, atime_ns = 0, mtime = 0, mtime_ns = 0;
};
/// The body of Tsetattr.
std::string Setattr(uint32_t fid, uint32_t valid, const Values& values);

inline constexpr size_t kQidSize = 13;
inline constexpr uint64_t kAllAttributes = 0x7ff;  ///< the mask of Tgetattr

/// Rgetattr for kAllAttributes.
struct Attributes {
  std::string qid;
  uint32_t mode = 0, uid = 0, gid = 0;
  uint64_t links = 0, rdev = 0, size = 0;
  uint64_t atime = 0, atime_ns = 0, mtime = 0, mtime_ns = 0;
};
Attributes ParseAttributes(const std::string& body);

/// An entry of Rreaddir; `next` is the offset at which the folder goes on.
struct Entry {
  std::string name, qid;
  uint64_t next = 0;
};
std::vector<Entry> ParseEntries(const std::string& body);

}  // namespace nine_p

class NineP {
 public:
  struct Options {
    std::string version = "9P2000.L";
    uint32_t msize = 64 << 10;
  };
  struct Reply {
    uint16_t tag = 0;
    uint8_t type = 0;    ///< 0 if the request was returned without a reply
    std::string body;    ///< without the header
    uint32_t error = 0;  ///< the errno of an error reply; 0 if it is not an error
  };

  /// Resets the device, negotiates the version, and attaches fid 0 to the root of the share. Throws
  /// if that fails.
  NineP(PciBus& bus, uint8_t slot, GuestHeap& heap, const Options& options);
  NineP(PciBus& bus, uint8_t slot, GuestHeap& heap) : NineP(bus, slot, heap, Options{}) {}

  std::string MountTag();

  // Each of these throws for an error reply.
  /// Makes `fid` refer to a path below the folder of `from`.
  void Walk(uint32_t fid, const std::vector<std::string>& names, uint32_t from = 0);
  /// Tlopen; `flags` are those of open(2) on Linux.
  void Open(uint32_t fid, uint32_t flags);
  /// Creates a file in the folder of `fid`, and opens it as `fid`.
  void Create(uint32_t fid, const std::string& name, uint32_t flags, uint32_t mode);
  std::string Read(uint32_t fid, uint64_t offset, uint32_t count);
  uint32_t Write(uint32_t fid, uint64_t offset, const std::string& bytes);
  void Clunk(uint32_t fid);
  /// The errno of the last error reply to one of these calls.
  uint32_t error() const { return error_; }

  /// Sends one message and returns its reply, which may be an error reply.
  Reply Try(uint8_t type, const std::string& body);

  /// Makes a request available without notifying the device. `tag` is between 1 and kTags and not
  /// in flight. `room` is the size of the reply buffer, at most msize.
  void Add(uint16_t tag, uint8_t type, const std::string& body, uint32_t room);
  void Add(uint16_t tag, uint8_t type, const std::string& body) { Add(tag, type, body, msize_); }
  void Notify() { device_.Notify(0); }
  /// The next reply, in the device's order. Throws if none arrives within kWait.
  Reply Next();

  VirtioPciDevice& device() { return device_; }
  static constexpr uint16_t kTags = 4;
  static constexpr Milliseconds kWait{20000};

 private:
  /// Sends one message and returns the body of its reply; throws for an error reply.
  std::string Call(uint8_t type, const std::string& body);

  VirtioPciDevice device_;
  Virtqueue queue_;
  uint32_t msize_;
  bool dotl_;
  std::vector<uint64_t> out_, in_;          // by tag - 1
  std::map<uint16_t, uint16_t> in_flight_;  // tags by head
  uint32_t error_ = 0;
};

}  // namespace stx
