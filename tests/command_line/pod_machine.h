// SPDX-License-Identifier: GPL-2.0-or-later
// What a pod's command line needs around it: its kernel, image, back-ends and tap.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "command_line/kata_command.h"
#include "harness/guest_code/tiny_kernel.h"
#include "harness/host/tap.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vhost_user_device.h"

namespace stx {

/// A vhost-user back-end that takes its queues and does nothing with them.
class IdleBackend final : private VhostUserHandler {
 public:
  IdleBackend(const std::filesystem::path& socket, int queues) : device_(socket, queues, *this) {
    device_.Start();
  }
  ~IdleBackend() override { device_.Stop(); }

 private:
  void HandleQueue(int) override {}
  VhostUserDevice device_;
};

class PodMachine {
 public:
  /// `tap_queues`: queue pairs of the tap. missing() says why it cannot run here.
  explicit PodMachine(int tap_queues = 1);

  const std::string& missing() const { return missing_; }
  std::filesystem::path dir() const { return dir_.path(); }
  /// For KataCommand::Arguments.
  const std::map<std::string, std::string>& values() const { return values_; }
  /// Of the first queue.
  int tap_fd() const { return tap_->fds().at(0).get(); }
  /// `text` with placeholders filled in.
  std::string Fill(std::string text) const;
  /// Starts it: descriptors of the tap from 4 upward, in the network namespace of the tap.
  Qemu& Start(const KataCommand& command, bool unprivileged = false);
  Qemu& qemu() { return *qemu_; }
  Qmp& qmp() { return qemu_->qmp(); }
  std::optional<TinyKernelReport> WaitKernel() { return WaitTinyKernel(qmp(), dir_ / "scratch"); }

 private:
  TempDir dir_{"pod"};
  std::optional<Tap> tap_;
  std::string missing_;
  std::map<std::string, std::string> values_;
  IdleBackend fs_{dir_ / "vhost-fs.sock", 2}, net_{dir_ / "vhu.sock", 2};
  std::optional<Qemu> qemu_;
};

}  // namespace stx
