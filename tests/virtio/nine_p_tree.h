// SPDX-License-Identifier: GPL-2.0-or-later
// What a 9P2000.L client does with a tree of files, in each security model of the local back-end.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "virtio/nine_p_machine.h"

namespace stx {

inline const auto kSecurityModels =
    testing::Values("none", "passthrough", "mapped-xattr", "mapped-file");
/// The model as the end of a case's name.
inline std::string NameOfModel(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  if (const size_t dash = name.find('-'); dash != std::string::npos) name[dash] = '_';
  return name;
}

class NinePTree : public NinePMachine, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr uint8_t kQidFolder = 0x80, kQidLink = 2, kQidFile = 0;
  static constexpr uint32_t kRemoveFolder = 0x200;
  static constexpr uint32_t kRoot = 0;

  void SetUp() override {
    NinePMachine::SetUp();
    if (IsSkipped()) return;
    if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
    const std::string probe = (dir / "probe").string();
    WriteFile(probe, "");
    if (setxattr(probe.c_str(), "user.probe", "1", 1, 0) != 0)
      GTEST_SKIP() << "no user attributes in " << dir.path();
    Start(std::string(",security_model=") + GetParam());
  }
  /// In the mapped models the host's files are QEMU's own; what the guest set is kept beside them.
  bool Mapped() const { return std::string(GetParam()).starts_with("mapped"); }

  struct stat HostStat(const std::string& name) {
    struct stat status {};
    if (lstat((share / name).c_str(), &status) != 0) ThrowErrno(name);
    return status;
  }
  bool Exists(const std::string& name) {
    struct stat status {};
    return lstat((share / name).c_str(), &status) == 0;
  }

  // Requests; each returns the errno of the reply, or 0.
  uint32_t Mkdir(uint32_t folder, const std::string& name, uint32_t mode, uint32_t gid = 0) {
    return Ask(nine_p::kMkdir,
               nine_p::Long(folder) + nine_p::Text(name) + nine_p::Long(mode) + nine_p::Long(gid));
  }
  uint32_t Symlink(uint32_t folder, const std::string& name, const std::string& target) {
    return Ask(nine_p::kSymlink,
               nine_p::Long(folder) + nine_p::Text(name) + nine_p::Text(target) + nine_p::Long(0));
  }
  uint32_t Mknod(uint32_t folder, const std::string& name, uint32_t mode, uint32_t major,
                 uint32_t minor) {
    return Ask(nine_p::kMknod, nine_p::Long(folder) + nine_p::Text(name) + nine_p::Long(mode) +
                                   nine_p::Long(major) + nine_p::Long(minor) + nine_p::Long(0));
  }
  uint32_t Link(uint32_t folder, uint32_t fid, const std::string& name) {
    return Ask(nine_p::kLink, nine_p::Long(folder) + nine_p::Long(fid) + nine_p::Text(name));
  }
  uint32_t Rename(uint32_t from, const std::string& name, uint32_t to, const std::string& as) {
    return Ask(nine_p::kRenameat,
               nine_p::Long(from) + nine_p::Text(name) + nine_p::Long(to) + nine_p::Text(as));
  }
  uint32_t Unlink(uint32_t folder, const std::string& name, uint32_t flags = 0) {
    return Ask(nine_p::kUnlinkat, nine_p::Long(folder) + nine_p::Text(name) + nine_p::Long(flags));
  }
  /// Where the new fid is not wanted if it fails.
  uint32_t TryWalk(uint32_t fid, const std::vector<std::string>& names, uint32_t from = kRoot) {
    std::string body =
        nine_p::Long(from) + nine_p::Long(fid) + nine_p::Word(static_cast<uint16_t>(names.size()));
    for (const std::string& name : names) body += nine_p::Text(name);
    return Ask(nine_p::kWalk, body);
  }
  uint32_t Setattr(uint32_t fid, uint32_t valid, const nine_p::Values& values) {
    return Ask(nine_p::kSetattr, nine_p::Setattr(fid, valid, values));
  }
  nine_p::Attributes Attributes(uint32_t fid) {
    if (Ask(nine_p::kGetattr, nine_p::Long(fid) + nine_p::Quad(nine_p::kAllAttributes)) != 0)
      throw std::runtime_error("Tgetattr: errno " + std::to_string(reply.error));
    return nine_p::ParseAttributes(reply.body);
  }
  /// Of an object by its path.
  nine_p::Attributes AttributesOf(const std::vector<std::string>& names) {
    constexpr uint32_t kFid = 9999;
    p9().Walk(kFid, names);
    const nine_p::Attributes attributes = Attributes(kFid);
    p9().Clunk(kFid);
    return attributes;
  }
  std::string ReadAll(uint32_t fid) { return p9().Read(fid, 0, 60000); }

  uint32_t Ask(uint8_t type, const std::string& body) {
    reply = p9().Try(type, body);
    return reply.error;
  }
  NineP::Reply reply;  ///< to the last of these requests
};

}  // namespace stx
