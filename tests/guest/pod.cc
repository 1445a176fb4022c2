// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pod.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>
// Its inline functions for old rings are not C++.
#define VIRTIO_RING_NO_LEGACY
#include <linux/magic.h>
#include <linux/vhost.h>

#include <random>
#include <stdexcept>

#include "guest/host_tsc.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kFirstGuestCid = 3;  // 0 to 2 are the hypervisor, loopback and the host

std::string RandomHex() {
  std::random_device device;
  char text[17];
  std::snprintf(text, sizeof(text), "%08x%08x", device(), device());
  return text;
}

/// QEMU would make a regular file of that name where no hugetlbfs is.
void RequireHugePages() {
  struct statfs status {};
  if (statfs("/dev/hugepages", &status) != 0 || status.f_type != HUGETLBFS_MAGIC)
    throw std::runtime_error("hugepages: there is no hugetlbfs at /dev/hugepages");
}

/// Kata cuts the domain off.
std::string WithoutDomain(const std::string& address) {
  if (address.size() < 12) return address;
  if (!address.starts_with("0000:"))
    throw std::runtime_error("VFIO device " + address + ": Kata passes only PCI domain 0000");
  return address.substr(5);
}

}  // namespace

Pod::Pod(const PodSettings& settings, const PodTemplateForm& form) : accel_(DetectAccel()) {
  command_.machine = settings.machine;
  command_.form = form.form;
  command_.kvm = accel_.kvm;
  command_.nested = RunsNested();
  command_.sandbox = settings.sandbox;
  command_.id = RandomHex();
  command_.dir = dir_.path();
  command_.kernel = settings.guest / (settings.vmlinux ? "vmlinux" : "vmlinuz");
  command_.initrd = settings.guest / "initrd";
  command_.image = settings.guest / "root.img";
  command_.append = settings.append;
  command_.console_log = settings.console_log;
  command_.vhost_user_nic = settings.vhost_user_nic;
  command_.memory_mib = settings.memory_mib;
  command_.hugepages = settings.hugepages;
  command_.template_memory = form.memory;
  command_.vcpus = settings.vcpus;
  command_.max_vcpus = settings.max_vcpus;
  command_.root_ports = settings.root_ports;
  for (const std::string& address : settings.vfio) command_.vfio.push_back(WithoutDomain(address));
  if (!accel_.kvm) command_.append += " " + TcgClockParameter();
  if (settings.hugepages) RequireHugePages();

  QemuOptions options;
  options.binary = settings.qemu;
  if (form.form == PodForm::kSandbox) StartVirtiofsd(settings.virtiofsd);
  PrepareVsock(form, &options.fds);
  if (form.form == PodForm::kSandbox)
    PrepareNetwork(settings, &options.fds);
  else
    network_ = "none: a template's is added later";
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
  virtiofsd_.emplace(argv, SpawnOptions{});
  Deadline deadline(Milliseconds(10000));
  while (!fs::exists(socket)) {
    if (!virtiofsd_->Running() || deadline.Passed())
      throw std::runtime_error("virtiofsd did not start: " + virtiofsd_->Stderr());
    poll(nullptr, 0, 2);
  }
}

void Pod::PrepareVsock(const PodTemplateForm& form, std::vector<int>* fds) {
  std::random_device random;
  vsock_device_.Reset(open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC));
  for (int tries = 0; vsock_device_ && tries < 16; ++tries) {
    // As Kata does: a CID is taken by asking the kernel for it.
    uint64_t cid = kFirstGuestCid + random() % 0x7fffffffu;
    if (ioctl(vsock_device_.get(), VHOST_VSOCK_SET_GUEST_CID, &cid) != 0) continue;
    calls_ = form.calls ? form.calls : std::make_shared<VsockCalls>();
    command_.guest_cid = cid;
    command_.append += " guestd.port=" + std::to_string(calls_->port());
    command_.vsock_fd = 4 + static_cast<int>(fds->size());
    fds->push_back(vsock_device_.get());
    return;
  }
  vsock_device_.Reset();
  if (form.form != PodForm::kSandbox) {
    command_.serial_agent = true;  // vhost-user-vsock cannot be migrated
    return;
  }
  fs::path uds = dir_ / "vsock";
  vsock_ = std::make_unique<VsockBackend>(VsockBackendOptions{
      .socket = dir_ / "vsock.sock", .guest_cid = command_.guest_cid, .uds = uds});
  call_back_ = ListenUnix(uds.string() + "_" + std::to_string(kGuestPort));
}

void Pod::PrepareNetwork(const PodSettings& settings, std::vector<int>* fds) {
  if (!settings.network) {
    network_ = "none: not asked for";
    return;
  }
  std::string why_not;
  tap_ = Tap::Make("tap0_kata", static_cast<int>(settings.vcpus), &why_not, settings.mtu);
  if (!tap_) {
    network_ = "none: " + why_not;
    return;
  }
  command_.mac = "02:00:ca:fe:00:01";
  network_ = "tap";
  // Kata's order: all vhost descriptors of a NIC, then its taps.
  auto inherit = [&](const UniqueFd& fd, std::vector<int>* numbers) {
    numbers->push_back(4 + static_cast<int>(fds->size()));
    fds->push_back(fd.get());
  };
  for (size_t i = 0; i < tap_->fds().size(); ++i) {
    UniqueFd vhost(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
    if (!vhost) break;
    network_ = "tap with vhost-net";
    inherit(vhost_net_.emplace_back(std::move(vhost)), &command_.vhost_net);
  }
  for (const UniqueFd& tap : tap_->fds()) inherit(tap, &command_.tap_fds);
}

std::string Pod::VsockKind() const {
  if (command_.serial_agent) return "virtio-serial";
  return vsock_ ? "vhost-user-vsock" : "vhost-vsock";
}

std::optional<GuestAgent> Pod::AwaitCall(const Deadline& deadline) {
  if (command_.serial_agent) return GuestAgent::Connect(command_.dir / "agent.sock", deadline);
  const Deadline soon(Milliseconds(100));
  if (calls_) {
    auto call = calls_->Take(command_.guest_cid, soon);
    if (call) return GuestAgent(std::move(*call));
  } else if (WaitFor(call_back_.get(), POLLIN, soon)) {
    return GuestAgent::Accept(call_back_.get(), deadline);
  }
  return std::nullopt;
}

std::string Pod::AskWhereItIs() {
  std::string said;
  try {
    said = qmp().Hmp("info registers -a");
    qmp().Execute("inject-nmi");
    qemu_->process().Wait(Milliseconds(20000));
    if (!command_.console_log.empty()) {
      fs::path kept = command_.console_log;
      kept += ".lost";
      fs::copy_file(command_.console_log, kept, fs::copy_options::overwrite_existing);
    }
  } catch (const std::exception& error) {
    said += std::string(error.what()) + "\n";
  }
  return said;
}

GuestAgent& Pod::agent() {
  if (agent_) return *agent_;
  Deadline deadline(kBootTimeout);
  while (!(agent_ = AwaitCall(deadline))) {
    if (!qemu_->process().Running())
      throw std::runtime_error("QEMU ended before the guest was up\n" + qemu_->Report());
    if (deadline.Passed()) {
      const std::string state = AskWhereItIs();
      throw std::runtime_error("the guest did not call back over " + VsockKind() + " within " +
                               std::to_string(kBootTimeout.count() / 1000) + " s\n" + state +
                               qemu_->Report());
    }
  }
  to_guest_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - started_);
  return *agent_;
}

}  // namespace stx
