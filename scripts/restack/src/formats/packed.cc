// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/packed.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "block.h"

#include "restack/text.h"

namespace restack {
namespace {

/// 0: the name tells of none.
int FilterOf(const std::string& name) {
  if (EndsWith(name, ".gz")) return ARCHIVE_FILTER_GZIP;
  if (EndsWith(name, ".bz2")) return ARCHIVE_FILTER_BZIP2;
  if (EndsWith(name, ".xz")) return ARCHIVE_FILTER_XZ;
  if (EndsWith(name, ".lzma")) return ARCHIVE_FILTER_LZMA;
  if (EndsWith(name, ".lz")) return ARCHIVE_FILTER_LZIP;
  return 0;
}

Error Why(const std::string& name, archive* a) {
  const char* why = archive_error_string(a);
  return Error{name + ": its packing cannot be read or written: " +
               (why ? why : "libarchive does not say why")};
}

/// A patch is text; more than this is a bomb.
constexpr size_t kMost = size_t{1} << 30;

using Reader = std::unique_ptr<archive, int (*)(archive*)>;

/// The bytes that `in`, whose filters are set, makes of `bytes`.
Result<std::string> ReadAll(const Reader& in, const std::string& name, std::string_view bytes,
                            size_t expected, size_t most) {
  archive_read_support_format_raw(in.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(in.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(in.get(), &entry) != ARCHIVE_OK)
    return Why(name, in.get());
  std::string text;
  text.reserve(expected);
  char buffer[65536];
  while (true) {
    la_ssize_t got = archive_read_data(in.get(), buffer, sizeof buffer);
    if (got < 0) return Why(name, in.get());
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > most)
      return Error{name + ": unpacks to more than " + std::to_string(most >> 20) + " MiB"};
  }
}

/// The bytes through a filter; `level` is its compression level, or null for the usual one.
Result<std::string> WriteAll(int filter, const char* level, const std::string& name,
                             std::string_view bytes) {
  std::string packed(bytes.size() + 65536, '\0');
  size_t used = 0;
  std::unique_ptr<archive, int (*)(archive*)> out(archive_write_new(), archive_write_free);
  std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                 archive_entry_free);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  archive_write_set_bytes_in_last_block(out.get(), 1);
  if (archive_write_add_filter(out.get(), filter) != ARCHIVE_OK) return Why(name, out.get());
  archive_write_set_format_raw(out.get());
  archive_write_set_filter_option(out.get(), nullptr, "timestamp", nullptr);  // only gzip has one
  if (level) archive_write_set_filter_option(out.get(), nullptr, "compression-level", level);
  if (archive_write_open_memory(out.get(), packed.data(), packed.size(), &used) != ARCHIVE_OK ||
      archive_write_header(out.get(), entry.get()) != ARCHIVE_OK ||
      archive_write_data(out.get(), bytes.data(), bytes.size()) !=
          static_cast<la_ssize_t>(bytes.size()) ||
      archive_write_close(out.get()) != ARCHIVE_OK)
    return Why(name, out.get());
  packed.resize(used);
  return packed;
}

constexpr const char* kBlockName = "a block of the cache";

}  // namespace

bool IsPacked(const std::string& name) { return FilterOf(name) != 0; }

Result<std::string> Unpack(const std::string& name, std::string_view bytes) {
  int filter = FilterOf(name);
  if (filter == 0) return std::string(bytes);
  if (bytes.empty()) return std::string();
  Reader in(archive_read_new(), archive_read_free);
  archive_read_append_filter(in.get(), filter);
  return ReadAll(in, name, bytes, 0, kMost);
}

Result<std::string> Pack(const std::string& name, std::string bytes) {
  int filter = FilterOf(name);
  if (filter == 0) return bytes;
  return WriteAll(filter, nullptr, name, bytes);
}

Result<std::string> PackBlock(std::string_view bytes) {
  Result<std::string> packed = WriteAll(ARCHIVE_FILTER_ZSTD, "1", kBlockName, bytes);
  return packed ? std::move(packed) : WriteAll(ARCHIVE_FILTER_GZIP, "1", kBlockName, bytes);
}

Result<std::string> UnpackBlock(std::string_view packed, size_t size) {
  Reader in(archive_read_new(), archive_read_free);
  // One filter: what comes out may look packed itself, and is a file's own content.
  bool gzip = packed.starts_with("\x1f\x8b");
  archive_read_append_filter(in.get(), gzip ? ARCHIVE_FILTER_GZIP : ARCHIVE_FILTER_ZSTD);
  Result<std::string> bytes = ReadAll(in, kBlockName, packed, size, size);
  if (bytes && bytes->size() != size) return Error{std::string(kBlockName) + ": is cut off"};
  return bytes;
}

}  // namespace restack
