// SPDX-License-Identifier: GPL-2.0-or-later
// The test programs of our build: what meson's test() says of each, and the environment in which it
// judges a QEMU.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

/// One test() of our meson.build files.
struct Program {
  std::string name;
  std::string profile = "host";  ///< its PROFILE: which of our builds it judges
  bool dpdk = false;             ///< its DPDK=1: it judges a build with DPDK beside that one
  std::filesystem::path path;
  std::vector<std::string> environment;  ///< NAME=value, of its test()
  Milliseconds timeout{0};
};

/// Those of build/tests, in the order of the meson.build files.
std::vector<Program> ReadPrograms(const std::filesystem::path& build);

/// The binaries that a program judges.
struct Binaries {
  std::filesystem::path qemu;
  std::filesystem::path dpdk;  ///< empty: there is none
};

/// The whole environment of a run: QEMU, QEMU_DPDK, and what lies ready in `build` for tests.
std::vector<std::string> EnvironmentOf(const Program& program, const std::filesystem::path& build,
                                       const Binaries& binaries);

}  // namespace stx
