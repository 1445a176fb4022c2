// SPDX-License-Identifier: GPL-2.0-or-later
// What scsi-hd says of itself: inquiry, capacity, sense data and mode pages (SPC-4, SBC-3).

#include "virtio/scsi_disk_fixture.h"

namespace stx {
namespace {

TEST_F(ScsiHd, InquirySaysWhatItIs) {
  StartOne(",vendor=STX,product=a-disk,ver=1.2");
  const std::string data = Get(Inquiry(0, 36, false), 36);
  EXPECT_EQ(Hex(data.substr(0, 8)), "000005121f000012")
      << "a disk that stays; SPC-3; HiSup, format 2; 31 bytes follow; commands are queued";
  EXPECT_EQ(data.substr(8, 8), "STX     ");
  EXPECT_EQ(data.substr(16, 16), "a-disk          ");
  EXPECT_EQ(data.substr(32), std::string("1.2\0", 4));
  EXPECT_EQ(Get(Inquiry(0, 96, false), 96)[4], 91) << "as much as was asked for";
  EXPECT_EQ(Get(Inquiry(0, 5, false), 5), data.substr(0, 5));
  EXPECT_EQ(SenseOf(Inquiry(1, 36, false), "", 36), kInvalidField) << "a page without EVPD";
  StartOne(",removable=on");
  EXPECT_EQ(static_cast<uint8_t>(Get(Inquiry(0, 36, false), 36)[1]), 0x80);
}

TEST_F(ScsiHd, VitalProductDataIdentifiesTheDisk) {
  StartOne(
      ",serial=serial-1,device_id=name-1,wwn=0x5000c50015ea71aa,port_wwn=0x5000c50015ea71ab,"
      "port_index=3");
  EXPECT_EQ(Hex(Vital(0, 64)), "008083b0b1b2");
  EXPECT_EQ(Vital(0x80, 64), "serial-1");
  EXPECT_EQ(Hex(Vital(0x83, 128)), "02000006" + Hex("name-1") + "01030008" + "5000c50015ea71aa" +
                                       "61930008" + "5000c50015ea71ab" + "61940004" + "00000003");
  EXPECT_EQ(SenseOf(Inquiry(0xb3, 64), "", 64), kInvalidField);
  EXPECT_EQ(SenseOf(Inquiry(0x81, 64), "", 64), kInvalidField);
  StartOne();
  EXPECT_EQ(Hex(Vital(0, 64)), "0083b0b1b2") << "no serial number";
  EXPECT_EQ(SenseOf(Inquiry(0x80, 64), "", 64), kInvalidField);
  StartOne(",serial=" + std::string(40, 's'));
  EXPECT_EQ(Vital(0x80, 64), std::string(36, 's')) << "as many as fit";
  EXPECT_EQ(Hex(Vital(0x83, 64)), "02000014" + Hex(std::string(20, 's')))
      << "the serial number stands for a name";
}

TEST_F(ScsiHd, VitalProductDataSaysItsLimits) {
  StartOne(
      ",min_io_size=4096,opt_io_size=65536,discard_granularity=8192,max_unmap_size=1048576,"
      "max_io_size=262144,rotation_rate=7200");
  const std::string limits = Vital(0xb0, 64);
  ASSERT_EQ(limits.size(), 0x3cu);
  EXPECT_EQ(limits[0], 1) << "WSNZ: WRITE SAME of 0 blocks is none of all";
  EXPECT_EQ(FromBigEndian(limits, 2, 2), 8u) << "optimal transfer length granularity";
  EXPECT_EQ(FromBigEndian(limits, 4, 4), 512u) << "maximum transfer length";
  EXPECT_EQ(FromBigEndian(limits, 8, 4), 128u) << "optimal transfer length";
  EXPECT_EQ(FromBigEndian(limits, 16, 4), 2048u) << "maximum unmap LBA count";
  EXPECT_EQ(FromBigEndian(limits, 20, 4), 255u) << "maximum unmap block descriptor count";
  EXPECT_EQ(FromBigEndian(limits, 24, 4), 16u) << "optimal unmap granularity";
  EXPECT_EQ(FromBigEndian(limits, 28, 4), 0u) << "no alignment";
  EXPECT_EQ(FromBigEndian(limits, 32, 8), 512u) << "maximum WRITE SAME length";
  const std::string characteristics = Vital(0xb1, 64);
  EXPECT_EQ(FromBigEndian(characteristics, 0, 2), 7200u);
  EXPECT_EQ(Hex(Vital(0xb2, 64)), "00e00200") << "LBPU, LBPWS, LBPWS10; thin";
  StartOne(",discard_granularity=0,rotation_rate=1");
  EXPECT_EQ(Hex(Vital(0xb2, 64)), "00e00100") << "resource provisioned";
  EXPECT_EQ(FromBigEndian(Vital(0xb1, 64), 0, 2), 1u) << "does not rotate";
}

TEST_F(ScsiHd, CapacityIsTheLastBlockAndTheBlocksSize) {
  StartOne(",physical_block_size=4096,discard_granularity=4096");
  const std::string ten = Cdb({0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(Hex(Get(ten, 8)), "000007ff00000200");
  const auto sixteen = [](int service, int lba, int pmi, int room) {
    return Cdb({0x9e, service, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, room, pmi, 0});
  };
  EXPECT_EQ(Hex(Get(sixteen(0x10, 0, 0, 32), 32)),
            "00000000000007ff"
            "00000200"
            "00038000" +
                std::string(32, '0'))
      << "8 logical blocks per physical block; it unmaps";
  EXPECT_EQ(SenseOf(sixteen(0x10, 1, 0, 32), "", 32), kInvalidField) << "an address without PMI";
  EXPECT_EQ(SenseOf(sixteen(0x10, 1, 1, 32), "", 32), 0u);
  EXPECT_EQ(SenseOf(sixteen(0x11, 0, 0, 32), "", 32), kInvalidField) << "no such service action";
  EXPECT_EQ(SenseOf(Cdb({0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0}), "", 8), kInvalidField);
  EXPECT_EQ(SenseOf(Cdb({0x25, 0, 0, 0, 0, 1, 0, 0, 1, 0}), "", 8), 0u);
  StartOne(",logical_block_size=4096,physical_block_size=4096,discard_granularity=0");
  EXPECT_EQ(Hex(Get(ten, 8)), "000000ff00001000");
  EXPECT_EQ(Hex(Get(sixteen(0x10, 0, 0, 32), 32)).substr(0, 32),
            "00000000000000ff0000100000000000");
}

TEST_F(ScsiHd, RequestSenseAnswersInBothFormats) {
  StartOne();
  const std::string fixed = Get(Cdb({0x03, 0, 0, 0, 18, 0}), 18);
  EXPECT_EQ(Hex(fixed),
            "70000000"
            "0000000a" +
                std::string(20, '0'))
      << "no sense";
  EXPECT_EQ(Hex(Get(Cdb({0x03, 1, 0, 0, 8, 0}), 8)), "7200000000000000") << "descriptors";
  // What a command ended in is known once only: it came with that command.
  EXPECT_EQ(SenseOf(Cdb({0x01, 0, 0, 0, 0, 0})), kInvalidOpcode);
}

TEST_F(ScsiHd, ModePagesSayHowItCaches) {
  StartOne();
  // Six bytes of header, less four of it with the short command; a block descriptor; page 8.
  const std::string short_form = Get(Cdb({0x1a, 0, 8, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(short_form.substr(0, 14)),
            "1f000008"
            "00000800"
            "00000200"
            "0812");
  EXPECT_EQ(short_form[14], 4) << "WCE";
  const std::string no_descriptor = Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(no_descriptor.substr(0, 7)),
            "17000000"
            "081204");
  const std::string long_form = Get(Cdb({0x5a, 0, 8, 0, 0, 0, 0, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(long_form.substr(0, 19)),
            "0022000000000008"
            "0000080000000200"
            "081204");
  EXPECT_EQ(Get(Cdb({0x1a, 8, 0x48, 0, 255, 0}), 255)[6], 4) << "WCE may be changed";
  EXPECT_EQ(Get(Cdb({0x1a, 8, 0x88, 0, 255, 0}), 255)[6], 4) << "its default";
  EXPECT_EQ(SenseOf(Cdb({0x1a, 8, 0xc8, 0, 255, 0}), "", 255), 0x053900u)
      << "saved values are not supported";
  const std::string error_page = Get(Cdb({0x1a, 8, 1, 0, 255, 0}), 255);
  EXPECT_EQ(Hex(error_page.substr(4, 3)), "010a80") << "AWRE";
  EXPECT_EQ(Hex(Get(Cdb({0x1a, 8, 4, 0, 255, 0}), 255).substr(4, 2)), "0416") << "geometry";
  EXPECT_EQ(SenseOf(Cdb({0x1a, 8, 0x0e, 0, 255, 0}), "", 255), kInvalidField)
      << "a page that a CD has";
  const std::string all = Get(Cdb({0x1a, 8, 0x3f, 0, 255, 0}), 255);
  std::vector<int> pages;
  for (size_t at = 4; at < static_cast<uint8_t>(all[0]) + 1u;
       at += 2 + static_cast<uint8_t>(all[at + 1]))
    pages.push_back(all[at]);
  EXPECT_EQ(pages, (std::vector<int>{1, 4, 5, 8}));
  StartOne(",write-cache=off");
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255)[6], 0);
  StartOne(",dpofua=on");
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255)[2], 0x10) << "DPOFUA";
}

TEST_F(ScsiHd, ModeSelectRefusesWhatItDoesNotKnow) {
  StartOne();
  const auto select = [&](const std::string& parameters, int flags = 0x10, int length = -1) {
    return SenseOf(
        Cdb({0x15, flags, 0, 0, length < 0 ? static_cast<int>(parameters.size()) : length, 0}),
        parameters);
  };
  std::string caching = Get(Cdb({0x1a, 8, 8, 0, 24, 0}), 24);
  caching[0] = 0;
  EXPECT_EQ(select(caching), 0u);
  EXPECT_EQ(select(caching, 0x00), kInvalidField) << "PF=0 with a page";
  EXPECT_EQ(select(caching, 0x11), kInvalidField) << "SP: nothing is saved";
  EXPECT_EQ(select(caching.substr(0, 20)), kInvalidParameterLength);
  EXPECT_EQ(select(caching.substr(0, 3)), kInvalidParameterLength);
  std::string other = caching;
  other[7] = 1;
  EXPECT_EQ(select(other), kInvalidParameter) << "a field that cannot be changed";
  other = caching;
  other[4] = 0x0e;
  EXPECT_EQ(select(other), kInvalidParameter) << "a page that it does not have";
  other = caching;
  other[3] = 4;
  EXPECT_EQ(select(other), kInvalidParameter) << "a block descriptor of no valid length";
  EXPECT_EQ(Get(Cdb({0x1a, 8, 8, 0, 255, 0}), 255)[6], 4);
}

}  // namespace
}  // namespace stx
