// SPDX-License-Identifier: GPL-2.0-or-later
#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "restack/tree.h"
#include "tarball.h"

namespace restack {
namespace {

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

Result<void> Pass(const std::string& file, const std::function<bool(archive*, archive_entry*)>& each,
                  Result<void>& stopped) {
  std::unique_ptr<archive, FreeArchive> tar(archive_read_new());
  archive_read_support_filter_all(tar.get());
  archive_read_support_format_tar(tar.get());
  auto fail = [&] {
    const char* why = archive_error_string(tar.get());
    return Error{file + ": cannot be read as a tarball: " + (why ? why : "no reason given")};
  };
  if (archive_read_open_filename(tar.get(), file.c_str(), 1 << 20) != ARCHIVE_OK) return fail();
  while (true) {
    archive_entry* entry = nullptr;
    int status = archive_read_next_header(tar.get(), &entry);
    if (status == ARCHIVE_EOF) return {};
    if (status < ARCHIVE_WARN) return fail();
    if (!each(tar.get(), entry)) return stopped ? Result<void>() : fail();
  }
}

/// The name as bytes: of an extended header, libarchive has it in UTF-8 only.
std::string NameOf(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (!name) name = archive_entry_pathname_utf8(entry);
  std::string path = name ? name : "";
  while (StartsWith(path, "./")) path.erase(0, 2);
  return path;
}

bool LeadsOut(const std::string& path) {
  return path.starts_with('/') || ("/" + path + "/").find("/../") != std::string::npos;
}

bool ReadBytes(archive* tar, archive_entry* entry, std::string& bytes) {
  bytes.resize(static_cast<size_t>(archive_entry_size(entry)));
  for (size_t at = 0; at < bytes.size();) {
    la_ssize_t got = archive_read_data(tar, bytes.data() + at, bytes.size() - at);
    if (got <= 0) return false;
    at += static_cast<size_t>(got);
  }
  return true;
}

unsigned ModeOf(archive_entry* entry) {
  return archive_entry_perm(entry) & 0100 ? 0100755 : 0100644;
}

}  // namespace

Result<void> VisitTarball(const std::string& file, void* context, TarVisitor visit,
                          const std::function<void(double)>& progress) {
  std::error_code error;
  double size = static_cast<double>(std::filesystem::file_size(file, error));
  // A hard link has the bytes of another entry: those are read again in a second pass.
  std::multimap<std::string, std::string> links;
  Result<void> stopped;
  auto each = [&](archive* tar, archive_entry* entry) {
    std::string path = NameOf(entry), bytes;
    if (progress && !error && size > 0)
      progress(static_cast<double>(archive_filter_bytes(tar, -1)) / size);
    if (path.empty()) return true;
    if (LeadsOut(path)) {
      stopped = Error{file + ": the name " + path + " in it leads out of its folder"};
      return false;
    }
    unsigned mode = 0;
    if (const char* link = archive_entry_hardlink(entry)) {
      std::string to = link;
      while (StartsWith(to, "./")) to.erase(0, 2);
      links.emplace(to, path);
      return true;
    }
    if (archive_entry_filetype(entry) == AE_IFLNK) {
      mode = 0120000;
      const char* to = archive_entry_symlink(entry);
      if (!to) to = archive_entry_symlink_utf8(entry);
      if (to) bytes = to;
    } else if (archive_entry_filetype(entry) == AE_IFREG) {
      mode = ModeOf(entry);
      if (!ReadBytes(tar, entry, bytes)) return false;
    } else {
      return true;
    }
    if (visit(context, std::move(path), mode, std::move(bytes))) return true;
    stopped = Error{file + ": reading it was ended"};
    return false;
  };
  Result<void> done = Pass(file, each, stopped);
  if (!done) return done;
  if (!stopped || links.empty()) return stopped;
  auto again = [&](archive* tar, archive_entry* entry) {
    auto [at, end] = links.equal_range(NameOf(entry));
    if (at == end || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
      return true;
    std::string bytes;
    if (!ReadBytes(tar, entry, bytes)) return false;
    for (; at != end; ++at) visit(context, at->second, ModeOf(entry), bytes);
    return true;
  };
  done = Pass(file, again, stopped);
  return done ? stopped : done;
}

std::string TopFolder(const std::vector<std::string>& paths) {
  std::string top;
  for (const std::string& path : paths) {
    size_t slash = path.find('/');
    if (slash == std::string::npos) return {};
    std::string folder = path.substr(0, slash + 1);
    if (top.empty()) top = folder;
    if (top != folder) return {};
  }
  return top;
}

Result<std::shared_ptr<MemoryTree>> ReadTarball(const std::string& file) {
  std::map<std::string, TreeFile> files;
  Result<void> done = VisitTarball(
      file, &files, [](void* context, std::string path, unsigned mode, std::string bytes) {
        (*static_cast<std::map<std::string, TreeFile>*>(context))[std::move(path)] = {
            Text(std::move(bytes)), mode};
        return true;
      });
  if (!done) return done.error();
  std::vector<std::string> paths;
  for (const auto& [path, content] : files) paths.push_back(path);
  size_t top = TopFolder(paths).size();
  auto tree = std::make_shared<MemoryTree>(nullptr, file);
  for (auto& [path, content] : files) tree->Write(path.substr(top), std::move(content));
  return tree;
}

}  // namespace restack
