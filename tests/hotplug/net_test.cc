// SPDX-License-Identifier: GPL-2.0-or-later
// Networks of a pod: a tap with several queues, inherited or hot-plugged with getfd and SCM_RIGHTS.
// Its other end is a real Linux host in a network namespace of the test, also over IPv6. And
// vhost-user-net.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "harness/host/tap_host.h"
#include "harness/vhost_user/net_loopback.h"
#include "harness/virtio/net_driver.h"
#include "harness/virtio/net_frames.h"
#include "kata/qmp_calls.h"
#include "kata/qtest_pod.h"

namespace stx {
namespace {

constexpr char kTap[] = "tap0_kata";

/// ARP, UDP in both directions and a large IPv6 ping, on each pair of queues.
void TalkToHost(NetDriver& driver, const Tap& tap, int pairs) {
  const UniqueFd host_socket = BindHostUdp(tap, 7777);
  for (int pair = 0; pair < pairs; ++pair) {
    driver.Send(pair, MakeArpRequest());
    const Mac host = driver.Receive(ParseArpAnswer);
    const auto port = static_cast<uint16_t>(40000 + pair);
    const std::string payload = "pair " + std::to_string(pair) + std::string(1000, 'p');
    driver.Send(pair, MakeUdpFrame(host, port, 7777, payload));
    ASSERT_TRUE(WaitFor(host_socket.get(), POLLIN, Deadline(QtestPod::kWait)));
    std::string got(4096, '\0');
    sockaddr_in from{};
    socklen_t length = sizeof(from);
    const ssize_t n = recvfrom(host_socket.get(), got.data(), got.size(), 0,
                               reinterpret_cast<sockaddr*>(&from), &length);
    ASSERT_GT(n, 0);
    got.resize(static_cast<size_t>(n));
    EXPECT_TRUE(got == payload);
    EXPECT_EQ(ntohs(from.sin_port), port);
    const std::string answer = "answer to " + payload;
    ASSERT_EQ(sendto(host_socket.get(), answer.data(), answer.size(), 0,
                     reinterpret_cast<sockaddr*>(&from), length),
              static_cast<ssize_t>(answer.size()));
    EXPECT_TRUE(driver.Receive([&](const std::string& frame) {
      return ParseUdpPayload(frame, port);
    }) == answer);

    driver.Send(pair, MakeNeighbourSolicitation());
    EXPECT_EQ(driver.Receive(ParseNeighbourAdvertisement), host);
    const std::string ping = std::string(1300, static_cast<char>('a' + pair));
    driver.Send(pair, MakePing6(host, ping));
    EXPECT_TRUE(driver.Receive(ParsePong6) == ping);
  }
}

class TapQueues : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    Covers({"1.2 multi-queue", "1.2 disable_vhost_net"});
    tap = Tap::Make(kTap, GetParam(), &why_not);
    if (!tap) GTEST_SKIP() << "no tap: " << why_not;
    AddHostAddresses(*tap);
  }

  std::string why_not;
  std::optional<Tap> tap;
};

std::string Vectors(int pairs) { return std::to_string(2 * pairs + 2); }

TEST_P(TapQueues, InheritedDescriptorsCarryFramesBothWays) {
  Covers({"1.1 tap", "1.1 fds"});
  const int pairs = GetParam();
  QtestPodOptions options;
  std::string numbers;
  for (const UniqueFd& fd : tap->fds())
    numbers += (numbers.empty() ? "" : ":") + std::to_string(options.qemu.Inherit(fd.get()));
  options.qemu.args = {"-netdev", "tap,id=network-0,fds=" + numbers, "-device",
                       std::string("driver=virtio-net-pci,addr=1d,netdev=network-0,mac=") +
                           kGuestMacText + ",disable-modern=false,mq=on,vectors=" + Vectors(pairs)};
  QtestPod pod(std::move(options));
  NetDriver driver(pod.root(), 0x1d, pod.heap(), pairs);
  for (size_t i = 0; i < kGuestMac.size(); ++i)
    EXPECT_EQ(driver.device().ConfigB(static_cast<uint32_t>(i)), kGuestMac[i]);
  // mq=on is offered as requested, even with one pair.
  EXPECT_TRUE(driver.Agreed(virtio::kNetMultiqueue));
  EXPECT_EQ(driver.device().ConfigW(8), pairs);
  TalkToHost(driver, *tap, pairs);
}

TEST_P(TapQueues, HotPluggedByGetfdCarryFramesComeAndGo) {
  Covers({"2.2 nic-add", "2.2 nic-remove", "2.1 device_del"});
  const int pairs = GetParam();
  QtestPod pod;
  for (int round = 0; round < 2; ++round) {
    std::string names;
    for (int i = 0; i < pairs; ++i) {
      const std::string name = "fd" + std::to_string(i);
      pod.qmp().ExecuteWithFd("getfd", {{"fdname", name}},
                              tap->fds()[static_cast<size_t>(i)].get());
      names += (i ? ":" : "") + name;
    }
    pod.qmp().Execute("netdev_add", MakeTapNetdev(kTap, names, ""));
    pod.Add(MakeNic("virtio-nic", kTap, kGuestMacText, static_cast<size_t>(pairs)), "pci-bridge-0",
            9);
    {
      NetDriver driver(pod.bridge(), 9, pod.heap(), pairs);
      TalkToHost(driver, *tap, pairs);
    }
    pod.Remove("virtio-nic", "pci-bridge-0", 9);
    pod.qmp().Execute("netdev_del", {{"id", kTap}});
  }
}

INSTANTIATE_TEST_SUITE_P(Pairs, TapQueues, testing::Values(1, 2, 4));

TEST(NetdevAdd, DescriptorsThatAreNotThereAreRefused) {
  Covers({"2.2 nic-add", "2.1 errors"});
  QtestPod pod;
  EXPECT_NE(pod.GetRefusal("getfd", {{"fdname", "fd0"}})
                .find("No file descriptor supplied via SCM_RIGHTS"),
            std::string::npos);
  EXPECT_NE(pod.GetRefusal("netdev_add", MakeTapNetdev(kTap, "fd7", "")).find("fd7"),
            std::string::npos);
  // The name can be used again.
  const std::string again = pod.GetRefusal("netdev_add", MakeTapNetdev(kTap, "fd7", ""));
  EXPECT_EQ(again.find("Duplicate"), std::string::npos) << again;
}

TEST(NetdevAdd, ADescriptorThatIsNoTapIsRefused) {
  Covers({"2.2 nic-add"});
  QtestPod pod;
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  pod.qmp().ExecuteWithFd("getfd", {{"fdname", "fd0"}}, null.get());
  EXPECT_NE(pod.GetRefusal("netdev_add", MakeTapNetdev(kTap, "fd0", "")), "");
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "running");
}

TEST(NetdevAdd, AVhostDescriptorThatIsNotThereIsRefused) {
  Covers({"2.2 nic-add"});
  std::string why_not;
  auto tap = Tap::Make(kTap, 1, &why_not);
  if (!tap) GTEST_SKIP() << "no tap: " << why_not;
  QtestPod pod;
  pod.qmp().ExecuteWithFd("getfd", {{"fdname", "fd0"}}, tap->fds()[0].get());
  EXPECT_NE(pod.GetRefusal("netdev_add", MakeTapNetdev(kTap, "fd0", "vhostfd0")).find("vhostfd0"),
            std::string::npos);
  EXPECT_EQ(pod.qmp().Execute("query-status")["status"], "running");
}

class VhostUserNet : public testing::Test {
 protected:
  void SetUp() override {
    Covers({"1.2 vhost-user-net"});
    QtestPodOptions options;
    options.qemu.args = {
        "-chardev", "socket,id=char-net,path=" + (dir / "vhu.sock").string(),
        "-netdev",  "type=vhost-user,id=net-1,chardev=char-net,vhostforce",
        "-device",  std::string("virtio-net-pci,addr=1d,netdev=net-1,mac=") + kGuestMacText};
    pod.emplace(std::move(options));
  }

  TempDir dir;
  std::optional<NetLoopback> backend{dir / "vhu.sock"};
  std::optional<QtestPod> pod;
};

TEST_F(VhostUserNet, EveryFrameComesBackAsItWas) {
  NetDriver driver(pod->root(), 0x1d, pod->heap(), 1);
  for (size_t i = 0; i < 200; ++i) {
    std::string frame(60 + i * 7 % 1440, static_cast<char>(i));
    frame.replace(12, 2, "\x88\xb5");
    driver.Send(0, frame);
    EXPECT_TRUE(driver.Receive([](const std::string& got) { return std::optional(got); }) == frame)
        << i;
  }
  EXPECT_EQ(backend->Broken(), "");
}

TEST_F(VhostUserNet, TheGuestLivesWhenTheBackEndIsGone) {
  NetDriver driver(pod->root(), 0x1d, pod->heap(), 1);
  driver.Send(0, std::string(60, 'x'));
  backend.reset();
  EXPECT_EQ(pod->qmp().Execute("query-status")["status"], "running");
  driver.device().Reset();
  EXPECT_EQ(driver.device().Status(), 0);
}

}  // namespace
}  // namespace stx
