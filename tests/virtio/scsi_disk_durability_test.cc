// SPDX-License-Identifier: GPL-2.0-or-later
// What is on the medium when a command of scsi-hd is done (SBC-3).

#include "base/waiting.h"
#include "harness/host/slow_fsync.h"
#include "virtio/scsi_disk_fixture.h"

namespace stx {
namespace {

class ScsiSync : public ScsiHd {
 protected:
  void SetUp() override { environment = fsync.Environment(); }
  /// The command is not done before the host's medium has what was written.
  void ExpectStableWhenDone(const std::string& cdb, const std::string& out = "", uint32_t in = 0) {
    const size_t before = fsync.Begun();
    fsync.Hold();
    const Posted posted = Post(lun, cdb, out, in);
    device->Notify(kRequests);
    fsync.WaitBegun(before + 1);
    EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(30)), [&] {
      return bool(queues[kRequests].Take());
    })) << "done while the host's disk is not";
    fsync.Release();
    EXPECT_EQ(Finish(posted).status, 0);
  }
  void WriteOne() { EXPECT_EQ(SenseOf(Write10(9, 1), std::string(kSector, 'w')), 0u); }

  SlowFsync fsync;
};

TEST_F(ScsiSync, SynchronizeCacheIsDoneWhenTheMediumHasIt) {
  StartOne();
  WriteOne();
  EXPECT_EQ(fsync.Begun(), 0u) << "a write alone goes to the cache";
  ExpectStableWhenDone(Cdb({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(ScsiSync, FuaIsDoneWhenTheMediumHasIt) {
  StartOne();
  const std::string one(kSector, 'f');
  ExpectStableWhenDone(Write10(0, 1, 8), one);
  ExpectStableWhenDone(Cdb({0xaa, 8, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}), one);
  ExpectStableWhenDone(Cdb({0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0}), one);
  ExpectStableWhenDone(Cdb({0x2e, 0, 0, 0, 0, 3, 0, 0, 1, 0}), one);  // WRITE AND VERIFY
  WriteOne();
  ExpectStableWhenDone(Read10(0, 1, 8), "", kSector);  // what was cached before is written
}

TEST_F(ScsiSync, TheDriverSwitchesTheWriteCacheOff) {
  StartOne();
  std::string page = Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24);
  page[0] = 0;
  page[6] = 0;
  WriteOne();
  ExpectStableWhenDone(Cdb({0x15, 0x10, 0, 0, 24, 0}), page);
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24)[6], 0);
  ExpectStableWhenDone(Write10(0, 1), std::string(kSector, 'x'));
  page[6] = 4;
  EXPECT_EQ(SenseOf(Cdb({0x15, 0x10, 0, 0, 24, 0}), page), 0u);
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24)[6], 4);
  const size_t before = fsync.Begun();
  WriteOne();
  EXPECT_EQ(fsync.Begun(), before);
}

TEST_F(ScsiSync, AnErrorOfTheMediumIsSenseData) {
  StartOne(",werror=report");
  WriteOne();
  fsync.Fail();
  EXPECT_EQ(SenseOf(Cdb({0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0})), 0x0b0006u)
      << "aborted command: I/O process terminated";
  EXPECT_TRUE(Get(Read10(3, 1), kSector) == disk.substr(3 * kSector, kSector)) << "it goes on";
}

}  // namespace
}  // namespace stx
