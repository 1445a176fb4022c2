// SPDX-License-Identifier: GPL-2.0-or-later
// patches/fixes/nvdimm-label-*.patch: the label functions of an NVDIMM's _DSM (NVDIMM DSM
// interface, revision 1, functions 0 and 4 to 6), called as QEMU's ACPI code calls them: the
// address of a page with the arguments is written to a port.

#include <gtest/gtest.h>

#include "base/load.h"
#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"

namespace stx {
namespace {

class FixNvdimmLabel : public MachineTest {
 protected:
  static constexpr size_t kImage = 64 << 20, kLabels = 128 << 10;
  static constexpr uint32_t kSuccess = 0, kUnsupported = 1, kInvalid = 3;
  static constexpr uint32_t kQuery = 0, kGet = 5, kSet = 6;

  void SetUp() override {
    if (!HasDeviceType("nvdimm")) GTEST_SKIP() << "$QEMU has no nvdimm";
    WriteFile(dir / "image", std::string(kImage - kLabels, 'i') + std::string(kLabels, 'l'));
  }
  void Start(const std::string& backend, const std::string& device) {
    StartMachine({"-object",
                  "memory-backend-file,id=mem0,size=64M,share=on,mem-path=" +
                      (dir / "image").string() + backend,
                  "-device", "nvdimm,id=nv0,memdev=mem0,label-size=128K" + device},
                 "q35,nvdimm=on", "256M,slots=2,maxmem=1G");
  }
  /// Calls `function` of the first NVDIMM. Returns the output buffer, beginning with its length.
  std::string Call(uint32_t function, const std::string& arguments) {
    constexpr uint64_t kPage = 0x300000;
    constexpr uint16_t kPort = 0xa18;
    constexpr uint32_t kHandle = 1, kRevision = 1;
    qtest().MemSet(kPage, 4096, 0);
    const uint32_t head[] = {kHandle, kRevision, function};
    qtest().MemWrite(kPage, head, sizeof(head));
    qtest().MemWrite(kPage + sizeof(head), arguments.data(), arguments.size());
    qtest().OutL(kPort, kPage);
    const auto page = qtest().MemRead(kPage, 4096);
    const std::string text(page.begin(), page.end());
    return text.substr(0, LoadAt<uint32_t>(text, 0, "_DSM"));
  }
  static std::string Range(uint32_t offset, uint32_t length) {
    const uint32_t range[] = {offset, length};
    return {reinterpret_cast<const char*>(range), sizeof(range)};
  }
  static uint32_t Status(const std::string& reply) { return LoadAt<uint32_t>(reply, 4, "_DSM"); }
  std::string Labels() { return ReadFile(dir / "image").substr(kImage - kLabels); }
};

TEST_F(FixNvdimmLabel, OfAReadOnlyBackEndTheyAreReadAndNotWritten) {
  Start(",readonly=on", ",unarmed=on");
  const auto functions = LoadAt<uint32_t>(Call(kQuery, ""), 4, "_DSM");
  EXPECT_TRUE(functions & 1 << kGet);
  EXPECT_FALSE(functions & 1 << kSet) << "offered";
  const std::string got = Call(kGet, Range(100, 16));
  EXPECT_EQ(Status(got), kSuccess);
  EXPECT_EQ(got.substr(8), std::string(16, 'l'));
  EXPECT_EQ(Status(Call(kSet, Range(0, 16) + std::string(16, 'L'))), kUnsupported);
  ExpectAlive();
  EXPECT_EQ(Labels(), std::string(kLabels, 'l'));
}

TEST_F(FixNvdimmLabel, OfAWritableBackEndTheyAreWritten) {
  Start("", "");
  EXPECT_TRUE(LoadAt<uint32_t>(Call(kQuery, ""), 4, "_DSM") & 1 << kSet);
  EXPECT_EQ(Status(Call(kSet, Range(kLabels - 16, 16) + std::string(16, 'L'))), kSuccess);
  EXPECT_EQ(Call(kGet, Range(kLabels - 20, 20)).substr(8), "llll" + std::string(16, 'L'));
  EXPECT_EQ(Labels(), std::string(kLabels - 16, 'l') + std::string(16, 'L'));
}

TEST_F(FixNvdimmLabel, ATransferOfNothingOrOutsideIsInvalid) {
  Start("", "");
  for (const uint32_t function : {kGet, kSet})
    for (const auto& [offset, length] : {std::pair<uint32_t, uint32_t>{0, 0},
                                         {kLabels, 0},
                                         {kLabels, 1},
                                         {kLabels - 1, 2},
                                         {~0U, 2},
                                         {0, 4096}})
      EXPECT_EQ(Status(Call(function, Range(offset, length))), kInvalid)
          << function << " at " << offset << ", " << length << " bytes";
  ExpectAlive();
  EXPECT_EQ(Labels(), std::string(kLabels, 'l'));
}

}  // namespace
}  // namespace stx
