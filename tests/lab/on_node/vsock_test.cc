// The kernel's vhost-vsock, which carries Kata's agent: bytes both ways, many streams, and what is
// said to who is late.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
// After sys/socket.h, whose sockaddr it needs.
#include <linux/vm_sockets.h>

#include <cstring>
#include <optional>
#include <random>
#include <thread>

#include "guest/pod_shim.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

constexpr unsigned kEcho = 7000, kNobody = 7001;
constexpr size_t kMany = 256;

/// errno in `error` when it fails.
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

std::string ReadExactly(int fd, size_t size) {
  std::string bytes(size, '\0');
  for (size_t done = 0; done < size;) {
    if (!WaitFor(fd, 1 /* POLLIN */, Deadline(Milliseconds(60000))))
      throw std::runtime_error("no more bytes came");
    const ssize_t n = read(fd, bytes.data() + done, size - done);
    if (n <= 0) throw std::runtime_error("the stream ended");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

class KernelVsock : public testing::Test {
 protected:
  KernelVsock() {
    pod.emplace(NodePod());
    pod->agent().Request({{"op", "vsock-echo"}, {"port", kEcho}});
    cid = pod->command().guest_cid;
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
  std::mt19937 random(1);
  std::string bytes(8 << 20, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());

  // Large, more than any buffer between: what is sent is read meanwhile.
  UniqueFd stream = Stream();
  std::thread sender([&] { WriteAll(stream.get(), bytes); });
  const auto start = Clock::now();
  const bool same = ReadExactly(stream.get(), bytes.size()) == bytes;
  const auto took = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  sender.join();
  EXPECT_TRUE(same);
  for (int i = 0; i < 200; ++i) {
    WriteAll(stream.get(), bytes.substr(static_cast<size_t>(i), 1));
    ASSERT_EQ(ReadExactly(stream.get(), 1), bytes.substr(static_cast<size_t>(i), 1));
  }
  shutdown(stream.get(), SHUT_WR);
  char byte;
  EXPECT_EQ(read(stream.get(), &byte, 1), 0) << "the guest's end of the stream";

  // The other way: the guest called, and a file's bytes go over that call.
  pod->agent().Write("/tmp/large", bytes.substr(0, 4 << 20));
  EXPECT_TRUE(pod->agent().Read("/tmp/large") == bytes.substr(0, 4 << 20));

  std::vector<UniqueFd> streams;
  for (size_t i = 0; i < kMany; ++i) streams.push_back(Stream());
  for (size_t i = 0; i < kMany; ++i) WriteAll(streams[i].get(), bytes.substr(i * 1000, 1000));
  for (size_t i = 0; i < kMany; ++i)
    ASSERT_TRUE(ReadExactly(streams[i].get(), 1000) == bytes.substr(i * 1000, 1000))
        << "stream " << i;
  streams.clear();

  int error;
  EXPECT_FALSE(Connect(cid, kNobody, &error));
  EXPECT_EQ(error, ECONNRESET) << "a port that nobody listens on";
  stream = Stream();
  PodShim(*pod).Stop();
  pod.reset();  // and with it the shim's own descriptor of the device
  EXPECT_LE(read(stream.get(), &byte, 1), 0) << "a stream of a pod that is gone";
  EXPECT_FALSE(Connect(cid, kEcho, &error));
  EXPECT_EQ(error, ENODEV) << "a pod that is gone";
  Fact("8 MiB there and back in " + Text(took) + ", single bytes, " + std::to_string(kMany) +
       " streams at once, refusals");
}

}  // namespace
}  // namespace stx
