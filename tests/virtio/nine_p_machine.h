// SPDX-License-Identifier: GPL-2.0-or-later
// The machine of the 9p cases: a virtio-9p share with the file "f", exported as Kata does it, and
// what QEMU does with it as seen from the host.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "harness/qemu/device_types.h"
#include "harness/qemu/machine_test.h"
#include "harness/virtio/nine_p.h"

namespace stx {

class NinePMachine : public MachineTest {
 protected:
  static constexpr const char* kContent = "contents of f";
  static constexpr uint8_t kSlot = 5;

  void SetUp() override {
    if (!HasDeviceType("virtio-9p-pci")) GTEST_SKIP() << "$QEMU has no virtio-9p-pci";
    std::filesystem::create_directory(share);
    WriteFile(share / "f", kContent);
  }

  /// `fsdev` are further properties of the export. The security model is "none" unless they set
  /// another.
  void Start(const std::string& fsdev = ",security_model=none",
             const NineP::Options& options = {}) {
    client.reset();
    StartMachine({"-fsdev", "local,id=share,path=" + share.string() + ",multidevs=remap" + fsdev,
                  "-device", "virtio-9p-pci,fsdev=share,mount_tag=share,addr=5"});
    Connect(options);
  }
  void Connect(const NineP::Options& options = {}) {
    client.reset();
    client.emplace(*bus, kSlot, *heap, options);
  }
  NineP& p9() { return *client; }

  /// Turns `fid` into an extended attribute of "f" that is to be written with `size` bytes.
  uint32_t CreateXattr(uint32_t fid, const std::string& name, uint64_t size, uint32_t flags = 0) {
    using namespace nine_p;
    p9().Walk(fid, {"f"});
    return p9().Try(kXattrcreate, Long(fid) + Text(name) + Quad(size) + Long(flags)).error;
  }

  mode_t ModeOf(const std::string& name) {
    struct stat status {};
    if (stat((share / name).c_str(), &status) != 0) ThrowErrno(name);
    return status.st_mode & 07777;
  }
  /// QEMU's descriptors for the file `name` of the share.
  std::vector<uint32_t> Descriptors(const std::string& name) {
    std::vector<uint32_t> found;
    const std::string folder = "/proc/" + std::to_string(qemu->process().pid()) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::error_code gone;
      if (std::filesystem::read_symlink(entry.path(), gone) == share / name)
        found.push_back(static_cast<uint32_t>(std::stoul(entry.path().filename().string())));
    }
    return found;
  }

  const std::filesystem::path share = dir / "share";
  std::optional<NineP> client;
};

}  // namespace stx
