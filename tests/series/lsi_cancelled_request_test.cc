// SPDX-License-Identifier: GPL-2.0-or-later
// The LSI 53C895A. The test is the driver, using SCRIPTS (LSI53C895A technical manual, chapter 5).
//   LsiCancelledRequest  lsi-cancelled-request.patch: messages that end a request twice
//   LsiUnplug            lsi-unplug-in-scripts.patch: SCRIPTS that eject the adapter

#include <gtest/gtest.h>

#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"

namespace stx {
namespace {

constexpr Milliseconds kTimeout{10000};
constexpr uint32_t kDstat = 0x0c, kDsp = 0x2c;
constexpr uint8_t kScriptInterrupt = 0x04;
/// Instructions: select target 0 with ATN, move to or from memory in a phase, wait, interrupt.
constexpr uint32_t kSelect = 0x41000000, kWaitReselect = 0x50000000, kInterrupt = 0x98080000;
constexpr uint32_t kDataIn = 0x09000000, kCommand = 0x0a000000, kStatus = 0x0b000000,
                   kMessageOut = 0x0e000000, kMessageIn = 0x0f000000;
constexpr char kAbort = 0x06, kAbortTag = 0x0d, kClearQueue = 0x0e, kBusDeviceReset = 0x0c;

class LsiCancelledRequest : public MachineTest, public testing::WithParamInterface<char> {
 protected:
  void Start() {
    WriteFile(dir / "disk", std::string(1 << 20, 'd'));
    StartMachine({"-device", "lsi53c895a,id=lsi,addr=5", "-blockdev",
                  "driver=file,node-name=d,filename=" + (dir / "disk").string(), "-device",
                  "scsi-hd,bus=lsi.0,scsi-id=0,drive=d"});
    registers = bus->Enable(bus->At(5))[1];
    ASSERT_NE(registers, 0u);
  }
  uint64_t Put(const std::string& bytes) {
    const uint64_t at = heap->Allocate(bytes.size());
    qtest().MemWrite(at, bytes.data(), bytes.size());
    return at;
  }
  void Instruction(uint32_t word, uint64_t address = 0) {
    script.push_back(word);
    script.push_back(static_cast<uint32_t>(address));
  }
  void Move(uint32_t phase, uint32_t bytes, uint64_t address) {
    Instruction(phase | bytes, address);
  }
  /// Runs the script until its interrupt.
  void Run() {
    Instruction(kInterrupt);
    const uint64_t at = heap->Allocate(script.size() * 4);
    qtest().MemWrite(at, script.data(), script.size() * 4);
    script.clear();
    qtest().WriteL(registers + kDsp, static_cast<uint32_t>(at));
    for (const Deadline deadline(kTimeout);
         !(qtest().ReadB(registers + kDstat) & kScriptInterrupt);)
      ASSERT_FALSE(deadline.Passed()) << "the script does not end";
  }
  /// Selects the disk and sends it these messages.
  void Select(const std::string& messages) {
    Instruction(kSelect);
    Move(kMessageOut, static_cast<uint32_t>(messages.size()), Put(messages));
  }
  void TestUnitReady() {
    Select("\x80");
    Move(kCommand, 6, Put(std::string(6, '\0')));
    Move(kStatus, 1, heap->Allocate(1));
    Move(kMessageIn, 1, heap->Allocate(1));
    Run();
  }
  /// READ(10) of the first sector, until the disk disconnects.
  void BeginRead() {
    Select("\x80");
    Move(kCommand, 10, Put(std::string("\x28\0\0\0\0\0\0\0\1\0", 10)));
    Move(kMessageIn, 2, heap->Allocate(2));
  }
  /// The rest of the read after that.
  void EndRead() {
    const uint64_t data = heap->Allocate(512), status = heap->Allocate(1);
    qtest().WriteB(status, 0xff);
    Instruction(kWaitReselect);
    Move(kMessageIn, 1, heap->Allocate(1));
    Move(kDataIn, 512, data);
    Move(kStatus, 1, status);
    Move(kMessageIn, 1, heap->Allocate(1));
    Run();
    EXPECT_EQ(qtest().ReadB(status), 0);
    EXPECT_EQ(qtest().MemRead(data, 512), std::vector<uint8_t>(512, 'd'));
  }

  uint64_t registers = 0;
  std::vector<uint32_t> script;
};

TEST_P(LsiCancelledRequest, IsNotCancelledAgainAndTheDiskReadsAfterwards) {
  if (!HasDeviceType("lsi53c895a")) GTEST_SKIP() << "$QEMU has no lsi53c895a";
  Start();
  TestUnitReady();  // takes the unit attention
  BeginRead();
  EndRead();

  BeginRead();
  Run();
  Select(std::string{GetParam(), kAbortTag});
  Run();
  ExpectAlive();

  BeginRead();
  EndRead();
  ExpectAlive();
}

INSTANTIATE_TEST_SUITE_P(By, LsiCancelledRequest,
                         testing::Values(kAbort, kClearQueue, kBusDeviceReset, kAbortTag),
                         [](const auto& message) {
                           switch (message.param) {
                             case kAbort:
                               return "Abort";
                             case kClearQueue:
                               return "ClearQueue";
                             case kBusDeviceReset:
                               return "BusDeviceReset";
                             default:
                               return "AbortTag";
                           }
                         });

class LsiUnplug : public MachineTest {
 protected:
  /// DMODE: memory moves write to I/O ports.
  static constexpr uint32_t kDmode = 0x38, kDestinationIsIo = 0x10;
  static constexpr uint32_t kJump = 0x80080000, kMemoryMove = 0xc0000004;
  /// Of i440FX's ACPI (docs/specs/acpi_pci_hotplug.rst of the base).
  static constexpr uint32_t kEject = 0xae08;
};

TEST_F(LsiUnplug, IsSurvivedByTheScriptsThatEjectTheirAdapter) {
  if (!HasDeviceType("lsi53c895a")) GTEST_SKIP() << "$QEMU has no lsi53c895a";
  // The C library fills what it takes back.
  environment = {"MALLOC_PERTURB_=90"};
  StartMachine({"-device", "lsi53c895a,id=lsi,addr=5"}, "pc");
  const PciDevice adapter = bus->At(5);
  const uint64_t registers = bus->Enable(adapter)[1];
  const uint64_t slots = heap->Allocate(4), script = heap->Allocate(32);
  qtest().WriteL(slots, 1 << 5);
  qtest().WriteB(registers + kDmode, kDestinationIsIo);
  const auto put = [&](uint64_t at, const std::vector<uint32_t>& words) {
    qtest().MemWrite(at, words.data(), words.size() * 4);
  };
  // An endless loop, in which the adapter pauses now and then, until it is told to go on with the
  // ejection of its own slot, and with the loop again.
  put(script, {kJump, static_cast<uint32_t>(script)});
  put(script + 8,
      {kMemoryMove, static_cast<uint32_t>(slots), kEject, kJump, static_cast<uint32_t>(script)});
  qtest().WriteL(registers + kDsp, static_cast<uint32_t>(script));
  // In a pause, with its registers out of reach: nothing but its slot keeps it.
  adapter.WriteW(pci::kCommand, pci::kCommandMaster);
  ASSERT_TRUE(adapter.IsPresent());
  qmp().Execute("device_del", {{"id", "lsi"}});
  put(script, {kJump, static_cast<uint32_t>(script) + 8});
  for (const Deadline deadline(kTimeout); adapter.IsPresent();) {
    ASSERT_FALSE(deadline.Passed()) << "the adapter is not ejected";
    if (HasQtestAccelerator(QemuBinary())) qtest().ClockStep(1'000'000);
  }
  qmp().WaitEvent("DEVICE_DELETED", kTimeout);
  for (int i = 0; i < 10; ++i) {
    if (HasQtestAccelerator(QemuBinary())) qtest().ClockStep(1'000'000'000);
    ExpectAlive();
  }
}

}  // namespace
}  // namespace stx
