// SPDX-License-Identifier: GPL-2.0-or-later
// libvhost-user-checks.patch: QEMU as a vhost-user-blk back-end. A guest's indirect table may span
// two memory regions; a front-end may name queues and regions that do not exist.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <iostream>

#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_message.h"

namespace stx {
namespace {

using Request = VhostUserRequest;

constexpr Milliseconds kTimeout{10000};
constexpr uint64_t kRegion = 1 << 20;  ///< bytes; two of them, adjacent, from 0 on
constexpr uint16_t kQueueSize = 16;
constexpr uint64_t kDescriptors = 0x1000, kAvailable = 0x2000, kUsed = 0x3000, kHeader = 0x4000,
                   kData = 0x5000, kStatus = 0x6000;
constexpr uint16_t kNext = 1, kWrite = 2, kIndirect = 4;

/// Memory of the guest, whose addresses are also the front-end's.
class Memory {
 public:
  Memory() {
    void* at = mmap(nullptr, 2 * kRegion, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) ThrowErrno("mmap");
    bytes_ = static_cast<uint8_t*>(at);
    for (int i = 0; i < 2; ++i) {
      fds[i] = UniqueFd(memfd_create("region", MFD_CLOEXEC));
      if (!fds[i] || ftruncate(fds[i].get(), kRegion) != 0 ||
          mmap(bytes_ + i * kRegion, kRegion, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
               fds[i].get(), 0) == MAP_FAILED)
        ThrowErrno("region");
    }
  }
  ~Memory() { munmap(bytes_, 2 * kRegion); }
  template <typename T>
  void Put(uint64_t at, T value) {
    std::memcpy(bytes_ + at, &value, sizeof(value));
  }
  template <typename T>
  T Get(uint64_t at) const {
    T value;
    std::memcpy(&value, bytes_ + at, sizeof(value));
    return value;
  }
  std::string Bytes(uint64_t at, size_t size) const {
    return {reinterpret_cast<const char*>(bytes_ + at), size};
  }
  void PutDescriptor(uint64_t at, uint64_t address, uint32_t length, uint16_t flags,
                     uint16_t next) {
    Put(at, address);
    Put(at + 8, length);
    Put(at + 12, flags);
    Put(at + 14, next);
  }

  std::array<UniqueFd, 2> fds;

 private:
  uint8_t* bytes_;
};

class LibvhostUserChecks : public testing::Test {
 protected:
  void SetUp() override {
    WriteFile(dir / "disk", std::string(1 << 20, 'd'));
    QemuOptions options;
    options.args = {"-machine",
                    "none",
                    "-nodefaults",
                    "-display",
                    "none",
                    "-blockdev",
                    "driver=file,node-name=d,filename=" + (dir / "disk").string()};
    qemu.emplace(std::move(options));
    try {
      qemu->qmp().Execute("block-export-add",
                          {{"type", "vhost-user-blk"},
                           {"id", "e"},
                           {"node-name", "d"},
                           {"addr", {{"type", "unix"}, {"path", (dir / "blk.sock").string()}}}});
    } catch (const QmpError& error) {
      GTEST_SKIP() << "$QEMU exports nothing by vhost-user: " << error.desc();
    }
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << qemu->Report() << "\n";
  }

  void Connect() { connection = ConnectUnix(dir / "blk.sock", Deadline(kTimeout)); }
  void Send(Request request, const std::string& payload, const std::vector<int>& fds = {}) {
    const uint32_t header[3] = {static_cast<uint32_t>(request), 1,
                                static_cast<uint32_t>(payload.size())};
    std::string bytes(reinterpret_cast<const char*>(header), sizeof(header));
    bytes += payload;
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
    iovec vector{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
    }
    if (sendmsg(connection.get(), &message, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      ThrowErrno(ToString(request));
  }
  static std::string U64(std::initializer_list<uint64_t> values) {
    std::string bytes;
    for (uint64_t value : values)
      bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return bytes;
  }
  static std::string State(uint32_t index, uint32_t value) {
    return U64({index | uint64_t{value} << 32});
  }
  void SendTable() {
    const auto fd = [&](int i) { return memory.fds[static_cast<size_t>(i)].get(); };
    Send(Request::kSetMemTable, U64({2, 0, kRegion, 0, 0, kRegion, kRegion, kRegion, 0}),
         {fd(0), fd(1)});
  }
  /// Everything up to a running queue 0.
  void StartQueue() {
    constexpr uint64_t kFeatures = 1ULL << 32 | 1ULL << 28;  // VERSION_1, INDIRECT_DESC
    memory.Put<uint16_t>(kAvailable + 2, 0);
    memory.Put<uint16_t>(kUsed + 2, 0);
    Send(Request::kSetOwner, "");
    Send(Request::kSetFeatures, U64({kFeatures}));
    SendTable();
    Send(Request::kSetVringNum, State(0, kQueueSize));
    Send(Request::kSetVringBase, State(0, 0));
    Send(Request::kSetVringAddr, U64({0, kDescriptors, kUsed, kAvailable, 0}));
    Send(Request::kSetVringCall, U64({0}), {call.get()});
    Send(Request::kSetVringKick, U64({0}), {kick.get()});
  }
  /// Reads the first sector through an indirect table of three descriptors at `table`.
  void ExpectRead(uint64_t table) {
    memory.Put<uint64_t>(kHeader, 0);
    memory.Put<uint64_t>(kHeader + 8, 0);
    memory.Put<uint8_t>(kStatus, 0xff);
    memory.PutDescriptor(table, kHeader, 16, kNext, 1);
    memory.PutDescriptor(table + 16, kData, 512, kNext | kWrite, 2);
    memory.PutDescriptor(table + 32, kStatus, 1, kWrite, 0);
    memory.PutDescriptor(kDescriptors, table, 48, kIndirect, 0);
    const auto index = memory.Get<uint16_t>(kAvailable + 2);
    memory.Put<uint16_t>(kAvailable + 4 + 2 * (index % kQueueSize), 0);
    memory.Put(kAvailable + 2, static_cast<uint16_t>(index + 1));
    eventfd_write(kick.get(), 1);
    for (const Deadline deadline(kTimeout); memory.Get<uint16_t>(kUsed + 2) != index + 1;) {
      ASSERT_TRUE(WaitFor(call.get(), POLLIN, deadline)) << "the request does not end";
      eventfd_t ignored;
      eventfd_read(call.get(), &ignored);
    }
    EXPECT_EQ(memory.Get<uint8_t>(kStatus), 0);
    EXPECT_EQ(memory.Bytes(kData, 512), std::string(512, 'd'));
  }
  /// Checks that the back-end closes the connection and serves the next one, and that QEMU
  /// survives.
  void ExpectRefused() {
    char byte;
    ASSERT_TRUE(WaitFor(connection.get(), POLLIN, Deadline(kTimeout)));
    EXPECT_LE(read(connection.get(), &byte, 1), 0);
    EXPECT_TRUE(qemu->process().Running());
    EXPECT_NO_THROW(qemu->qmp().Execute("query-status"));
    Connect();
    StartQueue();
    ExpectRead(0x7000);
  }

  TempDir dir{"libvhost"};
  std::optional<Qemu> qemu;
  UniqueFd connection;
  Memory memory;
  UniqueFd kick{eventfd(0, EFD_CLOEXEC)}, call{eventfd(0, EFD_CLOEXEC)};
};

TEST_F(LibvhostUserChecks, AnIndirectTableAcrossTwoRegionsIsRead) {
  Connect();
  StartQueue();
  ExpectRead(0x7000);
  for (uint64_t before : {16, 32, 24}) ExpectRead(kRegion - before);
}

TEST_F(LibvhostUserChecks, AQueueThatThereIsNotIsRefused) {
  for (Request request : {Request::kSetVringNum, Request::kSetVringBase, Request::kGetVringBase}) {
    SCOPED_TRACE(ToString(request));
    Connect();
    Send(request, State(1 << 20, 16));
    ExpectRefused();
    if (HasFatalFailure()) return;
  }
  Connect();
  SendTable();
  Send(Request::kSetVringAddr, U64({1 << 20, kDescriptors, kUsed, kAvailable, 0}));
  ExpectRefused();
}

TEST_F(LibvhostUserChecks, AQueueOfAnImpossibleSizeIsRefused) {
  for (uint32_t size : {0u, 3u, 32768u}) {
    SCOPED_TRACE(size);
    Connect();
    Send(Request::kSetVringNum, State(0, size));
    ExpectRefused();
    if (HasFatalFailure()) return;
  }
}

TEST_F(LibvhostUserChecks, AMemoryTableWithMoreRegionsThanDescriptorsIsRefused) {
  for (uint64_t regions : {2, 9, 4096}) {
    SCOPED_TRACE(regions);
    Connect();
    Send(Request::kSetMemTable, U64({regions, 0, kRegion, 0, 0, kRegion, kRegion, kRegion, 0}),
         {memory.fds[0].get()});
    ExpectRefused();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace stx
