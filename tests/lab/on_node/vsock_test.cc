// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's vhost-vsock, which carries Kata's agent: data in both directions, many streams, and
// the errors for connections that come too late.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
// After sys/socket.h, because it needs sockaddr.
#include <linux/vm_sockets.h>

#include <cstring>
#include <future>
#include <optional>

#include "base/pattern.h"
#include "kata/pod_shim.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

constexpr unsigned kEcho = 7000, kNobody = 7001;
constexpr size_t kMany = 256;

/// On failure, `error` is set to errno.
UniqueFd Connect(uint64_t cid, unsigned port, int* error) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = static_cast<unsigned>(cid);
  address.svm_port = port;
  UniqueFd fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  *error = 0;
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    *error = errno;
    fd.Reset();
  }
  return fd;
}

/// Throws with `what` and the number of bytes received if the bytes do not arrive.
std::string ReadExactly(int fd, size_t size, const std::string& what) {
  std::string bytes(size, '\0');
  size_t done = 0;
  auto fail = [&](const std::string& why) {
    throw std::runtime_error(what + ": " + why + " after " + std::to_string(done) + " of " +
                             std::to_string(size) + " bytes");
  };
  while (done < size) {
    if (!WaitFor(fd, POLLIN, Deadline(Milliseconds(60000)))) fail("nothing came");
    const ssize_t n = read(fd, bytes.data() + done, size - done);
    if (n <= 0) fail("the stream ended");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

class KernelVsock : public testing::Test {
 protected:
  KernelVsock() {
    pod.emplace(NodePod());
    pod->agent().Request({{"op", "vsock-echo"}, {"port", kEcho}});
    cid = pod->values().guest_cid;
  }
  UniqueFd Stream() {
    int error;
    UniqueFd fd = Connect(cid, kEcho, &error);
    if (!fd) throw std::runtime_error(std::string("connect: ") + std::strerror(error));
    return fd;
  }

  std::optional<Pod> pod;
  uint64_t cid;
};

TEST_F(KernelVsock, CarriesBytesBothWaysAndEndsAsItShould) {
  ASSERT_EQ(pod->VsockKind(), "vhost-vsock");
  const std::string bytes = MakePattern(8 << 20, 1);

  // More than all buffers in between can hold, so it must be read while it is sent.
  UniqueFd stream = Stream();
  auto sent = std::async(std::launch::async, [&] { WriteAll(stream.get(), bytes); });
  const auto start = Clock::now();
  std::string back;
  try {
    back = ReadExactly(stream.get(), bytes.size(), "8 MiB");
  } catch (...) {
    shutdown(stream.get(), SHUT_RDWR);  // or the sender would never end
    throw;
  }
  const auto took = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  sent.get();
  EXPECT_TRUE(back == bytes);
  for (size_t i = 0; i < 200; ++i) {
    WriteAll(stream.get(), bytes.substr(i, 1));
    ASSERT_EQ(ReadExactly(stream.get(), 1, "byte " + std::to_string(i)), bytes.substr(i, 1));
  }
  shutdown(stream.get(), SHUT_WR);
  char byte;
  EXPECT_EQ(read(stream.get(), &byte, 1), 0) << "the guest's end of the stream";

  // The other direction: the guest has connected, and a file is sent over that connection.
  pod->agent().Write("/tmp/large", bytes.substr(0, 4 << 20));
  EXPECT_TRUE(pod->agent().Read("/tmp/large") == bytes.substr(0, 4 << 20));

  std::vector<UniqueFd> streams;
  for (size_t i = 0; i < kMany; ++i) streams.push_back(Stream());
  for (size_t i = 0; i < kMany; ++i) WriteAll(streams[i].get(), bytes.substr(i * 1000, 1000));
  for (size_t i = 0; i < kMany; ++i) {
    const std::string name = "stream " + std::to_string(i);
    ASSERT_TRUE(ReadExactly(streams[i].get(), 1000, name) == bytes.substr(i * 1000, 1000)) << name;
  }
  streams.clear();

  int error;
  EXPECT_FALSE(Connect(cid, kNobody, &error));
  EXPECT_EQ(error, ECONNRESET) << "a port on which nothing listens";
  stream = Stream();
  PodShim(*pod).Stop();
  pod.reset();  // and with it the shim's descriptor of the device
  EXPECT_LE(read(stream.get(), &byte, 1), 0) << "a stream of a pod that is gone";
  EXPECT_FALSE(Connect(cid, kEcho, &error));
  EXPECT_EQ(error, ENODEV) << "a pod that is gone";
  ReportFact("8 MiB there and back in " + Text(took) + ", single bytes, " + std::to_string(kMany) +
             " streams at once, refusals");
}

}  // namespace
}  // namespace stx
