// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/pod_checks.h"

#include <random>
#include <stdexcept>
#include <system_error>

#include "base/pattern.h"
#include "base/process.h"

namespace stx {

namespace fs = std::filesystem;

std::string ReadQemuVersion(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    throw std::invalid_argument("--qemu " + path.string() + ": no such file");
  auto foreign = [&](const std::string& why) {
    return std::invalid_argument("--qemu " + path.string() +
                                 ": not a QEMU for x86_64 machines: " + why);
  };
  try {
    RunResult version = Run({path.string(), "--version"}, Milliseconds(10000));
    std::string first = version.out.substr(0, version.out.find('\n'));
    if (!version.status.Success() || !first.starts_with("QEMU emulator version "))
      throw foreign("--version says '" + first + "' (" + version.status.ToString() + ")");
    RunResult machines = Run({path.string(), "-machine", "help"}, Milliseconds(10000));
    if (machines.out.find("\nq35 ") == std::string::npos) throw foreign("it has no machine q35");
    return first;
  } catch (const std::system_error& failed) {
    throw foreign(failed.what());
  }
}

std::string CheckShare(Pod& pod) {
  const std::string bytes = MakePattern(1 << 20, std::random_device{}());
  WriteFile(pod.share() / "from-host", bytes);
  if (pod.agent().Read("/share/from-host") != bytes) return "the guest reads other bytes";
  pod.agent().Write("/share/from-guest", bytes);
  if (ReadFile(pod.share() / "from-guest") != bytes) return "the host reads other bytes";
  return "";
}

std::string CheckRoot(const json& info, const std::string& device, const std::string& id) {
  const json& root = info["root"];
  if (info["guest_id"] != id) return "the guest's /guest-id is " + info["guest_id"].dump();
  if (root["source"] != device || root["type"] != "ext4") return "the root is " + root.dump();
  if (root["write_error"] == "" || root["remount_error"] == "") return "the root can be written";
  return "";
}

std::string ReadGuestId(const fs::path& guest) {
  std::string id = ReadFile(guest / ".made");
  id.erase(id.find_last_not_of('\n') + 1);
  return id;
}

}  // namespace stx
