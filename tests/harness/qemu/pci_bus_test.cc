// SPDX-License-Identifier: GPL-2.0-or-later
// Enumeration of a bus. The configuration spaces are our own, behind the qtest protocol.
#include "harness/qemu/pci.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <sstream>
#include <thread>

#include "base/throws.h"

namespace stx {
namespace {

/// A function: 256 bytes. Of the base address registers, only the bits in their masks can be
/// written.
struct Function {
  std::array<uint8_t, 256> bytes{};
  std::map<uint8_t, uint32_t> writable;  // offset of a BAR: bits that can be written

  Function(uint16_t vendor, uint16_t device) { Put(0, vendor | uint32_t{device} << 16); }
  void Put(uint8_t at, uint32_t value) { std::memcpy(bytes.data() + at, &value, 4); }
  uint32_t Get(uint8_t at) const {
    uint32_t value;
    std::memcpy(&value, bytes.data() + at, 4);
    return value;
  }
  /// `type` is the low bits of the register.
  void AddBar(int index, uint64_t size, uint32_t type) {
    const auto at = static_cast<uint8_t>(0x10 + 4 * index);
    Put(at, type);
    writable[at] = static_cast<uint32_t>(-size) & (type & 1 ? 0xfffcU : 0xfffffff0U);
    if (type & 4) writable[static_cast<uint8_t>(at + 4)] = static_cast<uint32_t>(-size >> 32);
  }
};

/// The ports 0xcf8 and 0xcfc of a machine, over the qtest protocol.
class FakeMachine {
 public:
  FakeMachine() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ThrowErrno("socketpair");
    qtest.emplace(UniqueFd(ends[0]));
    thread_ = std::thread([this, fd = ends[1]] { Serve(UniqueFd(fd)); });
  }
  ~FakeMachine() {
    qtest.reset();
    thread_.join();
  }
  Function& Add(uint8_t bus, uint8_t slot, uint8_t function, uint16_t vendor, uint16_t device) {
    const uint32_t address = uint32_t{bus} << 8 | uint32_t{slot} << 3 | function;
    return functions_.emplace(address, Function(vendor, device)).first->second;
  }

  std::optional<QTest> qtest;

 private:
  void Serve(UniqueFd fd) {
    std::string buffer;
    char chunk[4096];
    for (ssize_t n; (n = read(fd.get(), chunk, sizeof(chunk))) > 0;) {
      buffer.append(chunk, static_cast<size_t>(n));
      for (size_t end; (end = buffer.find('\n')) != std::string::npos;) {
        WriteAll(fd.get(), Answer(buffer.substr(0, end)) + "\n");
        buffer.erase(0, end + 1);
      }
    }
  }
  std::string Answer(const std::string& line) {
    std::istringstream in(line);
    std::string command, port_text, value_text;
    in >> command >> port_text >> value_text;
    const auto port = static_cast<uint16_t>(std::stoul(port_text, nullptr, 0));
    const size_t width = command.back() == 'b' ? 1 : command.back() == 'w' ? 2 : 4;
    const bool out = command.starts_with("out");
    const uint32_t value = out ? static_cast<uint32_t>(std::stoul(value_text, nullptr, 0)) : 0;
    if (out && port == 0xcf8) {
      selected_ = value;
      return "OK";
    }
    const auto found = functions_.find(selected_ >> 8 & 0xffff);
    const auto at = static_cast<uint8_t>((selected_ & 0xfc) + (port - 0xcfc));
    uint32_t held = ~0U;
    if (found != functions_.end()) {
      Function& function = found->second;
      if (out) {
        uint32_t old = function.Get(at & 0xfc), changed = old;
        std::memcpy(reinterpret_cast<char*>(&changed) + (at & 3), &value, width);
        const auto bar = function.writable.find(at & 0xfc);
        const bool is_bar = (at & 0xfc) >= 0x10 && (at & 0xfc) < 0x28 && bar_space_;
        const uint32_t mask = bar != function.writable.end() ? bar->second : is_bar ? 0 : ~0U;
        function.Put(at & 0xfc, (old & ~mask) | (changed & mask));
        return "OK";
      }
      held = 0;
      std::memcpy(&held, function.bytes.data() + at, width);
    }
    if (out) return "OK";
    std::ostringstream answer;
    answer << "OK 0x" << std::hex << (width == 4 ? held : held & ((1U << 8 * width) - 1));
    return answer.str();
  }

 public:
  /// Registers 0x10 to 0x27 are base addresses, except in a bridge, which uses them otherwise.
  bool bar_space_ = true;

 private:
  std::map<uint32_t, Function> functions_;
  uint32_t selected_ = 0;
  std::thread thread_;
};

TEST(PciBus, FindsFunctionsAndLooksAtAllEightOnlyWhereTheHeaderSaysSo) {
  FakeMachine machine;
  machine.Add(0, 1, 0, 0x8086, 1);
  machine.Add(0, 1, 1, 0x8086, 2);  // hidden, because function 0 is not a multi-function device
  machine.Add(0, 31, 0, 0x8086, 3).Put(0x0c, 0x80 << 16);
  machine.Add(0, 31, 7, 0x8086, 4);
  PciBus bus(*machine.qtest);
  std::vector<int> devices;
  for (const PciDevice& device : bus.Scan()) devices.push_back(device.device());
  EXPECT_EQ(devices, (std::vector<int>{1, 3, 4}));
  ASSERT_TRUE(bus.Find(0x8086, 4));
  EXPECT_EQ(bus.Find(0x8086, 4)->slot(), 31);
  EXPECT_EQ(bus.Find(0x8086, 4)->function(), 7);
  EXPECT_FALSE(bus.Find(0x1af4, 4));
  EXPECT_FALSE(bus.At(5).IsPresent());
}

TEST(PciBus, PlacesEachRegisterByItsSizeWithoutOverlap) {
  FakeMachine machine;
  Function& one = machine.Add(0, 1, 0, 1, 1);
  one.AddBar(0, 32, 1);           // I/O
  one.AddBar(1, 4096, 0);         // 32 bits
  one.AddBar(4, 1 << 20, 4 | 8);  // 64 bits, prefetchable
  Function& other = machine.Add(0, 2, 0, 1, 2);
  other.AddBar(0, 16384, 0);
  PciBus bus(*machine.qtest);
  const std::vector<uint64_t> first = bus.Enable(bus.At(1)), second = bus.Enable(bus.At(2));
  EXPECT_EQ(first[0] % 32, 0u);
  EXPECT_NE(first[0], 0u);
  EXPECT_EQ(first[1] % 4096, 0u);
  EXPECT_EQ(first[2], 0u);
  EXPECT_EQ(first[3], 0u);
  EXPECT_EQ(first[4] % (1 << 20), 0u);
  EXPECT_EQ(first[5], 0u) << "the upper half of register 4";
  EXPECT_GE(first[4], first[1] + 4096);
  EXPECT_GE(second[0], first[4] + (1 << 20));
  EXPECT_EQ(one.Get(0x10), first[0] | 1);
  EXPECT_EQ(one.Get(0x14), first[1]);
  EXPECT_EQ(one.Get(0x20), first[4] | 4 | 8);
  EXPECT_EQ(one.Get(0x24), 0u);
  EXPECT_EQ(one.Get(0x04) & 0xffff, 7u) << "I/O, memory and bus mastering are on";
}

TEST(PciBus, ARegisterThatDoesNotFitIsRefused) {
  FakeMachine machine;
  machine.Add(0, 1, 0, 1, 1).AddBar(0, 1ULL << 33, 4);
  PciBus bus(*machine.qtest);
  EXPECT_TRUE(Throws<std::runtime_error>("does not fit", [&] { bus.Enable(bus.At(1)); }));
}

TEST(PciBus, BusesBehindBridgesHaveNumbersAndWindowsOfTheirOwn) {
  FakeMachine machine;
  machine.bar_space_ = false;
  Function& left = machine.Add(0, 2, 0, 1, 1);
  Function& right = machine.Add(0, 3, 0, 1, 1);
  machine.Add(2, 9, 0, 1, 7);
  PciBus root(*machine.qtest);
  root.Behind(root.At(2), 4 << 20);
  PciBus behind = root.Behind(root.At(3), 4 << 20);
  EXPECT_EQ(left.Get(0x18) & 0xffffff, 0x010100u) << "primary 0, secondary 1, subordinate 1";
  EXPECT_EQ(right.Get(0x18) & 0xffffff, 0x020200u);
  const auto base = [](const Function& bridge) { return (bridge.Get(0x20) & 0xfff0) << 16; };
  const auto limit = [](const Function& bridge) { return bridge.Get(0x20) | 0xfffff; };
  EXPECT_EQ(limit(left) - base(left) + 1, 4u << 20);
  EXPECT_EQ(base(right), limit(left) + 1);
  EXPECT_EQ(right.Get(0x24), 0xfff0u) << "no prefetchable window";
  EXPECT_EQ(behind.At(9).device(), 7);
}

TEST(PciDevice, CapabilitiesOfAListThatLoopsAreFinite) {
  FakeMachine machine;
  Function& function = machine.Add(0, 1, 0, 1, 1);
  function.Put(0x34, 0x40);
  function.Put(0x40, 0x5009);  // vendor, next 0x50
  function.Put(0x50, 0x6011);  // MSI-X, next 0x60
  function.Put(0x60, 0x0009);  // vendor, the last
  PciBus bus(*machine.qtest);
  EXPECT_EQ(bus.At(1).FindCapabilities(pci::kCapabilityVendor), (std::vector<uint8_t>{0x40, 0x60}));
  EXPECT_EQ(bus.At(1).FindCapabilities(pci::kCapabilityMsix), std::vector<uint8_t>{0x50});
  EXPECT_TRUE(bus.At(1).FindCapabilities(0x77).empty());
  function.Put(0x60, 0x4009);
  EXPECT_EQ(bus.At(1).FindCapabilities(pci::kCapabilityMsix).size(), 16u);
}

}  // namespace
}  // namespace stx
