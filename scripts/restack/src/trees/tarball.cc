// SPDX-License-Identifier: GPL-2.0-or-later
#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "restack/tree.h"

namespace restack {
namespace {

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

}  // namespace

Result<void> VisitTarball(const std::string& file, void* context, TarVisitor visit) {
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
    const char* name = archive_entry_pathname(entry);
    if (!name) continue;
    std::string path = name;
    if (StartsWith(path, "./")) path.erase(0, 2);
    std::string bytes;
    unsigned mode = 0;
    if (archive_entry_filetype(entry) == AE_IFLNK) {
      mode = 0120000;
      if (const char* to = archive_entry_symlink(entry)) bytes = to;
    } else if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry)) {
      mode = archive_entry_perm(entry) & 0100 ? 0100755 : 0100644;
      bytes.resize(static_cast<size_t>(archive_entry_size(entry)));
      size_t at = 0;
      while (at < bytes.size()) {
        la_ssize_t got = archive_read_data(tar.get(), bytes.data() + at, bytes.size() - at);
        if (got <= 0) return fail();
        at += static_cast<size_t>(got);
      }
    } else {
      continue;
    }
    if (!visit(context, std::move(path), mode, std::move(bytes))) return {};
  }
}

Result<std::shared_ptr<MemoryTree>> ReadTarball(const std::string& file) {
  auto tree = std::make_shared<MemoryTree>(nullptr, file);
  Result<void> done = VisitTarball(
      file, tree.get(), [](void* context, std::string path, unsigned mode, std::string bytes) {
        size_t slash = path.find('/');
        if (slash != std::string::npos && slash + 1 < path.size())
          static_cast<MemoryTree*>(context)->Write(path.substr(slash + 1),
                                                   {Text(std::move(bytes)), mode});
        return true;
      });
  if (!done) return done.error();
  return tree;
}

}  // namespace restack
