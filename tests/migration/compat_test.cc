// SPDX-License-Identifier: GPL-2.0-or-later
// A guest moves between Debian's QEMU 7.2 ($QEMU_DEBIAN) and ours and back while it works: the
// series adds nothing to the migration stream. On both sides a real CPU (TCG) counts in memory. The
// test is the devices' driver, through the qtest socket.

#include <gtest/gtest.h>

#include "harness/qemu/migration.h"
#include "migration/guest.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

fs::path Debian() { return EnvOr("QEMU_DEBIAN", "/usr/bin/qemu-system-x86_64"); }

/// Why there is nothing to compare with; empty if there is.
std::string DebianMissing() {
  if (!fs::exists(Debian()))
    return "no " + Debian().string() + " (Debian's qemu-system-x86; QEMU_DEBIAN names another)";
  const std::string version = Run({Debian(), "-version"}, MigrationMachine::kTimeout).out;
  if (version.find("version 7.2") == std::string::npos)
    return Debian().string() + " is not QEMU 7.2: " + version.substr(0, version.find('\n'));
  return "";
}

class Compat : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string missing = DebianMissing(); !missing.empty()) GTEST_SKIP() << missing;
  }

  void Move(const fs::path& from, const fs::path& to) {
    MigrationMachine source(from, GetParam());
    Guest guest(source);
    guest.Talk();
    guest.LeaveInFlight();
    const std::string stream = MigrateToBytes(source.qemu());
    MigrationMachine target(to, GetParam(), &stream);
    EXPECT_TRUE(source.Memory() == target.Memory()) << "the guest's memory differs";
    EXPECT_EQ(json::diff(source.DeviceState(), target.DeviceState()).dump(), "[]");
    const uint32_t counted = target.Counter();
    EXPECT_EQ(counted, source.Counter());
    guest.GoOn(target);
    guest.FinishInFlight(source.EndAndReadPort());
    guest.Talk();
    EXPECT_GT(target.Counter(), counted) << "the CPU does not continue";
  }
};

TEST_P(Compat, AGuestOfDebiansGoesOnInOurs) { Move(Debian(), QemuBinary()); }
TEST_P(Compat, AGuestOfOursGoesOnInDebians) { Move(QemuBinary(), Debian()); }

// Compares the description of all devices that both binaries have, whether in use or not.
TEST_P(Compat, EveryDeviceHasTheSameFieldsAsDebians) {
  const TempDir dir;
  const auto dump = [&](const fs::path& binary) {
    const RunResult run = stx::Run({binary, "-machine", GetParam(), "-nodefaults", "-display",
                                    "none", "-dump-vmstate", dir / "dump"},
                                   MigrationMachine::kTimeout);
    EXPECT_TRUE(run.status.Success()) << run.err;
    return json::parse(ReadFile(dir / "dump"));
  };
  const json debian = dump(Debian()), ours = dump(QemuBinary());
  int common = 0;
  for (const auto& [device, fields] : ours.items()) {
    if (!debian.contains(device)) continue;
    ++common;
    EXPECT_EQ(json::diff(debian[device], fields).dump(), "[]") << device;
  }
  EXPECT_GT(common, 100) << "of Debian's " << debian.size() << " and our " << ours.size();
}

/// The description of the sections at the end of a stream (docs/devel/migration.rst, "Stream
/// structure").
json Description(const std::string& stream) {
  const size_t at = stream.rfind("{\"page_size\"");
  if (at == std::string::npos) throw std::runtime_error("a stream without description");
  return json::parse(stream.substr(at));
}

TEST_P(Compat, TheStreamHasTheSameSectionsAndFieldsAsDebians) {
  std::vector<json> descriptions;
  for (const fs::path& binary : {Debian(), QemuBinary()}) {
    MigrationMachine machine(binary, GetParam());
    Guest guest(machine);
    guest.Talk();
    guest.LeaveInFlight();
    descriptions.push_back(Description(MigrateToBytes(machine.qemu())));
  }
  // Virtio devices write one opaque field, so only its size can be compared.
  EXPECT_GT(descriptions[0]["devices"].size(), 20u);
  EXPECT_EQ(json::diff(descriptions[0], descriptions[1]).dump(), "[]");
}

INSTANTIATE_TEST_SUITE_P(Machines, Compat,
                         testing::Values("pc-q35-7.2", "pc-q35-5.2", "pc-i440fx-5.2"),
                         [](const auto& machine) {
                           std::string name = machine.param;
                           for (char& c : name)
                             if (c == '-' || c == '.') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace stx
