// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/release.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>

#include "base/os.h"
#include "kata/toml.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

struct ArchiveDeleter {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, ArchiveDeleter>;

/// "./opt//kata/x" and "opt/kata/x" are the same member.
std::string Normal(const std::string& name) {
  std::string normal = fs::path(name).lexically_normal().relative_path().string();
  if (normal.ends_with('/')) normal.pop_back();  // as the name of a folder does
  return normal;
}

/// A member of the tarball. For a link, the target is the name of a member; otherwise it is empty.
struct Member {
  bool regular = false;
  std::string target;
};

/// Calls `each` with every member, positioned at its data.
void ForEach(const fs::path& tarball,
             const std::function<void(archive*, archive_entry*, const std::string&)>& each) {
  Reader reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_tar(reader.get());
  auto damaged = [&] {
    const char* why = archive_error_string(reader.get());
    return std::runtime_error(tarball.string() +
                              ": not a complete tarball: " + (why ? why : "it ends"));
  };
  if (archive_read_open_filename(reader.get(), tarball.c_str(), 1 << 20) != ARCHIVE_OK)
    throw damaged();
  archive_entry* entry = nullptr;
  int result;
  while ((result = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK)
    each(reader.get(), entry, Normal(archive_entry_pathname(entry)));
  if (result != ARCHIVE_EOF) throw damaged();
}

void CopyData(const fs::path& tarball, archive* reader, archive_entry* entry, const fs::path& to) {
  fs::create_directories(to.parent_path());
  const int mode = archive_entry_perm(entry) & 0111 ? 0755 : 0644;
  UniqueFd out(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!out || fchmod(out.get(), mode) != 0) ThrowErrno(to.string());
  if (archive_read_data_into_fd(reader, out.get()) != ARCHIVE_OK)
    throw std::runtime_error(tarball.string() + ": not a complete tarball: " +
                             archive_entry_pathname(entry) + ": " + archive_error_string(reader));
}

}  // namespace

std::vector<Selection> ReadSelections(const fs::path& manifest) {
  const toml::table table = ParseToml(manifest);
  const toml::array* files = table["file"].as_array();
  if (!files || files->empty()) throw std::runtime_error(manifest.string() + ": no [[file]]");
  std::vector<Selection> selections;
  for (const toml::node& node : *files) {
    const toml::table* file = node.as_table();
    auto value = [&](const char* key) {
      const std::string text = file ? (*file)[key].value_or(std::string()) : std::string();
      const bool up = text.find("..") != std::string::npos;
      if (text.empty() || text.starts_with('/') || up)
        throw std::runtime_error(manifest.string() + ":" +
                                 std::to_string(node.source().begin.line) + ": [[file]] needs '" +
                                 key + "', a path without a leading / and without ..");
      return text;
    };
    selections.push_back({value("from"), value("to")});
  }
  return selections;
}

void Extract(const fs::path& tarball, const std::vector<Selection>& selections,
             const fs::path& root) {
  std::map<std::string, Member> members;
  ForEach(tarball, [&](archive*, archive_entry* entry, const std::string& name) {
    Member& member = members[name];
    const char* hard = archive_entry_hardlink(entry);
    const char* symbolic = archive_entry_symlink(entry);
    member.regular = !hard && archive_entry_filetype(entry) == AE_IFREG;
    if (hard) member.target = Normal(hard);
    if (symbolic) member.target = Normal(fs::path(name).parent_path() / symbolic);
  });

  // Member -> where its bytes go. The package's links are created at the end.
  std::map<std::string, std::vector<fs::path>> copies;
  std::vector<std::pair<fs::path, std::string>> links;
  for (const Selection& selection : selections) {
    std::string name = selection.from;
    std::set<std::string> seen;
    auto bad = [&](const std::string& why) {
      return std::runtime_error(tarball.string() + ": " + selection.from + ": " + why);
    };
    while (true) {
      auto found = members.find(name);
      if (found == members.end())
        throw bad(seen.empty() ? "not in the tarball"
                               : "leads to " + name + ", which is not in the tarball");
      if (found->second.regular) break;
      if (found->second.target.empty()) throw bad("neither a file nor a link");
      if (!seen.insert(name).second) throw bad("a link that leads to itself");
      name = found->second.target;
    }
    fs::path to = root / selection.to;
    if (!seen.empty() && fs::path(name).filename() != to.filename()) {
      links.emplace_back(to, fs::path(name).filename().string());
      to.replace_filename(fs::path(name).filename());
    }
    auto& places = copies[name];
    if (std::find(places.begin(), places.end(), to) == places.end()) places.push_back(to);
  }
  ForEach(tarball, [&](archive* reader, archive_entry* entry, const std::string& name) {
    auto found = copies.find(name);
    if (found == copies.end() || archive_entry_filetype(entry) != AE_IFREG) return;
    const fs::path& first = found->second.front();
    CopyData(tarball, reader, entry, first);
    for (auto place = found->second.begin() + 1; place != found->second.end(); ++place) {
      fs::create_directories(place->parent_path());
      fs::copy_file(first, *place);
    }
    copies.erase(found);
  });
  for (const auto& [link, target] : links) fs::create_symlink(target, link);
}

std::vector<std::string> FindConfiguredPaths(const fs::path& configuration) {
  std::set<std::string> paths;
  std::function<void(const toml::node&)> walk = [&](const toml::node& node) {
    if (const auto* text = node.as_string()) {
      const std::string& value = text->get();
      for (const char* top : {"/usr/", "/etc/", "/opt/"})
        if (value.starts_with(top)) paths.insert(value);
    } else if (const auto* array = node.as_array()) {
      for (const toml::node& element : *array) walk(element);
    } else if (const auto* table = node.as_table()) {
      for (const auto& [key, value] : *table) walk(value);
    }
  };
  const toml::table table = ParseToml(configuration);
  walk(table);
  return {paths.begin(), paths.end()};
}

}  // namespace stx
