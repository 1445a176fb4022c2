// SPDX-License-Identifier: GPL-2.0-or-later
#include "scripts/clone.h"

#include <signal.h>
#include <unistd.h>

namespace stx {

namespace fs = std::filesystem;

Clone::Clone(const Archive& archive, const std::string& pinned) : archive_(archive), dir_("clone") {
  fs::permissions(path(), fs::perms(0755));  // with the usual mode of a clone, because some cases
                                             // run as another user
  fs::copy(fs::path(EnvOr("REPOSITORY", ".")) / "scripts", path() / "scripts",
           fs::copy_options::recursive);
  for (const char* folder : {"qemu-7.2", "patches", "debian", "meson-overrides/small"})
    fs::create_directories(path() / folder);
  WriteFile(path() / "debian/control", "Source: small\nBuild-Depends: dpkg-dev\n");
  WriteFile(path() / "meson-overrides/small/configure", "--disable-everything\n");
  WriteSeries("");
  Pin(pinned);
}

void Clone::Pin(const std::string& version) {
  WriteFile(path() / "qemu-7.2/base.toml", archive_.Pin(version));
}

void Clone::WriteSeries(const std::string& lines) const {
  WriteFile(path() / "patches/series", lines);
}

void Clone::WritePatch(const std::string& name, const std::vector<Edit>& edits) const {
  std::string text = "Description: a test's\n";
  for (const Edit& edit : edits) {
    const std::string file = "hw/" + std::to_string(edit.file) + ".c";
    text += "--- a/" + file + "\n+++ b/" + file + "\n@@ -1,3 +1,3 @@\n one\n-" + edit.from + "\n+" +
            edit.to + "\n three\n";
  }
  WriteFile(path() / "patches" / name, text);
}

void Clone::Reset() const {
  for (const char* made : {"build", "cache", "qemu-7.2/plain", "qemu-7.2/tree"})
    fs::remove_all(path() / made);
  for (const char* made : {"qemu-7.2/plain.stamp", "qemu-7.2/tree.stamp", "qemu-7.2/tree.pending"})
    fs::remove(path() / made);
}

std::vector<std::string> Clone::Command(const std::string& step,
                                        const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {(path() / "scripts/step" / step).string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

SpawnOptions Clone::Environment() const {
  SpawnOptions options;
  options.environment = {"APT_CONFIG=" + archive_.AptConfig().string()};
  return options;
}

RunResult Clone::Step(const std::string& step, const std::vector<std::string>& arguments,
                      std::vector<std::string> before) const {
  for (const std::string& word : Command(step, arguments)) before.push_back(word);
  // It takes seconds on an idle machine. The deadline only decides whether a step ends, not how
  // fast a busy machine is.
  return Run(before, Milliseconds(100000), Environment());
}

bool Clone::StartAndKill(const std::string& step, Milliseconds after) const {
  const auto end = Clock::now() + after;
  return StartAndKill(step, [end] { return Clock::now() >= end; });
}

bool Clone::StartAndKill(const std::string& step, const std::function<bool()>& moment) const {
  SpawnOptions options = Environment();
  options.before_exec = [] { return setpgid(0, 0) == 0; };
  Process process(Command(step), options);
  bool ended = false;
  while (!ended && !moment()) ended = process.Wait(Milliseconds(1)).has_value();
  if (!ended) kill(-process.pid(), SIGKILL);
  process.Wait(Milliseconds(5000));
  return !ended;
}

std::map<std::string, std::string> Content(const fs::path& folder) {
  std::map<std::string, std::string> content;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == ".quilt_patches") continue;  // the clone's own path
    std::string& bytes = content[entry.path().lexically_relative(folder).string()];
    if (entry.is_symlink())
      bytes = "-> " + fs::read_symlink(entry.path()).string();
    else if (entry.is_regular_file())
      bytes = ((entry.status().permissions() & fs::perms::owner_exec) != fs::perms::none ? "x "
                                                                                         : "- ") +
              ReadFile(entry.path());
  }
  return content;
}

std::string Difference(const std::map<std::string, std::string>& a,
                       const std::map<std::string, std::string>& b) {
  for (const auto* side : {&a, &b}) {
    const auto& other = side == &a ? b : a;
    for (const auto& [path, bytes] : *side) {
      auto found = other.find(path);
      if (found == other.end()) return path + " is on one side only";
      if (found->second != bytes) return path + " differs";
    }
  }
  return "";
}

}  // namespace stx
