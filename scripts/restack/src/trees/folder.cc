// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "restack/packed.h"
#include "restack/tree.h"

namespace restack {

namespace fs = std::filesystem;

Result<std::string> ReadFile(const std::string& file) {
  std::error_code error;
  if (fs::is_directory(file, error)) return Error{file + ": is a folder"};
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{file + ": cannot be read"};
  std::string bytes;
  // Only a regular file has a size.
  if (auto size = fs::file_size(file, error); !error) bytes.reserve(size);
  std::vector<char> buffer(size_t{1} << 16);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
    bytes.append(buffer.data(), static_cast<size_t>(in.gcount()));
  if (in.bad()) return Error{file + ": cannot be read"};
  return bytes;
}

Result<void> WriteFile(const std::string& file, std::string_view bytes) {
  std::error_code error;
  auto fail = [&](const std::string& why) { return Error{file + ": cannot be written: " + why}; };
  fs::path folder = fs::path(file).parent_path();
  if (!folder.empty()) fs::create_directories(folder, error);
  // Never write through a symbolic link at that name.
  std::string partial = file + ".new";
  unlink(partial.c_str());
  int fd = open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0) return fail(std::strerror(errno));
  while (!bytes.empty()) {
    ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      std::string why = std::strerror(errno);
      close(fd);
      unlink(partial.c_str());
      return fail(why);
    }
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  if (close(fd) != 0) {
    std::string why = std::strerror(errno);
    unlink(partial.c_str());
    return fail(why);
  }
  fs::file_status now = fs::symlink_status(file, error);
  if (fs::is_regular_file(now)) fs::permissions(partial, now.permissions(), error);
  if (rename(partial.c_str(), file.c_str()) != 0) {
    std::string why = std::strerror(errno);
    unlink(partial.c_str());
    return fail(why);
  }
  return {};
}

Result<void> WriteBelow(const std::string& folder, const std::string& path,
                        std::string_view bytes) {
  std::string way = folder;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == "." || part == "..")
      return Error{path + ": leads out of " + folder};
    way += "/" + part;
    std::error_code error;
    if (end < path.size() && fs::is_symlink(fs::symlink_status(way, error)))
      return Error{way + ": is a symbolic link, behind which nothing is written"};
  }
  return WriteFile(way, bytes);
}

namespace {

using ReadOne = std::function<Result<std::optional<std::string>>(const std::string& path)>;

Result<Series> ReadWith(const ReadOne& read_file, const std::string& where) {
  Series series;
  auto read = [&](const std::string& path) -> Result<std::string> {
    Result<std::optional<std::string>> file = read_file(path);
    if (!file) return file.error();
    if (!*file) return Error{where + "/" + path + ": is not there"};
    return std::move(**file);
  };
  Result<std::string> list = read("series");
  if (!list) return list.error();
  Result<SeriesFile> file = ParseSeries(*list, where + "/series");
  if (!file) return file.error();
  series.file = std::move(*file);
  for (const SeriesEntry& entry : series.file.entries) {
    if (entry.patch.empty()) continue;
    Result<std::string> read_bytes = read(entry.patch);
    if (!read_bytes) return read_bytes.error();
    Bytes bytes(std::move(*read_bytes));
    Result<Patch> patch = ReadPatch(bytes, entry.patch);
    if (!patch) return Error{where + "/" + patch.error().message};
    if (patch->files.empty() && !bytes.empty())
      return Error{where + "/" + entry.patch +
                   ": has no change that GNU patch reads, only text" +
                   (patch->ignored.empty() ? "" : "; " + patch->ignored.front())};
    series.patches.push_back(std::move(*patch));
    series.strip.push_back(entry.strip);
    series.reverse.push_back(entry.reverse);
    series.originals.push_back(std::move(bytes));
  }
  return series;
}

}  // namespace

Result<Patch> ReadPatch(const Bytes& bytes, const std::string& name) {
  if (!IsPacked(name)) return ParsePatch(bytes, name);
  Result<std::string> text = Unpack(name, bytes);
  if (!text) return text.error();
  return ParsePatch(std::move(*text), name);
}

Result<Series> ReadSeries(const Tree& tree) {
  return ReadWith(
      [&](const std::string& path) -> Result<std::optional<std::string>> {
        std::string at = path;
        for (int links = 0; links < 8; ++links) {
          Result<std::optional<TreeFile>> file = tree.Read(at);
          if (!file) return file.error();
          if (!*file) return std::optional<std::string>();
          if ((*file)->mode != 0120000) return std::optional((*file)->text.bytes());
          // A link to another file of the same folder, such as series -> series.debian.
          std::string to = (*file)->text.bytes();
          if (to.find('/') != std::string::npos) break;
          std::string folder(DirName(at));
          at = folder.empty() ? to : folder + "/" + to;
        }
        return Error{tree.Name() + "/" + path + ": is a symbolic link out of its folder"};
      },
      tree.Name());
}

Result<Series> ReadSeries(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return Error{folder + ": is not a folder"};
  return ReadWith(
      [&](const std::string& path) -> Result<std::optional<std::string>> {
        std::error_code none;
        if (!fs::exists(folder + "/" + path, none)) return std::optional<std::string>();
        Result<std::string> bytes = ReadFile(folder + "/" + path);
        if (!bytes) return bytes.error();
        return std::optional(std::move(*bytes));
      },
      folder);
}

}  // namespace restack
