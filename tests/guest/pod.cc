#include "guest/pod.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
// Its inline functions for old rings are not C++.
#define VIRTIO_RING_NO_LEGACY
#include <linux/vhost.h>

#include <random>
#include <stdexcept>

#include "guest/host_tsc.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kBootTimeout{120000};
constexpr uint32_t kFirstGuestCid = 3;  // 0 to 2 are the hypervisor, loopback and the host

std::string RandomHex() {
  std::random_device device;
  char text[17];
  std::snprintf(text, sizeof(text), "%08x%08x", device(), device());
  return text;
}

}  // namespace

Pod::Pod(const PodSettings& settings) : accel_(DetectAccel()) {
  command_.machine = settings.machine;
  command_.kvm = accel_.kvm;
  command_.nested = RunsNested();
  command_.sandbox = settings.sandbox;
  command_.id = RandomHex();
  command_.dir = dir_.path();
  command_.kernel = settings.guest / (settings.vmlinux ? "vmlinux" : "vmlinuz");
  command_.initrd = settings.guest / "initrd";
  command_.image = settings.guest / "root.img";
  command_.append = settings.append;
  if (!accel_.kvm) command_.append += " " + TcgClockParameter();

  StartVirtiofsd(settings.virtiofsd);
  QemuOptions options;
  options.binary = settings.qemu;
  PrepareVsock(&options.fds);
  PrepareNetwork(&options.fds);
  options.args = command_.Arguments();

  started_ = Clock::now();
  qemu_ = std::make_unique<Qemu>(std::move(options));
  qemu_->qmp();
  to_qmp_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - started_);
}

void Pod::StartVirtiofsd(const fs::path& daemon) {
  fs::path socket = dir_ / "vhost-fs.sock";
  std::vector<std::string> argv;
  // The daemon wants to be root for chroot and for its guests' file owners; a user namespace will
  // do.
  if (geteuid() != 0) argv = {"unshare", "--user", "--map-root-user"};
  argv.insert(argv.end(), {daemon.string(), "--socket-path=" + socket.string(), "-o",
                           "source=" + share_.path().string(), "-o", "cache=auto", "-o",
                           "sandbox=chroot", "-f"});
  virtiofsd_ = Process(argv, {});
  Deadline deadline(Milliseconds(10000));
  while (!fs::exists(socket)) {
    if (!virtiofsd_.Running() || deadline.Passed())
      throw std::runtime_error("virtiofsd did not start: " + virtiofsd_.Stderr());
    poll(nullptr, 0, 2);
  }
}

void Pod::PrepareVsock(std::vector<int>* fds) {
  std::random_device random;
  vsock_device_.Reset(open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC));
  for (int tries = 0; vsock_device_ && tries < 16; ++tries) {
    // As Kata does: a CID is taken by asking the kernel for it.
    uint64_t cid = kFirstGuestCid + random() % 0x7fffffffu;
    if (ioctl(vsock_device_.get(), VHOST_VSOCK_SET_GUEST_CID, &cid) != 0) continue;
    const unsigned port = 1u << 20 | random() % (1u << 30);
    call_back_ = ListenVsock(port);
    command_.guest_cid = cid;
    command_.append += " guestd.port=" + std::to_string(port);
    command_.vsock_fd = 4 + static_cast<int>(fds->size());
    fds->push_back(vsock_device_.get());
    return;
  }
  vsock_device_.Reset();
  fs::path uds = dir_ / "vsock";
  vsock_ = std::make_unique<VsockBackend>(VsockBackendOptions{
      .socket = dir_ / "vsock.sock", .guest_cid = command_.guest_cid, .uds = uds});
  call_back_ = ListenUnix(uds.string() + "_" + std::to_string(kGuestPort));
}

void Pod::PrepareNetwork(std::vector<int>* fds) {
  std::string why_not;
  tap_ = Tap::Make("tap0_kata", 1, &why_not);
  if (!tap_) {
    network_ = "none: " + why_not;
    return;
  }
  command_.mac = "02:00:ca:fe:00:01";
  network_ = "tap";
  vhost_net_.Reset(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
  if (vhost_net_) {
    network_ = "tap with vhost-net";
    command_.vhost_net_fd = 4 + static_cast<int>(fds->size());
    fds->push_back(vhost_net_.get());
  }
  command_.tap_fd = 4 + static_cast<int>(fds->size());
  fds->push_back(tap_->fds()[0].get());
}

GuestAgent& Pod::agent() {
  if (agent_) return *agent_;
  Deadline deadline(kBootTimeout);
  while (!WaitFor(call_back_.get(), POLLIN, Deadline(Milliseconds(100)))) {
    if (!qemu_->process().Running())
      throw std::runtime_error("QEMU ended before the guest was up\n" + qemu_->Report());
    if (deadline.Passed())
      throw std::runtime_error("the guest did not call back over " + VsockKind() + " within " +
                               std::to_string(kBootTimeout.count() / 1000) + " s\n" +
                               qemu_->Report());
  }
  agent_ = GuestAgent::Accept(call_back_.get(), deadline);
  to_guest_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - started_);
  return *agent_;
}

}  // namespace stx
