// SPDX-License-Identifier: GPL-2.0-or-later
// A pod with the harness's tiny kernel, for suites that judge the command line. It has back-ends
// that do nothing, files for an image, and a tap, and starts in a fraction of a second.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "harness/guest_code/tiny_kernel.h"
#include "harness/host/tap.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_device.h"
#include "kata/command_line.h"

namespace stx {

/// A vhost-user back-end that accepts its queues and ignores them.
class IdleBackend final : private VhostUserHandler {
 public:
  /// The configuration space is `config_bytes` zeros.
  IdleBackend(const std::filesystem::path& socket, int queues, size_t config_bytes = 0)
      : config_(config_bytes, 0), device_(socket, queues, *this) {
    device_.Start();
  }
  ~IdleBackend() override { device_.Stop(); }

 private:
  std::span<const uint8_t> Config() const override { return config_; }
  void HandleQueue(int) override {}
  std::vector<uint8_t> config_;
  VhostUserDevice device_;
};

class TinyPod {
 public:
  /// `tap_queues` is the number of queue pairs of the tap. missing() says why the pod cannot run
  /// here.
  explicit TinyPod(int tap_queues = 1);

  const std::string& missing() const { return missing_; }
  std::filesystem::path dir() const { return dir_.path(); }
  const Tap& tap() const { return *tap_; }
  /// The command line of this pod: Kata's without vsock, which has a suite of its own.
  CommandLine Command() const;
  /// Replaces the placeholders in `text`: @dir@, @vmlinux@, @bzimage@, @initrd@, @image@, @bios@,
  /// @flash@. Throws std::logic_error for any other.
  std::string Fill(std::string text) const;
  /// The options to which Start adds: the binary, and what its process inherits.
  QemuOptions& options() { return options_; }
  /// Starts it in the network namespace of the tap, after replacing placeholders in `command`.
  Qemu& Start(const CommandLine& command, bool unprivileged = false);
  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  std::optional<TinyKernelReport> WaitKernel() { return WaitTinyKernel(qmp(), dir_ / "scratch"); }

 private:
  TempDir dir_{"pod"};
  std::optional<Tap> tap_;
  std::string missing_;
  QemuOptions options_;       // with the descriptors of the tap
  std::vector<int> tap_fds_;  // their numbers in QEMU
  IdleBackend fs_{dir_ / "vhost-fs.sock", 2}, net_{dir_ / "vhu.sock", 2};
  std::optional<Qemu> qemu_;
};

}  // namespace stx
