// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/folder.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "restack/tree.h"

namespace restack {

namespace fs = std::filesystem;

Result<std::string> ReadFile(const std::string& file) {
  std::error_code error;
  if (fs::is_directory(file, error)) return Error{file + ": is a folder"};
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{file + ": cannot be read"};
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

Result<void> WriteFile(const std::string& file, std::string_view bytes) {
  std::error_code error;
  fs::create_directories(fs::path(file).parent_path(), error);
  std::string partial = file + ".new";
  {
    std::ofstream out(partial, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.flush();
    if (!out) {
      fs::remove(partial, error);
      return Error{file + ": cannot be written"};
    }
  }
  if (fs::exists(file, error))
    fs::permissions(partial, fs::status(file, error).permissions(), error);
  fs::rename(partial, file, error);
  if (error) return Error{file + ": cannot be written: " + error.message()};
  return {};
}

Result<Series> ReadSeries(const Tree& tree) {
  Series series;
  auto read = [&](const std::string& path) -> Result<std::string> {
    Result<std::optional<TreeFile>> file = tree.Read(path);
    if (!file) return file.error();
    if (!*file) return Error{tree.Name() + "/" + path + ": is not there"};
    return (*file)->text.bytes();
  };
  Result<std::string> list = read("series");
  if (!list) return list.error();
  Result<SeriesFile> file = ParseSeries(*list, tree.Name() + "/series");
  if (!file) return file.error();
  series.file = std::move(*file);
  for (const SeriesEntry& entry : series.file.entries) {
    if (entry.patch.empty()) continue;
    Result<std::string> bytes = read(entry.patch);
    if (!bytes) return bytes.error();
    Result<Patch> patch = ParsePatch(*bytes, entry.patch);
    if (!patch) return Error{tree.Name() + "/" + patch.error().sentence};
    series.patches.push_back(std::move(*patch));
    series.strip.push_back(entry.strip);
    series.reverse.push_back(entry.reverse);
    series.originals.push_back(std::move(*bytes));
  }
  return series;
}

Result<Series> ReadSeries(const std::string& folder) {
  Result<std::shared_ptr<Tree>> tree = OpenDirectory(folder);
  if (!tree) return tree.error();
  return ReadSeries(**tree);
}

}  // namespace restack
