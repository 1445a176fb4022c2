// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/kata_trace.h"

#include <filesystem>
#include <sstream>

namespace stx {
namespace {

namespace fs = std::filesystem;

/// Becomes the QEMU that Kata starts.
std::string MakeWrapper(const fs::path& dir) {
  const std::string at = dir.string();
  WriteFile(dir / "qemu", "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + at + "/arguments\n" +
                              "for fd in 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$fd || break; "
                              "done >" +
                              at + "/descriptors\n" + "exec /usr/bin/qemu-system-x86_64 -D " + at +
                              "/qmp -d trace:handle_qmp_command \"$@\"\n");
  fs::permissions(dir / "qemu", fs::perms(0755));
  return "\"" + (dir / "qemu").string() + "\"";
}

std::vector<KataKey> WithPath(std::vector<KataKey> keys, const std::string& path) {
  keys.push_back({"hypervisor.qemu", "path", path});
  return keys;
}

std::vector<std::string> Lines(const fs::path& file) {
  std::istringstream in(ReadFile(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

KataTrace::KataTrace(std::vector<KataKey> keys)
    : configuration_(WithPath(std::move(keys), MakeWrapper(dir_.path()))) {}

std::vector<std::string> KataTrace::Options() const {
  std::vector<std::string> options;
  for (const std::string& argument : Lines(dir_ / "arguments")) {
    if (argument.starts_with("-"))
      options.push_back(argument);
    else
      options.back() += " " + argument;
  }
  return options;
}

std::vector<std::string> KataTrace::Descriptors() const { return Lines(dir_ / "descriptors"); }

std::vector<nlohmann::json> KataTrace::Commands() const {
  std::vector<nlohmann::json> commands;
  for (const std::string& line : Lines(dir_ / "qmp")) {
    const size_t at = line.find(" req: ");
    if (line.find("handle_qmp_command") != std::string::npos && at != std::string::npos)
      commands.push_back(nlohmann::json::parse(line.substr(at + 6)));
  }
  return commands;
}

}  // namespace stx
