// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/pod_checks.h"

#include <random>
#include <stdexcept>
#include <system_error>

#include "base/process.h"

namespace stx {

namespace fs = std::filesystem;

std::string QemuVersion(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    throw std::runtime_error("--qemu " + path.string() + ": no such file");
  auto foreign = [&](const std::string& why) {
    return std::runtime_error("--qemu " + path.string() +
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

std::string RandomBytes(size_t count) {
  std::mt19937 random(std::random_device{}());
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string ShareFailure(Pod& pod) {
  const std::string bytes = RandomBytes(1 << 20);
  WriteFile(pod.share() / "from-host", bytes);
  if (pod.agent().Read("/share/from-host") != bytes) return "the guest reads other bytes";
  pod.agent().Write("/share/from-guest", bytes);
  if (ReadFile(pod.share() / "from-guest") != bytes) return "the host reads other bytes";
  return "";
}

std::string RootFailure(const json& info, const std::string& device, const std::string& id) {
  const json& root = info["root"];
  if (info["guest_id"] != id) return "the guest's /guest-id is " + info["guest_id"].dump();
  if (root["source"] != device || root["type"] != "ext4") return "the root is " + root.dump();
  if (root["write_error"] == "" || root["remount_error"] == "") return "the root can be written";
  return "";
}

bool HasNic(const json& nets, const std::string& mac) {
  for (const json& net : nets["nets"])
    if (net["mac"] == mac) return true;
  return false;
}

std::string GuestId(const fs::path& guest) {
  std::string id = ReadFile(guest / ".made");
  id.erase(id.find_last_not_of('\n') + 1);
  return id;
}

}  // namespace stx
