// SPDX-License-Identifier: GPL-2.0-or-later
// QXL. The test is the driver (spice/qxl_dev.h).
//   QxlCursorChunks  qxl-cursor-chunks.patch: a cursor whose data is declared longer than it is
//   QxlUnplug        qxl-unplug.patch: what a secondary device leaves behind

#include <gtest/gtest.h>
#include <spice/qxl_dev.h>

#include <cstddef>
#include <thread>

#include "base/waiting.h"
#include "harness/host/threads.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{10000};
constexpr uint64_t kRamSize = 64 << 20;
constexpr uint64_t kSlot = 1;

class QxlCursorChunks : public MachineTest {
 protected:
  /// With VNC, because without a display that shows cursors they are not examined.
  void Start() {
    StartMachine({"-spice", "unix=on,disable-ticketing=on,addr=" + (dir / "spice").string(), "-vnc",
                  "unix:" + (dir / "vnc").string(), "-device", "qxl-vga,ram_size_mb=64,addr=5"});
    const std::vector<uint64_t> bars = bus->Enable(bus->At(5));
    memory = bars[QXL_RAM_RANGE_INDEX];
    ports = static_cast<uint16_t>(bars[QXL_IO_RANGE_INDEX]);
    header =
        memory + qtest().ReadL(bars[QXL_ROM_RANGE_INDEX] + offsetof(QXLRom, ram_header_offset));
    Command(QXL_IO_RESET, 0);
    QXLMemSlot slot{};
    slot.mem_start = memory;
    slot.mem_end = memory + kRamSize;
    qtest().MemWrite(header + offsetof(QXLRam, mem_slot), &slot, sizeof(slot));
    Command(QXL_IO_MEMSLOT_ADD, kSlot);
    QXLSurfaceCreate surface{};
    surface.width = 640;
    surface.height = 480;
    surface.stride = 640 * 4;
    surface.format = 32;
    surface.mem = Physical(0);
    qtest().MemWrite(header + offsetof(QXLRam, create_surface), &surface, sizeof(surface));
    Command(QXL_IO_CREATE_PRIMARY, 0);
  }
  void Command(int port, uint8_t value) {
    qtest().OutB(static_cast<uint16_t>(ports + port), value);
  }
  static QXLPHYSICAL Physical(uint64_t offset) { return kSlot << 56 | offset; }

  /// Writes a cursor of `size` x `size` pixels to `offset` of the device's memory. It declares
  /// `total` bytes of data, and `chunk` bytes in its only chunk.
  void Define(uint64_t offset, uint8_t type, uint16_t size, uint32_t total, uint32_t chunk) {
    QXLCursor cursor{};
    cursor.header.type = type;
    cursor.header.width = cursor.header.height = size;
    cursor.data_size = total;
    cursor.chunk.data_size = chunk;
    qtest().MemWrite(memory + offset, &cursor, sizeof(cursor));
    QXLCursorCmd command{};
    command.type = QXL_CURSOR_SET;
    command.u.set.visible = 1;
    command.u.set.shape = Physical(offset);
    constexpr uint64_t kCommand = 8 << 20;
    qtest().MemWrite(memory + kCommand, &command, sizeof(command));

    const uint64_t ring = header + offsetof(QXLRam, cursor_ring);
    const uint32_t items = qtest().ReadL(ring + offsetof(QXLCursorRing, num_items));
    const uint32_t number = qtest().ReadL(ring + offsetof(QXLCursorRing, prod));
    QXLCommand entry{};
    entry.data = Physical(kCommand);
    entry.type = QXL_CMD_CURSOR;
    qtest().MemWrite(ring + offsetof(QXLCursorRing, items) + number % items * sizeof(entry), &entry,
                     sizeof(entry));
    qtest().WriteL(ring + offsetof(QXLCursorRing, prod), number + 1);
    Command(QXL_IO_NOTIFY_CURSOR, 0);
    WaitUntil("the command is taken", Deadline(kTimeout),
              [&] { return qtest().ReadL(ring + offsetof(QXLCursorRing, cons)) == number + 1; });
  }

  uint64_t memory = 0, header = 0;
  uint16_t ports = 0;
};

TEST_F(QxlCursorChunks, OfTheMemorysLastBytesAreNotReadBehindIt) {
  if (!HasDeviceType("qxl-vga")) GTEST_SKIP() << "$QEMU has no qxl-vga";
  constexpr uint64_t kCursor = 16 << 20, kLast = kRamSize - sizeof(QXLCursor);
  Start();
  Define(kCursor, SPICE_CURSOR_TYPE_MONO, 32, 256, 256);
  Define(kCursor, SPICE_CURSOR_TYPE_ALPHA, 32, 4096, 4096);
  ExpectAlive();
  // Two masks of 512 x 512 bits, none of which exist.
  Define(kLast, SPICE_CURSOR_TYPE_MONO, 512, 2 * 512 * 512 / 8, 0);
  // The worker takes a command before it examines it, so the next command shows that it survived.
  Define(kCursor, SPICE_CURSOR_TYPE_MONO, 32, 256, 256);
  Define(kCursor, SPICE_CURSOR_TYPE_MONO, 32, 256, 256);
  ExpectAlive();
  EXPECT_NE(qemu->process().Stderr().find("bad monochrome cursor 512x512"), std::string::npos);
}

/// A second screen, plugged into a machine with the first.
class QxlUnplug : public MachineTest {
 protected:
  size_t Workers() {
    size_t count = 0;
    for (const ThreadInfo& thread : ReadThreads(qemu->process().pid()))
      count += thread.name == "SPICE Worker";
    return count;
  }
};

TEST_F(QxlUnplug, OfASecondaryDeviceEndsItsThreadAndFreesItsConsole) {
  if (!HasDeviceType("qxl-vga")) GTEST_SKIP() << "$QEMU has no qxl-vga";
  StartMachine({"-spice", "unix=on,disable-ticketing=on,addr=" + (dir / "spice").string(),
                "-device", "qxl-vga,addr=5"},
               "pc");
  const size_t before = Workers();
  ASSERT_EQ(before, 1u);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    qmp().Execute("device_add", {{"driver", "qxl"}, {"id", "second"}, {"addr", "6"}});
    ASSERT_EQ(Workers(), before + 1);
    bus->Enable(bus->At(6));
    qmp().Execute("device_del", {{"id", "second"}});
    // i440FX ejects at a reset what is to be ejected.
    qmp().Execute("system_reset");
    qmp().WaitEvent("DEVICE_DELETED", kTimeout);
    EXPECT_EQ(Workers(), before);
    qmp().Execute("stop");
    qmp().Execute("cont");
    ExpectAlive();
  }
}

}  // namespace
}  // namespace stx
