// SPDX-License-Identifier: GPL-2.0-or-later
// The test programs of our build: their meson test() entries, and the environment in which they
// judge a QEMU.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

/// One test() of our meson.build files.
struct Program {
  std::string name;
  std::string profile = "host";  ///< its PROFILE: the build that it judges
  bool dpdk = false;             ///< its DPDK=1: it also judges a build with DPDK
  std::filesystem::path path;
  std::set<std::filesystem::path> sources;  ///< absolute paths
  std::vector<std::string> environment;     ///< NAME=value, from its test()
  Milliseconds timeout{0};
};

/// The programs of build/tests, in the order of the meson.build files.
std::vector<Program> ReadPrograms(const std::filesystem::path& build);

/// The binaries that a program judges.
struct Binaries {
  std::filesystem::path qemu;
  std::filesystem::path dpdk;  ///< empty if there is none
};

/// The whole environment of a run: QEMU, QEMU_DPDK, and what `build` has ready for tests.
std::vector<std::string> EnvironmentOf(const Program& program, const std::filesystem::path& build,
                                       const Binaries& binaries);

}  // namespace stx
