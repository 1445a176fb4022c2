// SPDX-License-Identifier: GPL-2.0-or-later
// A scsi-hd on a virtio-scsi: SPC-4 (inquiry, mode and sense data), SBC-3 (the commands of a disk).
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "virtio/scsi_fixture.h"

namespace stx {

class ScsiHd : public ScsiTest {
 protected:
  // Sense data: key, additional sense code, qualifier.
  static constexpr uint32_t kInvalidOpcode = 0x052000, kOutOfRange = 0x052100,
                            kInvalidField = 0x052400, kInvalidParameterLength = 0x051a00,
                            kInvalidParameter = 0x052600, kWriteProtected = 0x072700;

  /// One unit, its unit attention taken.
  void StartOne(const std::string& options = "", const std::string& node = "") {
    Start({{"scsi-id=0,lun=0" + options, node}});
    StartDriver();
    TakeAttention(lun);
    disk = MakePattern(kSectors * kSector, 0);
  }
  uint32_t SenseOf(const std::string& cdb, const std::string& out = "", uint32_t in = 0) {
    const Answer answer = Do(lun, cdb, out, in);
    EXPECT_EQ(answer.response, kOk);
    EXPECT_EQ(answer.status, answer.Sense() ? 2 : 0);
    return answer.Sense();
  }
  std::string Get(const std::string& cdb, uint32_t in) { return Data(lun, cdb, in); }
  void ExpectFile() { EXPECT_TRUE(ReadFile(File(0)) == disk); }
  static std::string Hex(const std::string& bytes) {
    std::string text;
    for (unsigned char byte : bytes) {
      char two[3];
      std::snprintf(two, sizeof(two), "%02x", byte);
      text += two;
    }
    return text;
  }
  std::string Vital(int page, uint32_t size) {
    const std::string got = Get(Inquiry(page, static_cast<uint16_t>(size)), size);
    EXPECT_EQ(got[0], 0) << "a disk";
    EXPECT_EQ(static_cast<uint8_t>(got[1]), page);
    return got.substr(4, FromBigEndian(got, 2, 2));
  }

  const std::string lun = Simple(0, 0);
  std::string disk;
};

}  // namespace stx
