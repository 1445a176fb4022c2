// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/vhost_user/vhost_user_device.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace stx {
namespace {

/// Header and payload of a message from a front-end (vhost-user, "Message Specification").
std::string Message(uint32_t request, const std::string& payload = {}, uint32_t size = UINT32_MAX) {
  uint32_t header[3] = {request, 1 /* version */, size};
  if (size == UINT32_MAX) header[2] = static_cast<uint32_t>(payload.size());
  return std::string(reinterpret_cast<char*>(header), sizeof(header)) + payload;
}

std::string State(uint32_t index, uint32_t value) {
  uint32_t fields[2] = {index, value};
  return {reinterpret_cast<char*>(fields), sizeof(fields)};
}

constexpr uint32_t kGetFeatures = 1, kSetMemTable = 5, kSetVringNum = 8, kSetVringAddr = 9,
                   kSetVringBase = 10, kGetVringBase = 11, kSetVringKick = 12, kGetConfig = 24;

class VhostUserDeviceTest : public testing::Test, public VhostUserHandler {
 protected:
  VhostUserDeviceTest() { device->Start(); }
  ~VhostUserDeviceTest() override { device.reset(); }

  uint64_t Features() const override { return 1 << 5; }
  std::span<const uint8_t> Config() const override { return config; }
  void HandleQueue(int) override {}

  UniqueFd Connect() { return ConnectUnix(dir / "sock", Deadline(Milliseconds(5000))); }

  static std::string Read(const UniqueFd& fd, size_t size,
                          Milliseconds timeout = Milliseconds(5000)) {
    std::string text;
    while (text.size() < size && WaitFor(fd.get(), POLLIN, Deadline(timeout))) {
      char bytes[512];
      ssize_t n = read(fd.get(), bytes, std::min(sizeof(bytes), size - text.size()));
      if (n <= 0) return text + "EOF";
      text.append(bytes, static_cast<size_t>(n));
    }
    return text;
  }

  /// The u64 in the reply to a request.
  static uint64_t Ask(const UniqueFd& fd, uint32_t request) {
    WriteAll(fd.get(), Message(request));
    std::string reply = Read(fd, 12 + 8);
    uint64_t value = 0;
    if (reply.size() == 20) std::memcpy(&value, reply.data() + 12, 8);
    return value;
  }

  static bool Answers(const UniqueFd& fd) {
    return Ask(fd, kGetFeatures) & uint64_t{1} << 32;  // VERSION_1
  }

  TempDir dir;
  std::vector<uint8_t> config{1, 2, 3, 4};
  std::optional<VhostUserDevice> device{std::in_place, dir / "sock", 2, *this};
};

TEST_F(VhostUserDeviceTest, OffersTheHandlersFeaturesBesideItsOwn) {
  uint64_t features = Ask(Connect(), kGetFeatures);
  EXPECT_TRUE(features & 1 << 5);
  for (int bit : {28, 29, 30, 32}) EXPECT_TRUE(features & uint64_t{1} << bit) << bit;
}

TEST_F(VhostUserDeviceTest, GivesTheConfigurationSpaceAndNothingPastIt) {
  UniqueFd qemu = Connect();
  auto ask = [&](uint32_t size) {
    uint32_t fields[3] = {0, size, 0};  // offset, size, flags
    std::string payload(reinterpret_cast<char*>(fields), sizeof(fields));
    WriteAll(qemu.get(), Message(kGetConfig, payload + std::string(size, '\0')));
  };
  ask(4);
  EXPECT_EQ(Read(qemu, 12 + 12 + 4).substr(24), "\1\2\3\4");
  ask(5);
  std::string refusal = Read(qemu, 12);
  ASSERT_EQ(refusal.size(), 12u);
  EXPECT_EQ(refusal.substr(8), std::string(4, '\0')) << "a reply of size 0 is the error";
  EXPECT_TRUE(Answers(qemu));
}

TEST_F(VhostUserDeviceTest, ServesOneFrontEndAtATime) {
  UniqueFd first = Connect();
  EXPECT_TRUE(Answers(first));
  UniqueFd second = Connect();
  WriteAll(second.get(), Message(kGetFeatures));
  EXPECT_EQ(Read(second, 20, Milliseconds(50)), "");
  first.Reset();
  EXPECT_EQ(Read(second, 20).size(), 20u);
}

TEST_F(VhostUserDeviceTest, AFrontEndThatGoesInTheMiddleOfAMessageIsForgotten) {
  std::string message = Message(kSetVringNum, State(0, 128));
  for (size_t length = 0; length < message.size(); ++length) {
    UniqueFd qemu = Connect();
    if (length) WriteAll(qemu.get(), message.substr(0, length));
  }
  EXPECT_TRUE(Answers(Connect()));
}

TEST_F(VhostUserDeviceTest, DropsAFrontEndThatSendsNonsense) {
  static bool survived = false;  // request 0 makes libvhost-user exit with success
  std::atexit([] {
    if (!survived) _exit(1);
  });
  for (const std::string& nonsense :
       {Message(0), Message(kSetVringNum, State(2, 128)), Message(kSetVringNum, State(0, 0)),
        Message(kSetVringNum, State(0, 1025)), Message(kSetVringBase, State(0xffffffff, 0)),
        Message(kGetVringBase, State(2, 0)), Message(kSetVringAddr, State(7, 0)),
        Message(kSetMemTable, State(8, 0)), Message(kGetFeatures, "", 1 << 20),
        Message(kGetFeatures, "", 0xfffffffe)}) {
    UniqueFd qemu = Connect();
    EXPECT_TRUE(Answers(qemu));
    WriteAll(qemu.get(), nonsense);
    EXPECT_TRUE(Read(qemu, 1).ends_with("EOF"));
  }
  survived = true;
  EXPECT_TRUE(Answers(Connect()));
}

TEST_F(VhostUserDeviceTest, SaysWhyAQueueIsBroken) {
  UniqueFd qemu = Connect();
  EXPECT_TRUE(Answers(qemu));
  EXPECT_EQ(device->Broken(), "");
  WriteAll(qemu.get(), Message(kSetVringKick, std::string("\7\1\0\0\0\0\0\0", 8)));  // queue 7
  EXPECT_TRUE(Answers(qemu));
  EXPECT_NE(device->Broken().find("queue index"), std::string::npos) << device->Broken();
}

TEST_F(VhostUserDeviceTest, StopsWithAFrontEndConnected) {
  UniqueFd qemu = Connect();
  EXPECT_TRUE(Answers(qemu));
  device.reset();
  EXPECT_EQ(Read(qemu, 1), "EOF");
  EXPECT_FALSE(std::filesystem::exists(dir / "sock"));
}

}  // namespace
}  // namespace stx
