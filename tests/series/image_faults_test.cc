// SPDX-License-Identifier: GPL-2.0-or-later
// Disk images that are crafted so that QEMU reads past the end of a buffer.
//   Vmdk   vmdk-grain-marker.patch
//   Dmg    dmg-chunk-bounds.patch

#include <gtest/gtest.h>

#include "harness/qemu/machine_test.h"
#include "harness/virtio/virtio_pci.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{10000};

void Little(std::string& bytes, size_t at, uint64_t value, size_t width) {
  if (bytes.size() < at + width) bytes.resize(at + width);
  for (size_t i = 0; i < width; ++i) bytes[at + i] = static_cast<char>(value >> 8 * i);
}
void Big(std::string& bytes, size_t at, uint64_t value, size_t width) {
  if (bytes.size() < at + width) bytes.resize(at + width);
  for (size_t i = 0; i < width; ++i)
    bytes[at + i] = static_cast<char>(value >> 8 * (width - 1 - i));
}

class ImageFaults : public MachineTest {
 protected:
  static constexpr uint8_t kOk = 0, kIoError = 1;

  void Start(const std::string& driver, const std::string& image) {
    WriteFile(dir / "image", image);
    StartMachine({"-blockdev",
                  "driver=" + driver + ",node-name=d,read-only=on,file.driver=file,file.filename=" +
                      (dir / "image").string(),
                  "-device", "virtio-blk-pci,drive=d,addr=5,romfile="});
    device.emplace(*bus, bus->At(5));
    device->Negotiate(0);
    queue = device->SetUpQueue(0, *heap);
    device->SetDriverOk();
  }
  /// Reads a sector into `sector`; returns virtio-blk's status.
  uint8_t Read(uint64_t number) {
    const uint64_t header = heap->Allocate(16), data = heap->Allocate(512),
                   status = heap->Allocate(1);
    qtest().MemSet(header, 16, 0);
    qtest().WriteQ(header + 8, number);
    qtest().WriteB(status, 0xff);
    queue->Add({{header, 16, false}, {data, 512, true}, {status, 1, true}});
    device->Notify(0);
    queue->Wait(Deadline(kTimeout));
    const auto bytes = qtest().MemRead(data, 512);
    sector.assign(bytes.begin(), bytes.end());
    return qtest().ReadB(status);
  }
  /// The message with which blockdev-add refuses the image; "" if it accepts it.
  std::string GetRefusal(const std::string& driver, const std::string& image) {
    WriteFile(dir / "image", image);
    StartMachine({});
    try {
      qmp().Execute("blockdev-add",
                    {{"driver", driver},
                     {"node-name", "d"},
                     {"read-only", true},
                     {"file", {{"driver", "file"}, {"filename", (dir / "image").string()}}}});
    } catch (const QmpError& error) {
      return error.desc();
    }
    return "";
  }

  std::optional<VirtioPciDevice> device;
  std::optional<Virtqueue> queue;
  std::string sector;
};

class Vmdk : public ImageFaults {
 protected:
  static constexpr size_t kGrain = 65536;

  /// A zlib stream (RFC 1950) of a grain full of 'g', in stored blocks.
  static std::string Stream() {
    std::string stream("\x78\x01", 2);
    const auto block = [&](size_t size, bool last) {
      const size_t at = stream.size();
      stream += static_cast<char>(last);
      Little(stream, at + 1, size, 2);
      Little(stream, at + 3, ~size & 0xffff, 2);
      stream.append(size, 'g');
    };
    block(65535, false);
    block(1, true);
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < kGrain; ++i) a = (a + 'g') % 65521, b = (b + a) % 65521;
    Big(stream, stream.size(), b << 16 | a, 4);
    return stream;
  }
  /// A stream-optimized image of one grain, whose marker contains `size`.
  static std::string Image(uint32_t size) {
    std::string image("KDMV");
    Little(image, 4, 3, 4);
    Little(image, 8, 3 << 16 | 1, 4);    // compressed, with markers
    Little(image, 12, kGrain / 512, 8);  // capacity
    Little(image, 20, kGrain / 512, 8);  // granularity
    Little(image, 28, 1, 8);             // descriptor
    Little(image, 36, 1, 8);
    Little(image, 44, 512, 4);  // entries of a grain table
    Little(image, 56, 2, 8);    // grain directory
    Little(image, 64, 128, 8);  // overhead
    image.resize(77);
    image.replace(73, 4, "\n \r\n");
    Little(image, 77, 1, 2);  // deflate
    image.resize(512);
    image +=
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
        "createType=\"streamOptimized\"\n";
    Little(image, 1024, 3, 4);       // grain table
    Little(image, 3 * 512, 128, 4);  // grain
    Little(image, 128 * 512, 0, 8);  // marker
    Little(image, 128 * 512 + 8, size, 4);
    image += Stream();
    image.resize(128 * 512 + 4 * kGrain);
    return image;
  }
};

TEST_F(Vmdk, AGrainThatEndsWithTheBufferIsRead) {
  for (const uint32_t size :
       {static_cast<uint32_t>(Stream().size()), static_cast<uint32_t>(2 * kGrain - 12)}) {
    Start("vmdk", Image(size));
    EXPECT_EQ(Read(127), kOk) << size;
    EXPECT_EQ(sector, std::string(512, 'g'));
  }
}

TEST_F(Vmdk, AGrainThatGoesOnBehindTheBufferIsAnError) {
  for (const uint32_t size : {2 * kGrain - 11, 2 * kGrain}) {
    Start("vmdk", Image(size));
    EXPECT_EQ(Read(0), kIoError) << size;
    ExpectAlive();
  }
}

class Dmg : public ImageFaults {
 protected:
  static constexpr uint32_t kRaw = 1, kZeroes = 2;

  struct Chunk {
    uint32_t type;
    uint64_t sector, sectors, offset, length;
  };
  /// An image of `sectors` sectors, whose data begins with 'r' bytes.
  static std::string Image(uint64_t sectors, const std::vector<Chunk>& chunks) {
    std::string mish("mish");
    mish.resize(244 - 40);
    for (const Chunk& chunk : chunks) {
      const size_t at = mish.size();
      Big(mish, at, chunk.type, 4);
      Big(mish, at + 8, chunk.sector, 8);
      Big(mish, at + 16, chunk.sectors, 8);
      Big(mish, at + 24, chunk.offset, 8);
      Big(mish, at + 32, chunk.length, 8);
    }
    if (chunks.empty()) {  // a resource that is not a table of chunks is skipped
      mish.replace(0, 4, "none");
      mish.resize(244);
    }
    std::string fork;
    Big(fork, 0, 256, 4);
    Big(fork, 8, mish.size() + 4, 4);
    Big(fork, 256, mish.size(), 4);
    fork += mish;
    std::string image(4096, 'r');
    image += fork;
    const size_t koly = image.size();
    image += "koly";
    image.resize(koly + 512);
    Big(image, koly + 0x28, 4096, 8);
    Big(image, koly + 0x30, fork.size(), 8);
    Big(image, koly + 0x1ec, sectors, 8);
    return image;
  }
};

TEST_F(Dmg, ACopiedChunkAndZeroesAreRead) {
  Start("dmg", Image(16, {{kRaw, 0, 4, 0, 3 * 512 + 100}, {kZeroes, 4, 12, 0, 0}}));
  EXPECT_EQ(Read(0), kOk);
  EXPECT_EQ(sector, std::string(512, 'r'));
  EXPECT_EQ(Read(3), kOk);
  EXPECT_EQ(sector, std::string(100, 'r') + std::string(412, '\0'));
  EXPECT_EQ(Read(15), kOk);
  EXPECT_EQ(sector, std::string(512, '\0'));
}

TEST_F(Dmg, ACopiedChunkWhoseDataIsNotThatOfItsSectorsIsRefused) {
  EXPECT_NE(GetRefusal("dmg", Image(131072, {{kRaw, 0, 131072, 0, 512}})), "");
  EXPECT_NE(GetRefusal("dmg", Image(16, {{kRaw, 0, 1, 0, 1024}})), "");
  ExpectAlive();
}

TEST_F(Dmg, ASectorThatNoChunkHasIsAnError) {
  Start("dmg", Image(16, {}));
  EXPECT_EQ(Read(0), kIoError);
  ExpectAlive();
  Start("dmg", Image(32, {{kRaw, 0, 4, 0, 2048}, {kZeroes, 8, 4, 0, 0}}));
  EXPECT_EQ(Read(5), kIoError);
  EXPECT_EQ(Read(31), kIoError);
  EXPECT_EQ(Read(8), kOk);
  ExpectAlive();
}

}  // namespace
}  // namespace stx
