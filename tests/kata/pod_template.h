// SPDX-License-Identifier: GPL-2.0-or-later
// A VM template as Kata makes it (contract 1.2, 2.2): a pod from an initrd whose RAM is a file,
// saved when its guest is up; clones map that file privately and go on from there.
#pragma once

#include <filesystem>
#include <memory>

#include "kata/pod.h"

namespace stx {

class PodTemplate {
 public:
  /// Kata's limit for the save and for the load of a template.
  static constexpr Milliseconds kTemplateTimeout{5000};

  /// Boots, saves and ends a pod. Settings that need a root image, virtio-fs or a network are not
  /// a template's: hugepages, microvm. Throws as Pod and PodShim do.
  explicit PodTemplate(const PodSettings& settings);

  /// A clone of its own, loaded and resumed; it has no network yet (PodShim::AddNic).
  std::unique_ptr<Pod> Clone();

  /// RAM, and devices.
  std::filesystem::path memory() const { return dir_ / "memory"; }
  std::filesystem::path state() const { return dir_ / "state"; }
  /// The save alone: Kata gives it 5 s.
  Milliseconds to_save() const { return to_save_; }

 private:
  PodTemplateForm Form(PodForm form) const { return {form, memory(), calls_}; }

  TempDir dir_;
  PodSettings settings_;
  std::shared_ptr<VsockCalls> calls_;
  Milliseconds to_save_{0};
};

}  // namespace stx
