// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/kata_configuration.h"

#include <regex>
#include <sstream>
#include <stdexcept>

namespace stx {
namespace {

constexpr const char* kInstalled = "/etc/kata-containers/configuration-qemu.toml";

}  // namespace

std::string WithKey(const std::string& text, const KataKey& key) {
  const std::regex set(key.key + " *=.*");
  std::istringstream in(text);
  std::string out;
  bool inside = false, found = false;
  const auto end_section = [&] {
    if (inside) out += key.key + " = " + key.value + "\n";
    inside = false;
  };
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("[")) end_section();
    if (line == "[" + key.section + "]") found = inside = true;
    if (!inside || !std::regex_match(line, set)) out += line + "\n";
  }
  end_section();
  if (!found) throw std::runtime_error(std::string(kInstalled) + " has no section " + key.section);
  return out;
}

KataConfiguration::KataConfiguration(const std::vector<KataKey>& keys) {
  std::string text = ReadFile(kInstalled);
  for (const KataKey& key : keys) text = WithKey(text, key);
  WriteFile(dir_ / "configuration.toml", text);
}

std::vector<std::string> KataConfiguration::Flags() const {
  return {"--annotation",
          "io.katacontainers.config_path=" + (dir_ / "configuration.toml").string()};
}

}  // namespace stx
