// SPDX-License-Identifier: GPL-2.0-or-later
// device-seeds FOLDER: writes the first inputs of QEMU's generic fuzzing target, which is driven by
// bytes (tests/qtest/fuzz/generic_fuzz.c of the base): drivers that bring a virtio device up and
// make whole requests. From nothing, the fuzzer would hardly find a whole sequence of register
// accesses.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/os.h"
#include "harness/virtio/nine_p.h"

namespace stx {
namespace {

/// The target's commands (enum cmds), and the widths of an access.
enum Command : char { kOut = 1, kWrite = 3, kAddDmaPattern = 7, kClearDmaPatterns = 8 };
enum Width : uint8_t { kByte, kWord, kLong };
constexpr char kSeparator[] = "FUZZ";

template <typename T>
std::string Raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

class Seed {
 public:
  /// One write to offset `offset` of the region number `region` of the machine's ports, or of its
  /// memory.
  void Out(Width width, uint8_t region, uint16_t offset, uint32_t value) {
    Add(kOut, Raw(width) + Raw(region) + Raw(offset) + Raw(value));
  }
  void Write(Width width, uint8_t region, uint32_t offset, uint64_t value) {
    Add(kWrite, Raw(width) + Raw(region) + std::string(2, '\0') + Raw(offset) + Raw(value));
  }
  /// What the device reads from the guest's memory from now on, at each read: `bytes`, again and
  /// again, and the first byte `stride` more each time. With several answers they take turns.
  void Answer(const std::string& bytes, uint8_t stride = 0) {
    Add(kAddDmaPattern, Raw(uint8_t{0}) + Raw(stride) + bytes);
  }
  /// Answer() begins anew.
  void Forget() { Add(kClearDmaPatterns, ""); }
  const std::string& bytes() const { return bytes_; }

 private:
  void Add(Command command, const std::string& operands) {
    bytes_ += (bytes_.empty() ? "" : kSeparator) + std::string(1, command) + operands;
  }
  std::string bytes_;
};

/// An index of the available ring and a descriptor at once: a buffer of some bytes, read or
/// written.
std::string Memory(uint16_t flags) {
  return Raw(uint64_t{0x100001}) + Raw(uint32_t{64}) + Raw(flags) + Raw(uint16_t{1});
}

/// One buffer of a request.
struct Part {
  std::string bytes;  ///< what the device reads there
  uint32_t length;
  bool writable = false;
};
Part Reads(const std::string& bytes) { return {bytes, static_cast<uint32_t>(bytes.size()), false}; }
Part Writes(uint32_t length) { return {std::string(1, '\0'), length, true}; }

/// A request and the queue that it goes to.
struct Request {
  uint8_t queue;
  std::vector<Part> parts;
  bool quiet = false;  ///< the device switches the queue's notifications off first
};

enum Flags : uint16_t { kNext = 1, kWritable = 2, kAvailable = 1 << 7 };

/// A driver of virtio 1.2. The target fills what the device reads just before it reads it: each of
/// its reads takes the next pattern. So a request is the list of what the device reads, in its
/// order.
class Driver {
 public:
  /// Registers of section 4.1.4.3 (virtio_pci_common_cfg) in region `common`, with the
  /// notifications three regions later, as virtio-pci lays them out.
  Driver(uint8_t common, bool packed) : common_(common), packed_(packed) {
    for (uint8_t status : {0, 1, 3}) seed_.Write(kByte, common, 0x14, status);
    seed_.Write(kLong, common, 8, 0);
    seed_.Write(kLong, common, 0xc, ~kEventIndex);  // what is not offered is not taken
    seed_.Write(kLong, common, 8, 1);
    seed_.Write(kLong, common, 0xc, packed ? kVersion1 | kRingPacked : kVersion1);
    seed_.Write(kByte, common, 0x14, 0xb);
    for (uint16_t queue = 0; queue < kQueues; ++queue) {
      seed_.Write(kWord, common, 0x16, queue);
      for (uint32_t ring : {0u, 1u, 2u})
        seed_.Write(kLong, common, 0x20 + 8 * ring, kRings + 0x10000 * queue + 0x4000 * ring);
      seed_.Write(kWord, common, 0x1c, 1);  // queue_enable
    }
    seed_.Write(kByte, common, 0x14, 0xf);
  }

  void Send(const Request& request) {
    const uint8_t queue = request.queue;
    seed_.Forget();
    // The device reads its flags, and in a packed ring their offset, before it writes them.
    if (request.quiet)
      for (int i = 0; i < (packed_ ? 2 : 1); ++i) seed_.Answer(Raw(uint16_t{0}));
    if (packed_) {
      SendPacked(request);
    } else {
      seed_.Answer(Raw(++sent_[queue]));  // avail.idx
      seed_.Answer(Raw(uint16_t{0}));     // avail.ring: the head
      for (size_t i = 0; i < request.parts.size(); ++i) {
        seed_.Answer(Address(i) + Raw(request.parts[i].length) + Raw(FlagsOf(request, i)) +
                     Raw(static_cast<uint16_t>(i + 1)));
        seed_.Answer(request.parts[i].bytes);
      }
    }
    seed_.Write(kWord, common_ + 3, 4u * queue, queue);
  }
  const std::string& bytes() const { return seed_.bytes(); }

 private:
  static constexpr uint32_t kEventIndex = 1u << 29, kVersion1 = 1, kRingPacked = 4;
  static constexpr uint16_t kQueues = 4;
  static constexpr uint32_t kRings = 0x100000, kBuffers = 0x200000;

  static std::string Address(size_t part) { return Raw(uint64_t{kBuffers + 0x10000 * part}); }
  static uint16_t FlagsOf(const Request& request, size_t part) {
    return (part + 1 < request.parts.size() ? kNext : 0) |
           (request.parts[part].writable ? kWritable : 0);
  }
  /// The first descriptor's flags are read before the rest of it (section 2.8.6).
  void SendPacked(const Request& request) {
    for (size_t i = 0; i < request.parts.size(); ++i) {
      const std::string flags = Raw(static_cast<uint16_t>(FlagsOf(request, i) | kAvailable));
      const std::string rest = Address(i) + Raw(request.parts[i].length) + Raw(uint16_t{0});
      if (i == 0) {
        seed_.Answer(flags);
        seed_.Answer(rest);
      } else {
        seed_.Answer(rest + flags);
      }
      seed_.Answer(request.parts[i].bytes);
    }
  }

  Seed seed_;
  uint8_t common_;
  bool packed_;
  uint16_t sent_[kQueues] = {};
};

/// Section 5.2.6.
Request Blk(uint32_t type, uint64_t sector, const Part& data) {
  return {0, {Reads(Raw(type) + Raw(uint32_t{0}) + Raw(sector)), data, Writes(1)}, true};
}
/// Section 5.6.6.1: LUN 0 of target 0.
Request Scsi(const std::string& cdb, const std::string& out, uint32_t in) {
  const std::string lun("\1\0\x40\0\0\0\0\0", 8);
  Request request{2, {Reads(lun + std::string(11, '\0') + cdb + std::string(32 - cdb.size(), 0))}};
  if (!out.empty()) request.parts.push_back(Reads(out));
  request.parts.push_back(Writes(108));
  if (in) request.parts.push_back(Writes(in));
  request.quiet = true;
  return request;
}
/// Section 5.6.6.2, a task management function.
Request ScsiControl(uint32_t function) {
  const std::string lun("\1\0\x40\0\0\0\0\0", 8);
  return {0, {Reads(Raw(uint32_t{0}) + Raw(function) + lun + Raw(uint64_t{1})), Writes(1)}};
}
/// Section 5.1.6.5.
Request NetControl(uint8_t kind, uint8_t command, const std::string& data) {
  Request request{2, {Reads({static_cast<char>(kind), static_cast<char>(command)})}};
  if (!data.empty()) request.parts.push_back(Reads(data));
  request.parts.push_back(Writes(1));
  return request;
}
/// Section 5.3.6.2.
Request SerialControl(uint32_t port, uint16_t event, uint16_t value) {
  return {3, {Reads(Raw(port) + Raw(event) + Raw(value))}};
}
/// 9P2000.L: a message of a type of nine_p, and room for its reply.
Request NineP(uint8_t type, const std::string& body) {
  const auto size = static_cast<uint32_t>(7 + body.size());
  return {0, {Reads(Raw(size) + Raw(type) + Raw(uint16_t{1}) + body), Writes(4096)}};
}
/// Section 5.15.6.
Request Mem(uint16_t type, uint64_t address, uint16_t blocks) {
  return {
      0,
      {Reads(Raw(type) + std::string(6, '\0') + Raw(address) + Raw(blocks) + std::string(6, '\0')),
       Writes(10)}};
}

/// A file that is made, written and read; a folder that is made and read; a file that is renamed
/// and removed.
std::vector<Request> NinePSession() {
  using namespace nine_p;
  const std::string root = Long(1), file = Long(2), folder = Long(3), none = Long(~0U);
  return {NineP(kVersion, Long(8192) + Text("9P2000.L")),
          NineP(kAttach, root + none + Text("u") + Text("") + Long(0)),
          NineP(kWalk, root + file + Word(0)),
          NineP(kLcreate, file + Text("f") + Long(2) + Long(0644) + Long(0)),
          NineP(nine_p::kWrite, file + Quad(0) + Long(4) + "data"),
          NineP(kRead, file + Quad(0) + Long(64)),
          NineP(kGetattr, file + Quad(0x3fff)),
          NineP(kWalk, root + folder + Word(0)),
          NineP(kLopen, folder + Long(0)),
          NineP(kReaddir, folder + Quad(0) + Long(512)),
          NineP(kStatfs, root),
          NineP(kMkdir, root + Text("d") + Long(0755) + Long(0)),
          NineP(kRenameat, root + Text("f") + root + Text("g")),
          NineP(kUnlinkat, root + Text("g") + Long(0)),
          NineP(kClunk, file)};
}

/// What a driver asks of each device, in an order in which it makes sense.
std::map<std::string, std::vector<Request>> Conversations() {
  const std::string zero8(8, '\0'), frame(14 + 46, '\xff'), header(12, '\0');
  std::map<std::string, std::vector<Request>> all;
  all["blk"] = {Blk(1, 0, Reads(std::string(512, 'a'))),
                Blk(0, 0, Writes(512)),
                Blk(4, 0, Writes(1)),
                Blk(8, 0, Writes(20)),
                Blk(11, 0, Reads(zero8 + Raw(uint32_t{8}) + Raw(uint32_t{0}))),
                Blk(13, 0, Reads(zero8 + Raw(uint32_t{8}) + Raw(uint32_t{1}))),
                Blk(2, 0, Writes(96))};
  all["scsi"] = {Scsi({"\0\0\0\0\0\0", 6}, "", 0),                                // TEST UNIT READY
                 Scsi({"\x12\0\0\0\xff\0", 6}, "", 255),                          // INQUIRY
                 Scsi({"\x12\1\x83\0\xff\0", 6}, "", 255),                        // its page 0x83
                 Scsi({"\xa0\0\0\0\0\0\0\0\0\xff\0\0", 12}, "", 255),             // REPORT LUNS
                 Scsi({"\x25\0\0\0\0\0\0\0\0\0", 10}, "", 8),                     // READ CAPACITY
                 Scsi({"\x2a\0\0\0\0\0\0\0\1\0", 10}, std::string(512, 'b'), 0),  // WRITE (10)
                 Scsi({"\x28\0\0\0\0\0\0\0\1\0", 10}, "", 512),                   // READ (10)
                 Scsi({"\x5a\0\x3f\0\0\0\0\0\xff\0", 10}, "", 255),               // MODE SENSE (10)
                 Scsi({"\x55\x10\0\0\0\0\0\0\x14\0", 10},
                      zero8 + std::string("\x08\x0a", 2) + std::string(10, '\0'), 0),
                 Scsi({"\x41\0\0\0\0\0\0\0\1\0", 10}, std::string(512, '\0'), 0),  // WRITE SAME
                 Scsi({"\x42\0\0\0\0\0\0\0\x18\0", 10},
                      std::string("\0\x16\0\x10", 4) + std::string(12, '\0') +
                          std::string("\0\0\0\1", 4) + std::string(4, '\0'),
                      0),
                 Scsi({"\x35\0\0\0\0\0\0\0\0\0", 10}, "", 0),  // SYNCHRONIZE CACHE
                 ScsiControl(0),
                 ScsiControl(2),
                 ScsiControl(5),
                 ScsiControl(6)};
  all["net"] = {{0, {Writes(1526)}},
                {1, {Reads(header), Reads(frame)}, true},
                NetControl(0, 0, "\1"),
                NetControl(1, 0, Raw(uint32_t{1}) + "abcdef" + Raw(uint32_t{0})),
                NetControl(1, 1, "abcdef"),
                NetControl(2, 0, Raw(uint16_t{5})),
                NetControl(2, 1, Raw(uint16_t{5})),
                NetControl(3, 0, {}),
                NetControl(4, 0, Raw(uint16_t{1})),
                NetControl(5, 0, Raw(uint64_t{1}))};
  all["serial"] = {{2, {Writes(64)}},      SerialControl(0, 0, 1), SerialControl(0, 3, 1),
                   SerialControl(1, 3, 1), SerialControl(0, 6, 1), {1, {Reads("hello")}},
                   {0, {Writes(16)}},      SerialControl(0, 6, 0)};
  all["rng"] = {{0, {Writes(64)}}, {0, {Writes(16), Writes(4096)}}};
  all["9p"] = NinePSession();
  all["mem"] = {Mem(0, uint64_t{0x140000000}, 1), Mem(3, uint64_t{0x140000000}, 1),
                Mem(1, uint64_t{0x140000000}, 1), Mem(2, 0, 0)};
  return all;
}

/// Section 4.1.4.10, with one buffer in each queue.
Seed Legacy(uint8_t region, uint8_t flags) {
  Seed seed;
  seed.Answer(Memory(flags), 1);
  for (uint8_t status : {0, 1, 3}) seed.Out(kByte, region, 18, status);
  for (uint16_t queue = 0; queue < 3; ++queue) {
    seed.Out(kWord, region, 14, queue);
    seed.Out(kLong, region, 8, 0x100 + 0x10 * queue);  // in pages
  }
  seed.Out(kByte, region, 18, 7);
  for (uint16_t queue = 0; queue < 3; ++queue) seed.Out(kWord, region, 16, queue);
  return seed;
}
/// Registers of section 4.2.2.
Seed Mmio(uint8_t region, uint8_t flags) {
  Seed seed;
  seed.Answer(Memory(flags), 1);
  for (uint32_t status : {0, 1, 3}) seed.Write(kLong, region, 0x70, status);
  seed.Write(kLong, region, 0x24, 1);
  seed.Write(kLong, region, 0x20, 1);
  seed.Write(kLong, region, 0x70, 0xb);
  seed.Write(kLong, region, 0x28, 4096);  // legacy: the guest's page size
  seed.Write(kLong, region, 0x30, 0);
  seed.Write(kLong, region, 0x38, 64);
  for (uint32_t offset : {0x80, 0x90, 0xa0})
    seed.Write(kLong, region, offset, 0x100000 + 0x100 * offset);
  seed.Write(kLong, region, 0x40, 0x100);
  seed.Write(kLong, region, 0x44, 1);
  seed.Write(kLong, region, 0x70, 0xf);
  seed.Write(kLong, region, 0x50, 0);
  return seed;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  using namespace stx;
  if (argc != 2) {
    std::fputs("usage: device-seeds FOLDER\n", stderr);
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[1];
    const auto conversations = Conversations();
    // Which region is which depends on the machine.
    for (uint8_t region = 0; region < 10; ++region) {
      for (uint16_t flags : {0, 2}) {  // the device reads, or it writes
        const std::string name = std::to_string(region) + (flags ? "-writes" : "-reads");
        WriteFile(folder / ("legacy-" + name), Legacy(region, flags).bytes());
        WriteFile(folder / ("mmio-" + name), Mmio(region, flags).bytes());
      }
      for (const auto& [device, requests] : conversations)
        for (bool packed : {false, true}) {
          Driver driver(region, packed);
          for (const Request& request : requests) driver.Send(request);
          WriteFile(folder / (device + (packed ? "-packed-" : "-split-") + std::to_string(region)),
                    driver.bytes());
        }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "device-seeds: %s\n", error.what());
    return 1;
  }
}
