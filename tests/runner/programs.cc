// SPDX-License-Identifier: GPL-2.0-or-later
#include "runner/programs.h"

#include <map>
#include <nlohmann/json.hpp>

namespace stx {

namespace fs = std::filesystem;
using json = nlohmann::json;

std::vector<Program> ReadPrograms(const fs::path& build) {
  std::map<fs::path, std::set<fs::path>> sources;  // of each executable
  for (const json& target : json::parse(ReadFile(build / "tests/meson-info/intro-targets.json")))
    for (const json& part : target["target_sources"])
      for (const json& source : part.value("sources", json::array()))
        sources[target["filename"].at(0).get<std::string>()].insert(source.get<std::string>());
  std::vector<Program> programs;
  for (const json& test : json::parse(ReadFile(build / "tests/meson-info/intro-tests.json"))) {
    Program program;
    program.name = test["name"];
    program.path = test["cmd"].at(0).get<std::string>();
    program.sources = sources[program.path];
    program.timeout = Milliseconds(1000 * test["timeout"].get<long>());
    for (const auto& [name, value] : test["env"].items()) {
      if (name == "PROFILE") program.profile = value;
      if (name == "DPDK") program.dpdk = true;
      program.environment.push_back(name + "=" + value.get<std::string>());
    }
    programs.push_back(std::move(program));
  }
  return programs;
}

std::vector<std::string> EnvironmentOf(const Program& program, const fs::path& build,
                                       const Binaries& binaries) {
  const fs::path host = build / "host";  // its back-ends, for a QEMU of any profile
  std::vector<std::string> environment = program.environment;
  environment.push_back("QEMU=" + binaries.qemu.string());
  if (!binaries.dpdk.empty()) environment.push_back("QEMU_DPDK=" + binaries.dpdk.string());
  environment.push_back("GUEST=" + (build / "guest").string());
  environment.push_back("VIRTIOFSD=" + (host / "tools/virtiofsd/virtiofsd").string());
  environment.push_back("VIRTIOFSD_RUST=" + (build / "virtiofsd/bin/virtiofsd").string());
  environment.push_back("STORAGE_DAEMON=" + (host / "storage-daemon/qemu-storage-daemon").string());
  return environment;
}

}  // namespace stx
