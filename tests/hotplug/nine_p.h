// SPDX-License-Identifier: GPL-2.0-or-later
// Just enough of 9P2000.L for a guest's driver on virtio-9p to look, read and write
// (the messages' layout: Linux's net/9p and the diod protocol description).
#pragma once

#include <string>
#include <vector>

#include "hotplug/pod.h"

namespace stx {

class NineP {
 public:
  /// Negotiates, and attaches fid 0 to the share's root. Throws for any error reply below.
  NineP(HotplugPod& pod, PciBus& bus, uint8_t slot);

  std::string MountTag();
  /// Makes `fid` stand for a path below the root.
  void Walk(uint32_t fid, const std::vector<std::string>& names);
  /// `flags` as open(2) of Linux has them.
  void Open(uint32_t fid, uint32_t flags);
  /// Makes a file in the folder that `fid` stands for, and opens it as `fid`.
  void Create(uint32_t fid, const std::string& name, uint32_t flags, uint32_t mode);
  std::string Read(uint32_t fid, uint64_t offset, uint32_t count);
  uint32_t Write(uint32_t fid, uint64_t offset, const std::string& bytes);
  void Clunk(uint32_t fid);
  /// The errno of the last error reply.
  uint32_t error() const { return error_; }

 private:
  static constexpr uint32_t kMessage = 64 << 10;

  /// Sends one message and returns the body of its reply.
  std::string Call(uint8_t type, const std::string& body);

  HotplugPod& pod_;
  VirtioPciDevice device_;
  Virtqueue queue_;
  uint64_t out_, in_;
  uint32_t error_ = 0;
};

}  // namespace stx
