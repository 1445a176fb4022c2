// SPDX-License-Identifier: GPL-2.0-or-later
// vhost-vsock-pci, the kernel's vsock: what it needs from the host, and the messages if that is
// missing.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "harness/qemu/contract.h"
#include "harness/qemu/qemu.h"

namespace stx {
namespace {

constexpr char kNode[] = "/dev/vhost-vsock";

/// The stderr of a QEMU that has to refuse this device.
std::string GetRefusal(const std::string& properties, const SpawnOptions& options = {}) {
  RunResult result = RunQemu({"-machine", "q35,accel=tcg", "-nodefaults", "-nographic", "-device",
                              "vhost-vsock-pci" + properties},
                             Milliseconds(20000), options);
  EXPECT_EQ(result.status.code, 1) << result.status.ToString();
  return result.err;
}

TEST(VhostVsock, CidsThatAreNotAGuestsAreRefused) {
  Covers({"1.1 vsock", "virtio 5.10.4.2 cid"});
  for (const char* cid : {"", ",guest-cid=0", ",guest-cid=1", ",guest-cid=2"})
    EXPECT_NE(GetRefusal(cid).find("guest-cid property must be greater than 2"), std::string::npos)
        << cid;
  EXPECT_NE(GetRefusal(",guest-cid=4294967296").find("guest-cid property must be a 32-bit number"),
            std::string::npos);
}

TEST(VhostVsock, WithoutTheKernelsDeviceTheErrorNamesIt) {
  if (access(kNode, F_OK) == 0) GTEST_SKIP() << kNode << " is here: its absence cannot be tried";
  const std::string said = GetRefusal(",guest-cid=3");
  EXPECT_NE(said.find("vhost-vsock: failed to open vhost device: No such file or directory"),
            std::string::npos)
      << said;
}

TEST(VhostVsock, AnInheritedDescriptorThatIsNoVhostDeviceIsSaid) {
  Covers({"1.1 vsock", "1.1 fds"});
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  SpawnOptions options;
  const std::string fd = std::to_string(options.Inherit(null.get()));
  const std::string said = GetRefusal(",guest-cid=3,vhostfd=" + fd, options);
  EXPECT_NE(said.find("Inappropriate ioctl for device"), std::string::npos) << said;
  EXPECT_NE(GetRefusal(",guest-cid=3,vhostfd=99").find("Bad file descriptor"), std::string::npos);
}

TEST(VhostVsock, AnInheritedDescriptorServes) {
  Covers({"1.1 vsock", "1.1 fds"});
  UniqueFd vhost(open(kNode, O_RDWR | O_CLOEXEC));
  if (!vhost) GTEST_SKIP() << kNode << " cannot be opened: the lab";
  QemuOptions options;
  options.qtest = true;
  const std::string fd = std::to_string(options.Inherit(vhost.get()));
  options.args = {
      "-machine", "q35", "-nodefaults", "-device",
      "vhost-vsock-pci,disable-modern=false,vhostfd=" + fd + ",id=vsock,guest-cid=70000"};
  Qemu qemu(std::move(options));
  EXPECT_EQ(qemu.qmp().Execute("qom-get", {{"path", "vsock"}, {"property", "guest-cid"}}), 70000);
}

}  // namespace
}  // namespace stx
