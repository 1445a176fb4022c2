// SPDX-License-Identifier: GPL-2.0-or-later
// A pod whose kernel is the harness's tiny one, for suites that judge the command line: with
// back-ends that do nothing, files for an image, and a tap. Starts in a fraction of a second.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "harness/guest_code/tiny_kernel.h"
#include "harness/host/tap.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_device.h"
#include "kata/command_line.h"

namespace stx {

/// A vhost-user back-end that takes its queues and does nothing with them.
class IdleBackend final : private VhostUserHandler {
 public:
  /// `config_bytes` of zeros are its configuration space.
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
  /// `tap_queues`: queue pairs of the tap. missing() says why it cannot run here.
  explicit TinyPod(int tap_queues = 1);

  const std::string& missing() const { return missing_; }
  std::filesystem::path dir() const { return dir_.path(); }
  const Tap& tap() const { return *tap_; }
  /// The command line of this pod; Kata's, without vsock, which is a suite of its own.
  CommandLine Command() const;
  /// `text` with its placeholders filled in: @dir@, @vmlinux@, @bzimage@, @initrd@, @image@,
  /// @bios@, @flash@. Throws std::logic_error for another.
  std::string Fill(std::string text) const;
  /// What Start adds to: the binary, and what its process gets.
  QemuOptions& options() { return options_; }
  /// Starts it in the network namespace of the tap; placeholders in `command` are filled in.
  Qemu& Start(const CommandLine& command, bool unprivileged = false);
  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  std::optional<TinyKernelReport> WaitKernel() { return WaitTinyKernel(qmp(), dir_ / "scratch"); }

 private:
  TempDir dir_{"pod"};
  std::optional<Tap> tap_;
  std::string missing_;
  QemuOptions options_;       // with the descriptors of the tap
  std::vector<int> tap_fds_;  // in QEMU
  IdleBackend fs_{dir_ / "vhost-fs.sock", 2}, net_{dir_ / "vhu.sock", 2};
  std::optional<Qemu> qemu_;
};

}  // namespace stx
