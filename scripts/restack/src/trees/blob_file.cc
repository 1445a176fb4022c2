// SPDX-License-Identifier: GPL-2.0-or-later
#include "blob_file.h"

#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <filesystem>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "formats/block.h"

namespace restack {
namespace {

namespace fs = std::filesystem;

/// The file: compressed blocks, the table of blocks, the table of blobs by their ids, the footer.
/// Numbers are in the byte order of the machine: it is a cache.
struct Block {
  uint64_t at, packed, size;
};
struct BlobEntry {
  git_oid id;
  uint32_t block;
  uint64_t at, size;  ///< in the unpacked block
};
struct Footer {
  uint64_t blocks, blobs;  ///< how many
  uint64_t at;             ///< where the table of blocks begins
  char magic[8];
};
constexpr char kMagic[8] = {'r', 's', 't', 'k', 'b', 'l', 'b', '1'};
/// Packed together: a file is read by unpacking all of its block.
constexpr size_t kBlock = size_t{1} << 18;

bool Before(const git_oid& a, const git_oid& b) { return git_oid_cmp(&a, &b) < 0; }

std::string FolderOf(git_repository* repository) {
  return std::string(git_repository_path(repository)) + "blobs";
}

struct IdHash {
  size_t operator()(const git_oid& id) const {
    size_t hash;
    std::memcpy(&hash, id.id, sizeof hash);
    return hash;
  }
};
struct IdEqual {
  bool operator()(const git_oid& a, const git_oid& b) const { return git_oid_equal(&a, &b); }
};

/// One file, mapped into memory.
class BlobFile {
 public:
  /// Nothing when it is not whole.
  static std::unique_ptr<BlobFile> Open(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return nullptr;
    auto file = std::make_unique<BlobFile>();
    struct stat status {};
    if (fstat(fd, &status) == 0 && status.st_size > 0) {
      file->size_ = static_cast<size_t>(status.st_size);
      void* mapped = mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd, 0);
      if (mapped != MAP_FAILED) file->data_ = static_cast<const char*>(mapped);
    }
    close(fd);
    return file->data_ && file->ReadTables() ? std::move(file) : nullptr;
  }
  BlobFile() = default;
  ~BlobFile() {
    if (data_) munmap(const_cast<char*>(data_), size_);
  }
  BlobFile(const BlobFile&) = delete;
  BlobFile& operator=(const BlobFile&) = delete;

  /// The blob whose id begins with `prefix`. `several`: there is another one.
  const BlobEntry* Find(const git_oid& prefix, size_t length, bool& several) const {
    const BlobEntry* end = blobs_ + count_;
    const BlobEntry* at = std::lower_bound(
        blobs_, end, prefix,
        [](const BlobEntry& entry, const git_oid& id) { return Before(entry.id, id); });
    auto fits = [&](const BlobEntry* entry) {
      return entry != end && git_oid_ncmp(&entry->id, &prefix, length) == 0;
    };
    several = fits(at) && fits(at + 1);
    return fits(at) ? at : nullptr;
  }

  /// The blob's bytes; they stay valid until the next call.
  std::optional<std::string_view> Read(const BlobEntry& entry) {
    if (entry.block >= block_count_) return std::nullopt;
    const Block& block = blocks_[entry.block];
    auto kept = std::find_if(kept_.begin(), kept_.end(),
                             [&](const auto& each) { return each.first == entry.block; });
    if (kept == kept_.end()) {
      if (block.at > size_ || block.packed > size_ - block.at) return std::nullopt;
      Result<std::string> bytes = UnpackBlock({data_ + block.at, block.packed}, block.size);
      if (!bytes) return std::nullopt;
      // Files of one folder are near each other, and asked for together.
      constexpr size_t kKept = 64;
      if (kept_.size() >= kKept) kept_.pop_front();
      kept_.emplace_back(entry.block, std::move(*bytes));
      kept = std::prev(kept_.end());
    }
    std::string_view bytes = kept->second;
    if (entry.at > bytes.size() || entry.size > bytes.size() - entry.at) return std::nullopt;
    return bytes.substr(entry.at, entry.size);
  }

 private:
  bool ReadTables() {
    Footer footer;
    if (size_ < sizeof footer) return false;
    size_t end = size_ - sizeof footer;
    std::memcpy(&footer, data_ + end, sizeof footer);
    constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
    if (std::memcmp(footer.magic, kMagic, sizeof kMagic) != 0 || footer.blocks > kMost ||
        footer.blobs > kMost || footer.at % 8 != 0 || footer.at > end ||
        end - footer.at != footer.blocks * sizeof(Block) + footer.blobs * sizeof(BlobEntry))
      return false;
    block_count_ = footer.blocks;
    count_ = footer.blobs;
    blocks_ = reinterpret_cast<const Block*>(data_ + footer.at);
    blobs_ = reinterpret_cast<const BlobEntry*>(data_ + footer.at + block_count_ * sizeof(Block));
    return true;
  }

  const char* data_ = nullptr;
  size_t size_ = 0, count_ = 0, block_count_ = 0;
  const Block* blocks_ = nullptr;
  const BlobEntry* blobs_ = nullptr;
  std::deque<std::pair<uint32_t, std::string>> kept_;  ///< blocks that were unpacked last
};

/// All files of a folder. libgit2 knows the first part of it only.
struct Backend : git_odb_backend {
  std::string folder;
  std::unordered_map<std::string, std::unique_ptr<BlobFile>> files;
  timespec changed{};

  static Backend& Of(git_odb_backend* backend) { return *static_cast<Backend*>(backend); }

  /// Takes in files that are new, if the folder has changed.
  void Refresh() {
    struct stat status {};
    if (stat(folder.c_str(), &status) != 0) return;
    if (status.st_mtim.tv_sec == changed.tv_sec && status.st_mtim.tv_nsec == changed.tv_nsec)
      return;
    changed = status.st_mtim;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      std::string name = entry.path().filename().string();
      if (name.find(".new.") != std::string::npos || files.count(name)) continue;
      if (std::unique_ptr<BlobFile> file = BlobFile::Open(entry.path().string()))
        files[name] = std::move(file);
    }
  }

  struct Found {
    BlobFile* file = nullptr;
    const BlobEntry* entry = nullptr;
  };
  /// GIT_OK, GIT_ENOTFOUND or GIT_EAMBIGUOUS.
  int Find(const git_oid& id, size_t length, Found& found) {
    for (const auto& [name, file] : files) {
      bool several = false;
      const BlobEntry* entry = file->Find(id, length, several);
      if (!entry) continue;
      if (several || (found.entry && !git_oid_equal(&entry->id, &found.entry->id)))
        return GIT_EAMBIGUOUS;
      found = {file.get(), entry};
      if (length == GIT_OID_HEXSZ) break;
    }
    return found.entry ? GIT_OK : GIT_ENOTFOUND;
  }
};

}  // namespace

struct BlobFileWriter::Impl {
  Backend others;  ///< files that were written before
  std::string file, partial;
  int fd = -1;
  std::string open;  ///< the block that is being filled
  std::vector<Block> blocks;
  std::unordered_map<git_oid, BlobEntry, IdHash, IdEqual> blobs;
  uint64_t at = 0;
  std::string error;

  void Put(const void* data, size_t size) {
    const char* from = static_cast<const char*>(data);
    while (size > 0 && error.empty()) {
      ssize_t put = write(fd, from, size);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) {
        error = file + ": cannot be written: " + std::strerror(errno);
        return;
      }
      from += put;
      size -= static_cast<size_t>(put);
      at += static_cast<uint64_t>(put);
    }
  }

  void Flush() {
    if (open.empty() || !error.empty()) return;
    Result<std::string> packed = PackBlock(open);
    if (!packed) {
      error = file + ": " + packed.error().message;
      return;
    }
    blocks.push_back({at, packed->size(), open.size()});
    Put(packed->data(), packed->size());
    open.clear();
  }
};

BlobFileWriter::BlobFileWriter(git_repository* repository, const std::string& name)
    : impl_(std::make_unique<Impl>()) {
  std::string folder = impl_->others.folder = FolderOf(repository);
  impl_->others.Refresh();
  impl_->file = folder + "/" + name;
  std::error_code error;
  fs::create_directories(folder, error);
  // What a run that was killed has left.
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::string left = entry.path().filename().string();
    if (left.compare(0, name.size() + 5, name + ".new.") != 0) continue;
    pid_t writer = static_cast<pid_t>(std::atol(left.c_str() + name.size() + 5));
    if (writer > 0 && kill(writer, 0) != 0 && errno == ESRCH) fs::remove(entry.path(), error);
  }
  impl_->partial = impl_->file + ".new." + std::to_string(getpid());
  impl_->fd =
      ::open(impl_->partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (impl_->fd < 0) impl_->error = impl_->file + ": cannot be written: " + std::strerror(errno);
}

BlobFileWriter::~BlobFileWriter() {
  if (impl_->fd < 0) return;
  close(impl_->fd);
  unlink(impl_->partial.c_str());
}

Result<git_oid> BlobFileWriter::Add(std::string_view bytes) {
  Impl& it = *impl_;
  BlobEntry entry{};
  if (git_odb_hash(&entry.id, bytes.data(), bytes.size(), GIT_OBJECT_BLOB) != 0)
    return GitError(it.file);
  if (it.blobs.count(entry.id)) return entry.id;
  Backend::Found found;
  if (it.others.Find(entry.id, GIT_OID_HEXSZ, found) == GIT_OK) return entry.id;
  if (!it.open.empty() && it.open.size() + bytes.size() > kBlock) it.Flush();
  if (!it.error.empty()) return Error{it.error};
  entry.block = static_cast<uint32_t>(it.blocks.size());
  entry.at = it.open.size();
  entry.size = bytes.size();
  it.open += bytes;
  // An empty block is not written: what is empty stands in the next one.
  it.blobs.emplace(entry.id, entry);
  return entry.id;
}

Result<void> BlobFileWriter::Finish() {
  Impl& it = *impl_;
  if (it.blobs.empty()) return {};
  if (it.open.empty() && !it.blobs.empty() && it.error.empty()) it.open = "\n";
  it.Flush();
  std::vector<BlobEntry> sorted;
  for (const auto& [id, entry] : it.blobs) sorted.push_back(entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const BlobEntry& a, const BlobEntry& b) { return Before(a.id, b.id); });
  // Tables are read in place: they begin at a multiple of eight.
  constexpr char kZero[8] = {};
  if (it.at % 8 != 0) it.Put(kZero, 8 - it.at % 8);
  Footer footer{it.blocks.size(), sorted.size(), it.at, {}};
  std::memcpy(footer.magic, kMagic, sizeof kMagic);
  it.Put(it.blocks.data(), it.blocks.size() * sizeof(Block));
  it.Put(sorted.data(), sorted.size() * sizeof(BlobEntry));
  it.Put(&footer, sizeof footer);
  // A file that is there has blobs that were not written again, here or for another package.
  std::string file = it.file;
  for (int i = 2; fs::exists(fs::path(file)); ++i) file = it.file + "." + std::to_string(i);
  if (it.error.empty() && (close(it.fd) != 0 || rename(it.partial.c_str(), file.c_str()) != 0)) {
    it.error = it.file + ": cannot be written: " + std::strerror(errno);
    unlink(it.partial.c_str());
    it.fd = -1;
  }
  if (!it.error.empty()) return Error{it.error};
  it.fd = -1;
  return {};
}

namespace {

int ReadFound(const Backend::Found& found, void** data, size_t* size, git_object_t* type,
              git_odb_backend* backend) {
  std::optional<std::string_view> bytes = found.file->Read(*found.entry);
  if (!bytes) return GIT_ERROR;
  *data = git_odb_backend_data_alloc(backend, std::max<size_t>(1, bytes->size()));
  if (!*data) return GIT_ERROR;
  std::memcpy(*data, bytes->data(), bytes->size());
  *size = bytes->size();
  *type = GIT_OBJECT_BLOB;
  return GIT_OK;
}

int ReadBlobObject(void** data, size_t* size, git_object_t* type, git_odb_backend* backend,
                   const git_oid* id) {
  Backend::Found found;
  int status = Backend::Of(backend).Find(*id, GIT_OID_HEXSZ, found);
  return status == GIT_OK ? ReadFound(found, data, size, type, backend) : status;
}

int ReadBlobPrefix(git_oid* out, void** data, size_t* size, git_object_t* type,
                   git_odb_backend* backend, const git_oid* prefix, size_t length) {
  Backend::Found found;
  int status = Backend::Of(backend).Find(*prefix, length, found);
  if (status != GIT_OK) return status;
  git_oid_cpy(out, &found.entry->id);
  return ReadFound(found, data, size, type, backend);
}

int ReadBlobHeader(size_t* size, git_object_t* type, git_odb_backend* backend, const git_oid* id) {
  Backend::Found found;
  int status = Backend::Of(backend).Find(*id, GIT_OID_HEXSZ, found);
  if (status != GIT_OK) return status;
  *size = found.entry->size;
  *type = GIT_OBJECT_BLOB;
  return GIT_OK;
}

int HasBlob(git_odb_backend* backend, const git_oid* id) {
  Backend::Found found;
  return Backend::Of(backend).Find(*id, GIT_OID_HEXSZ, found) == GIT_OK;
}

int HasBlobPrefix(git_oid* out, git_odb_backend* backend, const git_oid* prefix, size_t length) {
  Backend::Found found;
  int status = Backend::Of(backend).Find(*prefix, length, found);
  if (status == GIT_OK) git_oid_cpy(out, &found.entry->id);
  return status;
}

}  // namespace

Result<void> AddBlobFiles(git_repository* repository) {
  git_odb* raw = nullptr;
  if (git_repository_odb(&raw, repository) != 0) return GitError("the cache");
  GitOdb odb(raw);
  auto backend = std::make_unique<Backend>();
  if (git_odb_init_backend(backend.get(), GIT_ODB_BACKEND_VERSION) != 0)
    return GitError("the cache");
  backend->folder = FolderOf(repository);
  backend->Refresh();
  git_odb_backend& calls = *backend;
  calls.read = ReadBlobObject;
  calls.read_prefix = ReadBlobPrefix;
  calls.read_header = ReadBlobHeader;
  calls.exists = HasBlob;
  calls.exists_prefix = HasBlobPrefix;
  calls.refresh = [](git_odb_backend* of) {
    Backend::Of(of).Refresh();
    return 0;
  };
  calls.free = [](git_odb_backend* of) { delete &Backend::Of(of); };
  // Before git's own files, which are asked for each of the many blobs otherwise.
  constexpr int kFirst = 10;
  if (git_odb_add_backend(odb.get(), backend.get(), kFirst) != 0) return GitError("the cache");
  backend.release();
  return {};
}

}  // namespace restack
