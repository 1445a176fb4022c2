// SPDX-License-Identifier: GPL-2.0-or-later
// The cold-plugged devices of a pod other than disks and networks: entropy, console, serial port,
// 9p share, panic and its dump, and the ways in which a guest ends its machine.

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/load.h"
#include "base/pattern.h"
#include "base/throws.h"
#include "base/waiting.h"
#include "harness/virtio/console_driver.h"
#include "harness/virtio/nine_p.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"

namespace stx {
namespace {

constexpr uint8_t kSlot = 0x1d;

std::string ReadFrom(const UniqueFd& fd, size_t size) {
  std::string text(size, '\0');
  size_t have = 0;
  for (const Deadline deadline(QtestPod::kWait); have < size;) {
    if (!WaitFor(fd.get(), POLLIN, deadline)) break;
    const ssize_t n = read(fd.get(), text.data() + have, size - have);
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  text.resize(have);
  return text;
}

QtestPodOptions With(const std::vector<std::string>& args) {
  QtestPodOptions options;
  options.qemu.args = args;
  return options;
}

TEST(Rng, TheGuestGetsTheBytesOfItsSourceInOrder) {
  Covers({"1.1 rng", "1.2 entropy_source", "1.1 late-ids", "virtio 5.4.6.2 bytes"});
  TempDir dir;
  const std::string source = MakePattern(64 << 10, 1);
  WriteFile(dir / "source", source);
  QtestPod pod(With({"-device", "virtio-rng-pci,rng=rng0,addr=1d", "-object",
                     "rng-random,id=rng0,filename=" + (dir / "source").string()}));
  VirtioPciDevice device(pod.root(), pod.root().At(kSlot));
  device.Negotiate(0);
  Virtqueue queue = device.SetUpQueue(0, pod.heap());
  device.SetDriverOk();
  const uint64_t buffer = pod.heap().Allocate(4096);
  std::string got;
  for (int i = 0; got.size() < 20000 && i < 1000; ++i) {
    queue.Add({{buffer, 4096, true}});
    device.Notify(0);
    const uint32_t written = queue.Wait(Deadline(QtestPod::kWait)).written;
    ASSERT_GT(written, 0u);
    const auto bytes = pod.qtest().MemRead(buffer, written);
    got.append(bytes.begin(), bytes.end());
  }
  EXPECT_TRUE(got == source.substr(0, got.size()));
}

TEST(Rng, WithinAPeriodItGivesNoMoreThanItMay) {
  Covers({"1.1 rng"});
  QtestPod pod(With({"-device", "virtio-rng-pci,rng=rng0,addr=1d,max-bytes=16,period=600000",
                     "-object", "rng-random,id=rng0,filename=/dev/urandom"}));
  VirtioPciDevice device(pod.root(), pod.root().At(kSlot));
  device.Negotiate(0);
  Virtqueue queue = device.SetUpQueue(0, pod.heap());
  device.SetDriverOk();
  const uint64_t buffer = pod.heap().Allocate(4096);
  queue.Add({{buffer, 64, true}});
  device.Notify(0);
  EXPECT_EQ(queue.Wait(Deadline(QtestPod::kWait)).written, 16u);
  queue.Add({{buffer, 64, true}});
  device.Notify(0);
  EXPECT_FALSE(HoldsBefore(Deadline(Milliseconds(100)), [&] { return queue.Take().has_value(); }))
      << "ten minutes are not over";
}

class Console : public testing::Test {
 protected:
  void SetUp() override {
    Covers({"1.1 console"});
    pod.emplace(With({"-device", "virtio-serial-pci,disable-modern=false,id=serial0,addr=1d",
                      "-device", "virtconsole,chardev=charconsole0,id=console0", "-chardev",
                      "socket,id=charconsole0,path=" + path() + ",server=on,wait=off"}));
    driver.emplace(pod->root(), kSlot, pod->heap());
  }
  std::string path() { return dir / "console.sock"; }

  TempDir dir;
  std::optional<QtestPod> pod;
  std::optional<ConsoleDriver> driver;
};

TEST_F(Console, BytesGoBothWays) {
  UniqueFd client = ConnectUnix(path(), Deadline(QtestPod::kWait));
  driver->Print("from the guest\r\n");
  EXPECT_EQ(ReadFrom(client, 16), "from the guest\r\n");
  WriteAll(client.get(), MakePattern(3000, 1));
  EXPECT_TRUE(driver->Read(3000) == MakePattern(3000, 1));
}

// What the console's reader does not take is dropped: the guest must never wait for it.
TEST_F(Console, AReaderThatSleepsDoesNotHoldTheGuestUp) {
  UniqueFd client = ConnectUnix(path(), Deadline(QtestPod::kWait));
  WriteAll(client.get(), "x");
  EXPECT_EQ(driver->Read(1), "x");
  const std::string text = MakePattern(400 << 10, 1);
  driver->Print(text);
  driver->WaitPrinted();
  const std::string start = ReadFrom(client, 16 << 10);
  EXPECT_TRUE(start == text.substr(0, 16 << 10));
}

TEST_F(Console, ClientsComeAndGoAndTheGuestIsNeverHeldUp) {
  driver->Print("to nobody");
  driver->WaitPrinted();
  for (int i = 0; i < 5; ++i) {
    UniqueFd client = ConnectUnix(path(), Deadline(QtestPod::kWait));
    // QEMU has seen the client once it answers.
    WriteAll(client.get(), "x");
    EXPECT_EQ(driver->Read(1), "x");
    driver->Print("to client " + std::to_string(i));
    EXPECT_EQ(ReadFrom(client, 11), "to client " + std::to_string(i));
    driver->WaitPrinted();
  }
}

TEST(LegacySerial, BytesGoBothWays) {
  Covers({"1.2 use_legacy_serial"});
  TempDir dir;
  const std::string path = dir / "serial.sock";
  QtestPod pod(With({"-serial", "chardev:charconsole0", "-chardev",
                     "socket,id=charconsole0,path=" + path + ",server=on,wait=off"}));
  constexpr uint16_t kPort = 0x3f8, kLineStatus = kPort + 5;
  UniqueFd client = ConnectUnix(path, Deadline(QtestPod::kWait));
  WriteAll(client.get(), "in");
  std::string got;
  HoldsBefore(Deadline(QtestPod::kWait), [&] {
    if (pod.qtest().InB(kLineStatus) & 1) got += static_cast<char>(pod.qtest().InB(kPort));
    return got.size() == 2;
  });
  EXPECT_EQ(got, "in");
  for (char c : std::string("ttyS0 says\r\n")) {
    EXPECT_TRUE(pod.qtest().InB(kLineStatus) & 0x20) << "the transmitter is not free";
    pod.qtest().OutB(kPort, static_cast<uint8_t>(c));
  }
  EXPECT_EQ(ReadFrom(client, 12), "ttyS0 says\r\n");
}

TEST(Virtio9p, TheShareIsReadAndWritten) {
  Covers({"1.2 virtio-9p"});
  TempDir dir;
  std::filesystem::create_directory(dir / "sub");
  const std::string text = MakePattern(100000, 1);
  WriteFile(dir / "sub" / "file", text);
  QtestPod pod(With({"-device",
                     "virtio-9p-pci,addr=1d,disable-modern=false,fsdev=extra-9p-kataShared,"
                     "mount_tag=kataShared",
                     "-fsdev",
                     "local,id=extra-9p-kataShared,path=" + dir.path().string() +
                         ",security_model=none,multidevs=remap"}));
  NineP share(pod.root(), kSlot, pod.heap());
  EXPECT_EQ(share.MountTag(), "kataShared");
  share.Walk(1, {"sub", "file"});
  share.Open(1, O_RDONLY);
  std::string got;
  while (got.size() < text.size()) {
    const std::string part = share.Read(1, got.size(), 32 << 10);
    ASSERT_FALSE(part.empty());
    got += part;
  }
  EXPECT_TRUE(got == text);
  share.Clunk(1);

  share.Walk(2, {"sub"});
  share.Create(2, "made", O_RDWR, 0640);
  EXPECT_EQ(share.Write(2, 0, text.substr(0, 50000)), 50000u);
  EXPECT_TRUE(share.Read(2, 100, 1000) == text.substr(100, 1000));
  share.Clunk(2);
  EXPECT_TRUE(ReadFile(dir / "sub" / "made") == text.substr(0, 50000));
  struct stat status {};
  ASSERT_EQ(stat((dir / "sub" / "made").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(Virtio9p, WhatIsNotThereAndWhatIsOutsideIsAnError) {
  Covers({"1.2 virtio-9p"});
  TempDir dir;
  QtestPod pod(
      With({"-device", "virtio-9p-pci,addr=1d,fsdev=fs,mount_tag=share", "-fsdev",
            "local,id=fs,security_model=none,multidevs=remap,path=" + dir.path().string()}));
  NineP share(pod.root(), kSlot, pod.heap());
  EXPECT_TRUE(Throws<std::runtime_error>(std::strerror(ENOENT), [&] { share.Walk(1, {"none"}); }));
  EXPECT_EQ(share.error(), static_cast<uint32_t>(ENOENT));
  // ".." in the root is the root.
  share.Walk(1, {"..", "..", ".."});
  share.Create(1, "in-the-share", O_RDWR, 0600);
  EXPECT_TRUE(std::filesystem::exists(dir / "in-the-share"));
  EXPECT_TRUE(Throws<std::runtime_error>(std::strerror(ENOENT), [&] { share.Walk(3, {"a/b"}); }))
      << "a name with a slash";
  EXPECT_TRUE(Throws<std::runtime_error>(std::strerror(EINVAL), [&] { share.Read(77, 0, 10); }))
      << "a fid that was never made";
}

class Panic : public testing::Test {
 protected:
  static constexpr uint16_t kPort = 0x505;
  static constexpr uint8_t kPanicked = 1, kCrashLoaded = 2;
  void SetUp() override { Covers({"1.2 guest_memory_dump_path"}); }
  QtestPod pod{With({"-device", "pvpanic", "-no-shutdown"})};
};

TEST_F(Panic, IsToldAndStopsTheMachine) {
  EXPECT_EQ(pod.qtest().InB(kPort), kPanicked | kCrashLoaded) << "what it can be told";
  pod.qtest().OutB(kPort, kPanicked);
  EXPECT_EQ(pod.qmp().WaitEvent("GUEST_PANICKED")["data"]["action"], "pause");
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "guest-panicked");
  EXPECT_TRUE(pod.qemu().process().Running());
}

TEST_F(Panic, ACrashKernelIsToldAndTheMachineRunsOn) {
  pod.qtest().OutB(kPort, kCrashLoaded);
  pod.qmp().WaitEvent("GUEST_CRASHLOADED");
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "running");
}

TEST_F(Panic, TheDumpHasTheGuestsMemory) {
  Covers({"2.2 dump"});
  constexpr uint64_t kAt = 33 << 20;
  const std::string text = MakePattern(10000, 1);
  pod.qtest().MemWrite(kAt, text.data(), text.size());
  pod.qtest().OutB(kPort, kPanicked);
  pod.qmp().WaitEvent("GUEST_PANICKED");
  for (bool paging : {false, true}) {
    TempDir dir;
    const std::string path = dir / "vmcore.elf";
    pod.qmp().Execute("dump-guest-memory", MakeDump(path, paging), Milliseconds(60000));
    pod.qmp().WaitEvent("DUMP_COMPLETED");
    const std::string core = ReadFile(path);
    ASSERT_EQ(core.compare(0, SELFMAG, ELFMAG), 0);
    // Without paging, there is one segment for the RAM, by guest-physical address. With paging it
    // would be described by the page tables of the halted CPU, which map nothing.
    if (paging) continue;
    const auto header = LoadAt<Elf64_Ehdr>(core, 0, "the dump");
    ASSERT_EQ(header.e_ident[EI_CLASS], ELFCLASS64);
    bool found = false;
    for (size_t i = 0; i < header.e_phnum; ++i) {
      const auto segment =
          LoadAt<Elf64_Phdr>(core, header.e_phoff + i * sizeof(Elf64_Phdr), "the dump");
      if (segment.p_type != PT_LOAD || kAt < segment.p_paddr ||
          kAt + text.size() > segment.p_paddr + segment.p_filesz)
        continue;
      found = true;
      EXPECT_TRUE(core.compare(segment.p_offset + kAt - segment.p_paddr, text.size(), text) == 0);
    }
    EXPECT_TRUE(found) << "no segment has the address";
  }
}

TEST_F(Panic, ADumpThatCannotBeWrittenIsAnErrorAndTheMachineRunsOn) {
  Covers({"2.2 dump", "2.1 errors"});
  EXPECT_NE(pod.GetRefusal("dump-guest-memory", MakeDump("/none/vmcore", false)), "");
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "running");
}

TEST_F(Panic, ADumpOfARunningMachineStopsAndResumesIt) {
  Covers({"2.2 dump"});
  TempDir dir;
  pod.qmp().Execute("dump-guest-memory", MakeDump(dir / "v", false), Milliseconds(60000));
  for (const char* event : {"STOP", "DUMP_COMPLETED", "RESUME"}) pod.qmp().WaitEvent(event);
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "running");
}

// panic=1 reboot=k: the kernel resets through the keyboard controller, and --no-reboot makes QEMU
// exit.
class Reset : public testing::TestWithParam<std::pair<uint16_t, uint8_t>> {};

TEST_P(Reset, EndsTheMachineWithNoReboot) {
  Covers({"1.1 no-reboot"});
  QtestPod pod(With({"--no-reboot"}));
  pod.qmp();
  const auto [port, value] = GetParam();
  try {
    pod.qtest().OutB(port, value);
  } catch (const std::runtime_error& error) {
    // QEMU may exit before it answers.
    EXPECT_STREQ(error.what(), "qtest: QEMU closed the connection");
  }
  const auto status = pod.qemu().process().Wait(QtestPod::kWait);
  ASSERT_TRUE(status) << "QEMU still runs";
  EXPECT_TRUE(status->Success()) << status->ToString();
  EXPECT_EQ(pod.qmp().WaitEvent("SHUTDOWN")["data"]["reason"], "guest-reset");
}

TEST_P(Reset, RestartsItWithout) {
  Covers({"1.1 no-reboot"});
  QtestPod pod;
  const auto [port, value] = GetParam();
  pod.qtest().OutB(port, value);
  EXPECT_EQ(pod.qmp().WaitEvent("RESET")["data"]["guest"], true);
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "running");
}

INSTANTIATE_TEST_SUITE_P(Ways, Reset,
                         testing::Values(std::pair<uint16_t, uint8_t>{0x64, 0xfe},
                                         std::pair<uint16_t, uint8_t>{0xcf9, 0x06}),
                         [](const auto& info) {
                           return std::string(info.param.first == 0x64 ? "Keyboard" : "Ich9");
                         });

}  // namespace
}  // namespace stx
