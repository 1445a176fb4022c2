// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/pod.h"

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

#include "base/waiting.h"
#include "guest/host_tsc.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kFirstGuestCid = 3;  // 0 to 2 are the hypervisor, loopback and the host

std::string MakeRandomHex() {
  std::random_device device;
  char text[17];
  std::snprintf(text, sizeof(text), "%08x%08x", device(), device());
  return text;
}

/// Without hugetlbfs, QEMU would create a regular file of that name.
void RequireHugePages() {
  struct statfs status {};
  if (statfs("/dev/hugepages", &status) != 0 || status.f_type != HUGETLBFS_MAGIC)
    throw std::runtime_error("hugepages: there is no hugetlbfs at /dev/hugepages");
}

/// Kata removes the domain.
std::string CutDomain(const std::string& address) {
  if (address.size() < 12) return address;
  if (!address.starts_with("0000:"))
    throw std::runtime_error("VFIO device " + address + ": Kata passes only PCI domain 0000");
  return address.substr(5);
}

}  // namespace

Pod::Pod(const PodSettings& settings, const PodTemplateForm& form)
    : settings_(settings),
      form_(form),
      accel_(settings.count_instructions ? Accel{false, "instructions are counted"}
                                         : DetectAccel()) {
  values_.id = MakeRandomHex();
  values_.dir = dir_.path();
  values_.kernel = settings.guest / (settings.vmlinux ? "vmlinux" : "vmlinuz");
  values_.image = settings.guest / "root.img";
  values_.accel = accel_.kvm ? "kvm" : "tcg";
  values_.nested = RunsNested();
  values_.memory_mib = settings.memory_mib;
  values_.vcpus = settings.vcpus;
  values_.max_vcpus = settings.max_vcpus;
  values_.kernel_params = settings.append;
  // Not Kata's: Linux needs this under TCG.
  if (!accel_.kvm)
    values_.kernel_params +=
        " " + (settings.count_instructions ? "tsc_early_khz=1000000" : MakeTcgClockParameter());
  if (settings.hugepages) RequireHugePages();

  QemuOptions options;
  options.binary = settings.qemu;
  options.spawn.environment = settings.environment;
  if (form.form == PodForm::kSandbox) StartVirtiofsd();
  const CommandEdit vsock = PrepareVsock(&options);
  if (form.form == PodForm::kSandbox)
    PrepareNetwork(&options);
  else
    network_ = "none: a template's is added later";
  options.args = MakeCommand(vsock).GetArguments();

  started_ = Clock::now();
  qemu_ = std::make_unique<Qemu>(std::move(options));
  qemu_->qmp();
  to_qmp_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - started_);
}

CommandLine Pod::MakeCommand(const CommandEdit& vsock) const {
  CommandLine command = MakePodCommand(values_);
  vsock(command);
  AddRootPorts(settings_.root_ports)(command);
  for (size_t i = 0; i < settings_.vfio.size(); ++i)
    AddColdVfio(CutDomain(settings_.vfio[i]),
                i < settings_.root_ports ? static_cast<int>(i) : -1)(command);
  if (!settings_.vhost_user_nic.empty()) AddVhostUserNic(settings_.vhost_user_nic)(command);
  if (!settings_.console_log.empty()) LogConsole(settings_.console_log)(command);
  if (settings_.hugepages) UseHugepages(command);
  if (settings_.sandbox) UseSandbox(command);
  if (settings_.count_instructions) command.Add("-icount shift=0,sleep=off");
  const fs::path initrd = settings_.guest / "initrd";
  if (form_.form == PodForm::kSandbox) {
    AddInitrd(initrd)(command);
  } else {
    UseInitrd(initrd)(command);
    DropVirtioFs(command);
    (form_.form == PodForm::kTemplate ? UseTemplateMemory : UseCloneMemory)(form_.memory)(command);
  }
  if (settings_.machine == MachineType::kMicrovm) UseMicrovm(command);
  return command;
}

fs::path Pod::memory_path() const {
  if (form_.form != PodForm::kSandbox) return {};
  return settings_.hugepages ? "/dev/hugepages" : "/dev/shm";
}

void Pod::StartVirtiofsd() {
  fs::path socket = dir_ / "vhost-fs.sock";
  std::vector<std::string> argv;
  // The daemon needs to be root, for chroot and for the owners of its guests' files; a user
  // namespace is enough.
  if (geteuid() != 0) argv = {"unshare", "--user", "--map-root-user"};
  argv.insert(argv.end(), {settings_.virtiofsd.string(), "--socket-path=" + socket.string(), "-o",
                           "source=" + share_.path().string(), "-o", "cache=auto", "-o",
                           "sandbox=chroot", "-f"});
  virtiofsd_.emplace(argv, SpawnOptions{});
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error("virtiofsd did not start: " + why + virtiofsd_->Stderr());
  };
  if (!HoldsBefore(Deadline(Milliseconds(10000)), [&] {
        if (!virtiofsd_->Running()) fail("");
        return fs::exists(socket);
      }))
    fail("no socket after 10 s; ");
}

CommandEdit Pod::PrepareVsock(QemuOptions* options) {
  std::random_device random;
  vsock_device_.Reset(open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC));
  for (int tries = 0; vsock_device_ && tries < 16; ++tries) {
    // As Kata does: only the kernel can tell whether a CID is taken.
    uint64_t cid = kFirstGuestCid + random() % 0x7fffffffu;
    if (ioctl(vsock_device_.get(), VHOST_VSOCK_SET_GUEST_CID, &cid) != 0) continue;
    calls_ = form_.calls ? form_.calls : std::make_shared<VsockCalls>();
    values_.guest_cid = cid;
    // Not Kata's: its agent listens on a fixed port, while ours connects to us.
    values_.kernel_params += " guestd.port=" + std::to_string(calls_->port());
    values_.vsock_fd = options->Inherit(vsock_device_.get());
    return [](CommandLine&) {};
  }
  vsock_device_.Reset();
  serial_agent_ = form_.form != PodForm::kSandbox;  // vhost-user-vsock cannot be migrated
  if (serial_agent_) return UseSerialAgent(dir_ / "agent.sock", kGuestSerialName);
  fs::path uds = dir_ / "vsock";
  vsock_ = std::make_unique<VsockBackend>(VsockBackendOptions{
      .socket = dir_ / "vsock.sock", .guest_cid = values_.guest_cid, .uds = uds});
  call_back_ = ListenUnix(uds.string() + "_" + std::to_string(kGuestPort));
  return UseVhostUserVsock(dir_ / "vsock.sock");
}

void Pod::PrepareNetwork(QemuOptions* options) {
  if (!settings_.network) {
    network_ = "none: not asked for";
    return;
  }
  std::string why_not;
  tap_ = Tap::Make("tap0_kata", static_cast<int>(settings_.vcpus), &why_not, settings_.mtu);
  if (!tap_) {
    network_ = "none: " + why_not;
    return;
  }
  values_.nic = PodNic{{}, {}, "02:00:ca:fe:00:01"};
  network_ = "tap";
  // In Kata's order: all vhost descriptors of a NIC, then its taps.
  for (size_t i = 0; i < tap_->fds().size(); ++i) {
    UniqueFd vhost(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
    if (!vhost) break;
    network_ = "tap with vhost-net";
    values_.nic->vhost_fds.push_back(
        options->Inherit(vhost_net_.emplace_back(std::move(vhost)).get()));
  }
  for (const UniqueFd& tap : tap_->fds())
    values_.nic->tap_fds.push_back(options->Inherit(tap.get()));
}

std::string Pod::VsockKind() const {
  if (serial_agent_) return "virtio-serial";
  return vsock_ ? "vhost-user-vsock" : "vhost-vsock";
}

std::optional<GuestAgent> Pod::AwaitCall(const Deadline& deadline) {
  if (serial_agent_) return GuestAgent::Connect(values_.dir / "agent.sock", deadline);
  const Deadline soon(Milliseconds(100));
  if (calls_) {
    auto call = calls_->Take(values_.guest_cid, soon);
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
    if (!settings_.console_log.empty()) {
      fs::path kept = settings_.console_log;
      kept += ".lost";
      fs::copy_file(settings_.console_log, kept, fs::copy_options::overwrite_existing);
    }
  } catch (const std::exception& error) {
    said += std::string(error.what()) + "\n";
  }
  return said;
}

GuestAgent& Pod::agent() {
  if (agent_) return *agent_;
  const Deadline deadline(kBootTimeout);
  const bool called = HoldsBefore(deadline, [&] {
    agent_ = AwaitCall(deadline);
    if (!agent_ && !qemu_->process().Running())
      throw std::runtime_error("QEMU ended before the guest was up\n" + qemu_->Report());
    return agent_.has_value();
  });
  if (!called) {
    const std::string state = AskWhereItIs();
    throw std::runtime_error("the guest did not call back over " + VsockKind() + " within " +
                             std::to_string(kBootTimeout.count() / 1000) + " s\n" + state +
                             qemu_->Report());
  }
  to_guest_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - started_);
  return *agent_;
}

}  // namespace stx
