// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/kata_configuration.h"

#include <regex>
#include <sstream>
#include <stdexcept>

namespace stx {
namespace {

constexpr const char* kInstalled = "/etc/kata-containers/configuration-qemu.toml";

/// `text` with the key set in its section. (scripts/kata does the same to the release's file with a
/// TOML library, which the nodes do not have.)
std::string SetKey(const std::string& text, const KataKey& key) {
  const std::regex assignment("(# *)?" + key.key + " *=.*");
  std::istringstream in(text);
  std::string out;
  bool inside = false, set = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("[")) inside = line == "[" + key.section + "]";
    std::smatch match;
    if (inside && std::regex_match(line, match, assignment)) {
      // The last value would be one too many beside a comment that became ours.
      if (set && !match[1].matched) continue;
      if (!set) line = key.key + " = " + key.value;
      set = true;
    }
    out += line + "\n";
  }
  if (!set)
    throw std::runtime_error(std::string(kInstalled) + " has no " + key.key + " in [" +
                             key.section + "]");
  return out;
}

}  // namespace

KataConfiguration::KataConfiguration(const std::vector<KataKey>& keys) {
  std::string text = ReadFile(kInstalled);
  for (const KataKey& key : keys) text = SetKey(text, key);
  WriteFile(dir_ / "configuration.toml", text);
}

std::vector<std::string> KataConfiguration::Flags() const {
  return {"--annotation",
          "io.katacontainers.config_path=" + (dir_ / "configuration.toml").string()};
}

}  // namespace stx
