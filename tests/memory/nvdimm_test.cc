// SPDX-License-Identifier: GPL-2.0-or-later
// NVDIMMs as pods have them: the image read-only, volumes writable, labels. What the guest reads
// and writes is compared with the file, and the NFIT (ACPI 6.2, section 5.2.25) is read from guest
// memory where firmware has put it.

#include <gtest/gtest.h>

#include <iostream>
#include <map>

#include "base/load.h"
#include "harness/guest_code/tiny_kernel.h"
#include "harness/qemu/acpi_tables.h"
#include "harness/qemu/contract.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

constexpr uint64_t kMiB = 1 << 20;

std::string Pattern(size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size() * 7919) + '.';
  text.resize(size);
  return text;
}

class Nvdimm : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure() && qemu) std::cerr << qemu->Report() << "\n";
  }
  static std::vector<std::string> Machine(const std::string& more = ",nvdimm=on") {
    return {"-machine", "q35" + more, "-m", "128M,slots=4,maxmem=4G", "-nodefaults"};
  }
  /// -object and -device of an NVDIMM in `image`; `backend` and `device` are additional properties.
  std::vector<std::string> Dimm(const std::string& id, const std::string& backend,
                                const std::string& device = "", uint64_t size = 16 * kMiB) {
    return {"-device", "nvdimm,id=" + id + ",memdev=mem-" + id + device, "-object",
            "memory-backend-file,id=mem-" + id + ",mem-path=" + (dir / "image").string() +
                ",size=" + std::to_string(size) + backend};
  }
  void Start(std::vector<std::string> args, const std::vector<std::string>& more,
             bool running = false) {
    args.insert(args.end(), more.begin(), more.end());
    QemuOptions options;
    options.qtest = true;
    options.running = running;
    options.args = std::move(args);
    qemu.emplace(std::move(options));
    qemu->qmp();
  }
  /// Boots firmware up to a kernel and reads the tables that it left.
  AcpiTables Boot(std::vector<std::string> args, const std::vector<std::string>& more) {
    WriteTinyBzImage(dir / "kernel");
    args.insert(args.end(), {"-kernel", dir / "kernel"});
    Start(std::move(args), more, true);
    if (!WaitTinyKernel(qemu->qmp(), dir / "scratch"))
      throw std::runtime_error("the kernel was not reached");
    return AcpiTables(qemu->qtest());
  }
  json Info(const std::string& id) {
    for (const json& device : qemu->qmp().Execute("query-memory-devices"))
      if (device["data"]["id"] == id) return device["data"];
    throw std::runtime_error("no memory device " + id);
  }
  std::string ReadGuest(uint64_t address, size_t size) {
    const std::vector<uint8_t> bytes = qemu->qtest().MemRead(address, size);
    return {bytes.begin(), bytes.end()};
  }

  TempDir dir{"nvdimm"};
  std::string image = [this] {
    std::string bytes = Pattern(16 * kMiB);
    WriteFile(dir / "image", bytes);
    return bytes;
  }();
  std::optional<Qemu> qemu;
};

/// One structure of an NFIT.
struct NfitEntry {
  uint16_t type;
  std::string bytes;
  template <typename T>
  T At(uint64_t offset) const {
    return LoadAt<T>(bytes, offset, "an NFIT structure");
  }
};

std::vector<NfitEntry> Entries(const std::string& nfit) {
  std::vector<NfitEntry> entries;
  for (uint64_t at = 40; at < nfit.size();) {
    const auto length = LoadAt<uint16_t>(nfit, at + 2, "NFIT");
    if (length < 4) throw std::runtime_error("NFIT: a structure without a length");
    entries.push_back({LoadAt<uint16_t>(nfit, at, "NFIT"), nfit.substr(at, length)});
    at += length;
  }
  return entries;
}

class NvdimmImage : public Nvdimm, public testing::WithParamInterface<const char*> {};

TEST_P(NvdimmImage, IsReadAsTheFileAndCannotBeWritten) {
  Covers({"1.1 nvdimm-image"});
  Start(Machine(), Dimm("nv0", std::string(",readonly=on,share=") + GetParam(), ",unarmed=on"));
  const json info = Info("nv0");
  EXPECT_EQ(info["size"], 16 * kMiB);
  const uint64_t at = info["addr"];
  for (uint64_t offset : {uint64_t{0}, 4095 * uint64_t{7}, 16 * kMiB - 512})
    EXPECT_EQ(ReadGuest(at + offset, 512), image.substr(offset, 512)) << offset;
  qemu->qtest().WriteQ(at + 4096, 0x4141414141414141);
  EXPECT_EQ(ReadGuest(at + 4096, 8), image.substr(4096, 8));
  qemu.reset();
  EXPECT_TRUE(ReadFile(dir / "image") == image);
}

INSTANTIATE_TEST_SUITE_P(Share, NvdimmImage, testing::Values("on", "off"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(Nvdimm, AReadOnlyImageThatClaimsToBeArmedIsRefused) {
  Covers({"1.1 nvdimm-image"});
  for (const char* device : {"", ",unarmed=off"}) {
    std::vector<std::string> args{"-machine",    "q35,accel=tcg,nvdimm=on",
                                  "-m",          "128M,slots=4,maxmem=4G",
                                  "-nodefaults", "-nographic"};
    const auto dimm = Dimm("nv0", ",readonly=on,share=on", device);
    args.insert(args.end(), dimm.begin(), dimm.end());
    const RunResult result = RunQemu(args);
    EXPECT_EQ(result.status.code, 1);
    EXPECT_NE(result.err.find("'unarmed' property must be 'on' since memdev mem-nv0 is read-only"),
              std::string::npos)
        << result.err;
  }
}

TEST_F(Nvdimm, AVolumesWritesReachTheFileIfItIsShared) {
  Covers({"2.2 block-nvdimm"});
  Start(Machine(), Dimm("nv0", ",share=on"));
  qemu->qtest().MemWrite(Info("nv0")["addr"].get<uint64_t>() + 12345, "written", 7);
  qemu.reset();
  image.replace(12345, 7, "written");
  EXPECT_TRUE(ReadFile(dir / "image") == image);
}

TEST_F(Nvdimm, APrivateVolumesWritesStayWithTheGuest) {
  Start(Machine(), Dimm("nv0", ",share=off"));
  const uint64_t at = Info("nv0")["addr"];
  qemu->qtest().MemWrite(at + 12345, "written", 7);
  EXPECT_EQ(ReadGuest(at + 12345, 7), "written");
  qemu.reset();
  EXPECT_TRUE(ReadFile(dir / "image") == image);
}

TEST_F(Nvdimm, LabelsLieAtTheEndOfTheFileOutsideOfTheGuestsMemory) {
  Start(Machine(), Dimm("nv0", ",share=on", ",label-size=2M"));
  const json info = Info("nv0");
  EXPECT_EQ(info["size"], 14 * kMiB);
  const uint64_t at = info["addr"];
  EXPECT_EQ(ReadGuest(at + 14 * kMiB - 512, 512), image.substr(14 * kMiB - 512, 512));
  EXPECT_NE(ReadGuest(at + 14 * kMiB, 512), image.substr(14 * kMiB, 512))
      << "the labels are mapped";
}

TEST_F(Nvdimm, LabelsThatDoNotFitAreRefused) {
  for (const char* size : {"64K", "17M"}) {
    std::vector<std::string> args{"-machine",    "q35,accel=tcg,nvdimm=on",
                                  "-m",          "128M,slots=4,maxmem=4G",
                                  "-nodefaults", "-nographic"};
    const auto dimm = Dimm("nv0", ",share=on", std::string(",label-size=") + size);
    args.insert(args.end(), dimm.begin(), dimm.end());
    const RunResult result = RunQemu(args);
    EXPECT_EQ(result.status.code, 1) << size;
    EXPECT_NE(result.err.find(size == std::string("64K") ? "is required at least 0x20000"
                                                         : "too small to contain nvdimm label"),
              std::string::npos)
        << result.err;
  }
}

TEST_F(Nvdimm, HotPluggedAsKataDoesItIsTheVolume) {
  Covers({"2.2 block-nvdimm", "3 slots"});
  Start(Machine(), {});
  for (bool pmem : {false, true}) {
    const std::string id = pmem ? "1" : "0";
    // `pmem` is always sent. A file that is not PMEM is used with a warning.
    qemu->qmp().Execute("object-add", {{"qom-type", "memory-backend-file"},
                                       {"id", "nvdimmbackmem" + id},
                                       {"mem-path", (dir / "image").string()},
                                       {"size", 16 * kMiB},
                                       {"share", true},
                                       {"pmem", pmem}});
    qemu->qmp().Execute(
        "device_add",
        {{"driver", "nvdimm"}, {"id", "nvdimm" + id}, {"memdev", "nvdimmbackmem" + id}});
    const uint64_t at = Info("nvdimm" + id)["addr"];
    EXPECT_EQ(ReadGuest(at + 5 * kMiB, 64), image.substr(5 * kMiB, 64));
    qemu->qtest().MemWrite(at + 100 + pmem, "!", 1);
    EXPECT_EQ(ReadFile(dir / "image")[100 + pmem], '!');
  }
}

TEST_F(Nvdimm, AMachineWithoutNvdimmRefusesOne) {
  Start(Machine(""), {});
  qemu->qmp().Execute("object-add", {{"qom-type", "memory-backend-file"},
                                     {"id", "m"},
                                     {"mem-path", (dir / "image").string()},
                                     {"size", 16 * kMiB},
                                     {"share", true}});
  try {
    qemu->qmp().Execute("device_add", {{"driver", "nvdimm"}, {"id", "nv"}, {"memdev", "m"}});
    FAIL() << "accepted";
  } catch (const QmpError& error) {
    EXPECT_NE(error.desc().find("nvdimm is not enabled"), std::string::npos) << error.desc();
  }
}

TEST_F(Nvdimm, NfitDescribesTheImage) {
  Covers({"1.1 nvdimm-image", "4 acpi"});
  const AcpiTables acpi = Boot(Machine(), Dimm("nv0", ",readonly=on,share=on", ",unarmed=on"));
  const std::vector<NfitEntry> entries = Entries(acpi.GetOnly("NFIT"));
  ASSERT_EQ(entries.size(), 3u);
  const json info = Info("nv0");
  const int slot = info["slot"];

  const NfitEntry& range = entries[0];
  ASSERT_EQ(range.type, 0);
  ASSERT_EQ(range.bytes.size(), 56u);
  EXPECT_EQ(range.At<uint16_t>(4), (slot + 1) << 1) << "index";
  EXPECT_EQ(range.At<uint16_t>(6), 3) << "flags";
  // Persistent memory: 66f0d379-b4f3-4074-ac43-0d3318b78cdb.
  EXPECT_EQ(range.bytes.substr(16, 16),
            "\x79\xd3\xf0\x66\xf3\xb4\x74\x40\xac\x43\x0d\x33\x18\xb7\x8c\xdb");
  EXPECT_EQ(range.At<uint64_t>(32), info["addr"].get<uint64_t>());
  EXPECT_EQ(range.At<uint64_t>(40), 16 * kMiB);
  EXPECT_EQ(range.At<uint64_t>(48), 0x8008u) << "write-back, non-volatile";

  const NfitEntry& mapping = entries[1];
  ASSERT_EQ(mapping.type, 1);
  ASSERT_EQ(mapping.bytes.size(), 48u);
  EXPECT_EQ(mapping.At<uint32_t>(4), static_cast<uint32_t>(slot + 1)) << "handle";
  EXPECT_EQ(mapping.At<uint16_t>(12), range.At<uint16_t>(4)) << "of that range";
  EXPECT_EQ(mapping.At<uint64_t>(16), 16 * kMiB);
  EXPECT_EQ(mapping.At<uint64_t>(32), 0u) << "device address";
  EXPECT_EQ(mapping.At<uint16_t>(42), 1) << "ways";
  EXPECT_EQ(mapping.At<uint16_t>(44), 8) << "flags: not armed";

  const NfitEntry& control = entries[2];
  ASSERT_EQ(control.type, 4);
  EXPECT_EQ(control.At<uint16_t>(4), mapping.At<uint16_t>(14)) << "of that mapping";
  EXPECT_EQ(control.At<uint16_t>(6), 0x8086);
  EXPECT_EQ(control.At<uint16_t>(10), 1) << "revision";
  EXPECT_EQ(control.At<uint32_t>(24), 0x123456u + static_cast<uint32_t>(slot)) << "serial";
  EXPECT_EQ(control.At<uint16_t>(28), 0x301) << "format: byte-addressable";
}

TEST_F(Nvdimm, NfitTellsArmedOnesAndPlatformCapabilities) {
  std::vector<std::string> two = Dimm("nv0", ",readonly=on,share=on", ",unarmed=on");
  const auto second = Dimm("nv1", ",share=on", ",label-size=128K");
  two.insert(two.end(), second.begin(), second.end());
  const AcpiTables acpi = Boot(Machine(",nvdimm=on,nvdimm-persistence=mem-ctrl"), two);
  std::map<uint32_t, uint16_t> flags;
  std::map<uint64_t, uint64_t> ranges;
  uint32_t capabilities = 0;
  for (const NfitEntry& entry : Entries(acpi.GetOnly("NFIT"))) {
    if (entry.type == 0) ranges[entry.At<uint64_t>(32)] = entry.At<uint64_t>(40);
    if (entry.type == 1) flags[entry.At<uint32_t>(4)] = entry.At<uint16_t>(44);
    if (entry.type == 7) capabilities = entry.At<uint32_t>(8);
  }
  EXPECT_EQ(capabilities, 2u) << "memory controller flush";
  const auto handle = [&](const char* id) { return Info(id)["slot"].get<uint32_t>() + 1; };
  ASSERT_EQ(flags.size(), 2u);
  EXPECT_EQ(flags[handle("nv0")], 8);
  EXPECT_EQ(flags[handle("nv1")], 0);
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[Info("nv1")["addr"]], 16 * kMiB - (128 << 10));
}

TEST_F(Nvdimm, WithoutNvdimmThereIsNoNfit) {
  const AcpiTables acpi = Boot(Machine(""), {});
  EXPECT_TRUE(acpi["NFIT"].empty());
}

}  // namespace
}  // namespace stx
