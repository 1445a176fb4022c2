// SPDX-License-Identifier: GPL-2.0-or-later
// A VM template as Kata makes it (contract 1.2, 2.2): a pod with an initrd whose RAM is a file, and
// which is saved once its guest is up. Clones map that file privately and continue from there.
#pragma once

#include <filesystem>
#include <memory>

#include "kata/pod.h"

namespace stx {

class PodTemplate {
 public:
  /// Kata's limit for saving and for loading a template.
  static constexpr Milliseconds kTemplateTimeout{5000};

  /// Boots a pod, saves it, and ends it. A template cannot have settings that need a root image,
  /// virtio-fs or a network: hugepages, microvm. Throws what Pod and PodShim throw.
  explicit PodTemplate(const PodSettings& settings);

  /// A new clone, loaded and resumed. It has no network yet (PodShim::AddNic).
  std::unique_ptr<Pod> Clone();

  /// The files with the RAM and with the state of the devices.
  std::filesystem::path memory() const { return dir_ / "memory"; }
  std::filesystem::path state() const { return dir_ / "state"; }
  /// The duration of the save alone, for which Kata allows 5 s.
  Milliseconds to_save() const { return to_save_; }

 private:
  PodTemplateForm Form(PodForm form) const { return {form, memory(), calls_}; }

  TempDir dir_;
  PodSettings settings_;
  std::shared_ptr<VsockCalls> calls_;
  Milliseconds to_save_{0};
};

}  // namespace stx
