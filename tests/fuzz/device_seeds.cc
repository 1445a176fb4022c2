// SPDX-License-Identifier: GPL-2.0-or-later
// device-seeds FOLDER: writes the first inputs of QEMU's generic fuzzing target, which is driven by
// bytes (tests/qtest/fuzz/generic_fuzz.c of the base): drivers that bring a virtio device up and
// notify it. From nothing, the fuzzer would hardly find a whole sequence of register accesses.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "base/os.h"

namespace stx {
namespace {

/// The target's commands (enum cmds), and the widths of an access.
enum Command : char { kOut = 1, kWrite = 3, kAddDmaPattern = 7 };
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
  /// What the device reads from the guest's memory from now on: `bytes`, again and again. They are
  /// an index and a descriptor at once; each repetition is one more at the first byte.
  void Answer(const std::string& bytes) {
    Add(kAddDmaPattern, std::string("\0\1", 2) + bytes);  // index, stride
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void Add(Command command, const std::string& operands) {
    bytes_ += (bytes_.empty() ? "" : kSeparator) + std::string(1, command) + operands;
  }
  std::string bytes_;
};

/// An available ring with one entry and a descriptor of some bytes, readable or writable.
std::string Memory(uint8_t flags) {
  return Raw(uint64_t{0x100001}) + Raw(uint32_t{64}) + Raw(uint16_t{flags}) + Raw(uint16_t{1});
}

/// Registers of virtio 1.2, section 4.1.4.3 (virtio_pci_common_cfg), in region `common`, with the
/// notifications three regions later, as virtio-pci lays them out; or of legacy (4.1.4.10).
Seed Modern(uint8_t common, uint8_t flags) {
  Seed seed;
  seed.Answer(Memory(flags));
  for (uint8_t status : {0, 1, 3}) seed.Write(kByte, common, 0x14, status);
  seed.Write(kLong, common, 8, 1);  // the upper half of the features: VERSION_1
  seed.Write(kLong, common, 0xc, 1);
  seed.Write(kByte, common, 0x14, 0xb);
  for (uint16_t queue = 0; queue < 3; ++queue) {
    seed.Write(kWord, common, 0x16, queue);
    for (uint32_t ring : {0u, 1u, 2u})
      seed.Write(kLong, common, 0x20 + 8 * ring, 0x100000 + 0x10000 * queue + 0x4000 * ring);
    seed.Write(kWord, common, 0x1c, 1);  // queue_enable
  }
  seed.Write(kByte, common, 0x14, 0xf);
  for (uint32_t queue = 0; queue < 3; ++queue) seed.Write(kWord, common + 3, 4 * queue, queue);
  return seed;
}
Seed Legacy(uint8_t region, uint8_t flags) {
  Seed seed;
  seed.Answer(Memory(flags));
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
  seed.Answer(Memory(flags));
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
    // Which region is which depends on the machine.
    for (uint8_t region = 0; region < 10; ++region)
      for (uint8_t flags : {0, 2}) {  // the device reads, or it writes
        const std::filesystem::path folder = argv[1];
        const std::string name = std::to_string(region) + (flags ? "-writes" : "-reads");
        WriteFile(folder / ("modern-" + name), Modern(region, flags).bytes());
        WriteFile(folder / ("legacy-" + name), Legacy(region, flags).bytes());
        WriteFile(folder / ("mmio-" + name), Mmio(region, flags).bytes());
      }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "device-seeds: %s\n", error.what());
    return 1;
  }
}
