// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/store.h"

#include <algorithm>

#include "landing/function_index.h"
#include "git_tree.h"
#include "restack/apply.h"

namespace restack {
namespace {

/// Content of larger or binary files is not kept, only their names: no patch that we can move
/// touches them.
constexpr size_t kLargest = 2 << 20;

/// What a package becomes: a tree object with the entries orig, patched (trees), functions (blob),
/// debian (tree).
struct Reading {
  git_repository* repository;
  GitEntries entries;
  std::string functions_error;
  std::vector<std::string> functions;
  Result<void> status;
};

bool KeepFile(void* context, std::string path, unsigned mode, std::string bytes) {
  auto& reading = *static_cast<Reading*>(context);
  size_t slash = path.find('/');
  if (slash == std::string::npos || slash + 1 >= path.size()) return true;
  path.erase(0, slash + 1);
  // roms/ is firmware from elsewhere, as many files as QEMU itself; its names are enough.
  bool keep = bytes.size() <= kLargest && bytes.substr(0, 8000).find('\0') == std::string::npos &&
              !StartsWith(path, "roms/");
  GitEntry entry{{}, mode};
  if (keep) {
    Result<git_oid> id = WriteBlob(reading.repository, bytes);
    if (!id) {
      reading.status = id.error();
      return false;
    }
    entry.id = *id;
    IndexFunctions(path, bytes, reading.functions);
  } else {
    git_odb_hash(&entry.id, bytes.data(), bytes.size(), GIT_OBJECT_BLOB);
  }
  reading.entries[path] = entry;
  return true;
}

std::string RefName(const std::string& name, const std::string& version) {
  std::string ref = "refs/bases/" + name + "/";
  for (char c : version) {
    if (c == '~')
      ref += "%7E";
    else
      ref += c;
  }
  return ref;
}

}  // namespace

struct Store::Impl {
  GitLibrary library;
  std::shared_ptr<git_repository> repository;
  std::vector<SourcePackage> packages;
  Progress progress;

  Result<git_oid> ReadPackage(const SourcePackage& package, const std::string& until);
  Result<void> Patch(const Tree& debian, const std::string& until, const git_oid& orig,
                     GitEntries& entries);
  /// The object of a package (or of its tree after the patch `until`), made if it is not there.
  Result<git_oid> Object(const SourcePackage& package, const std::string& until);
  Result<const SourcePackage*> Choose(const std::string& base, std::string& part,
                                      std::string& until) const;
  Result<std::optional<git_oid>> Entry(const git_oid& object, const char* name) const;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;
const std::vector<SourcePackage>& Store::packages() const { return impl_->packages; }

Result<std::shared_ptr<Store>> Store::Open(const std::string& path, const std::string& packages,
                                           Progress progress) {
  auto impl = std::make_unique<Impl>();
  git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
  git_repository* raw = nullptr;
  if (git_repository_open_bare(&raw, path.c_str()) != 0 &&
      git_repository_init(&raw, path.c_str(), 1) != 0)
    return GitError(path);
  impl->repository.reset(raw, git_repository_free);
  impl->packages = FindPackages(packages);
  impl->progress = std::move(progress);
  return std::shared_ptr<Store>(new Store(std::move(impl)));
}

Result<const SourcePackage*> Store::Impl::Choose(const std::string& base, std::string& part,
                                                 std::string& until) const {
  size_t equals = base.find('=');
  std::string name = base.substr(0, equals),
              version = equals == std::string::npos ? "" : base.substr(equals + 1);
  if (size_t at = version.find('@'); at != std::string::npos)
    until = version.substr(at + 1), version.erase(at);
  if (EndsWith(version, "/orig")) part = "orig", version.erase(version.size() - 5);
  const SourcePackage* chosen = nullptr;
  std::string known;
  for (const SourcePackage& package : packages) {
    if (package.name == name) known += " " + package.version;
    // "10.0" is 10.0.13 and 10.0+ds, not 10.01
    bool fits = StartsWith(package.version, version) &&
                (package.version.size() == version.size() || version.empty() ||
                 !std::isdigit(static_cast<unsigned char>(package.version[version.size()])));
    if (package.name == name && fits && (!package.debian.empty() || !chosen || part == "orig"))
      chosen = &package;
  }
  if (!chosen)
    return Error{"there is no package " + base + " (of " + name +
                 " there is:" + (known.empty() ? " nothing" : known) + ")"};
  return chosen;
}

Result<void> Store::Impl::Patch(const Tree& debian, const std::string& until, const git_oid& orig,
                                GitEntries& entries) {
  Result<std::optional<TreeFile>> list = debian.Read("series");
  if (!list) return list.error();
  if (!*list) return {};
  Result<SeriesFile> series = ParseSeries((*list)->text.bytes(), "debian/patches/series");
  if (!series) return series.error();
  MemoryTree tree(MakeGitTree(repository, orig, "orig"));
  bool found = until.empty();
  for (const SeriesEntry& entry : series->entries) {
    if (entry.patch.empty()) continue;
    Result<std::optional<TreeFile>> file = debian.Read(entry.patch);
    if (!file || !*file) return Error{"debian/patches/" + entry.patch + ": is not there"};
    Result<restack::Patch> patch = ParsePatch((*file)->text.bytes(), entry.patch);
    if (!patch) return patch.error();
    for (const FileChange& change : patch->files) {
      // Their content is not kept.
      if (StartsWith(change.Path(entry.strip), "roms/") || !change.binary.empty()) continue;
      if (Result<void> done = ApplyFile(*patch, change, entry.strip, tree); !done) return done;
    }
    if (entry.patch == until) {
      found = true;
      break;
    }
  }
  if (!found) return Error{"Debian's series has no patch " + until};
  for (const auto& [path, file] : tree.changes()) {
    entries.erase(path);
    if (!file) continue;
    Result<git_oid> id = WriteBlob(repository.get(), file->text.bytes());
    if (!id) return id.error();
    entries[path] = {*id, file->mode};
  }
  return {};
}

Result<git_oid> Store::Impl::ReadPackage(const SourcePackage& package, const std::string& until) {
  Reading reading{repository.get(), {}, {}, {}, {}};
  GitEntries parts;
  auto keep = [&](const char* name, Result<git_oid> id, unsigned mode) -> Result<void> {
    if (!id) return id.error();
    parts[name] = {*id, mode};
    return {};
  };
  if (until.empty()) {
    if (progress) progress("reading " + package.name + " " + package.version);
    if (Result<void> done = VisitTarball(package.orig, &reading, KeepFile); !done)
      return done.error();
    if (!reading.status) return reading.status.error();
    std::sort(reading.functions.begin(), reading.functions.end());
    std::string functions;
    for (const std::string& line : reading.functions) functions += line;
    if (auto done = keep("functions", WriteBlob(repository.get(), functions), GIT_FILEMODE_BLOB);
        !done)
      return done.error();
    if (auto done = keep("orig", WriteTree(repository.get(), reading.entries), GIT_FILEMODE_TREE);
        !done)
      return done.error();
  } else {  // another point of a series whose package is read already
    Result<git_oid> whole = Object(package, "");
    if (!whole) return whole;
    for (const char* name : {"orig", "functions"}) {
      Result<std::optional<git_oid>> id = Entry(*whole, name);
      if (!id) return id.error();
      parts[name] = {**id, name[0] == 'o' ? GIT_FILEMODE_TREE : GIT_FILEMODE_BLOB};
    }
    Result<GitEntries> entries = ListTree(repository.get(), parts["orig"].id);
    if (!entries) return entries.error();
    reading.entries = std::move(*entries);
  }
  if (!package.debian.empty()) {
    Result<std::shared_ptr<MemoryTree>> debian = ReadTarball(package.debian);
    if (!debian) return debian.error();
    MemoryTree patches;
    GitEntries files;
    for (const auto& [path, file] : (*debian)->changes()) {
      if (!StartsWith(path, "patches/") || !file) continue;
      patches.Write(path.substr(8), *file);
      Result<git_oid> id = WriteBlob(repository.get(), file->text.bytes());
      if (!id) return id.error();
      files[path.substr(8)] = {*id, file->mode};
    }
    if (auto done = Patch(patches, until, parts["orig"].id, reading.entries); !done)
      return Error{package.name + " " + package.version + ": " + done.error().sentence};
    if (auto done = keep("debian", WriteTree(repository.get(), files), GIT_FILEMODE_TREE); !done)
      return done.error();
  }
  if (auto done = keep("patched", WriteTree(repository.get(), reading.entries), GIT_FILEMODE_TREE);
      !done)
    return done.error();
  // One flat tree object of parts: WriteTree would make folders, and these are entries of both
  // kinds.
  git_treebuilder* raw = nullptr;
  if (git_treebuilder_new(&raw, repository.get(), nullptr) != 0) return GitError(package.name);
  GitOwner<git_treebuilder, git_treebuilder_free> builder(raw);
  for (const auto& [name, entry] : parts)
    if (git_treebuilder_insert(nullptr, raw, name.c_str(), &entry.id,
                               static_cast<git_filemode_t>(entry.mode)) != 0)
      return GitError(name);
  git_oid id;
  if (git_treebuilder_write(&id, raw) != 0) return GitError(package.name);
  return id;
}

Result<git_oid> Store::Impl::Object(const SourcePackage& package, const std::string& until) {
  std::string ref = RefName(package.name, package.version);
  ref += until.empty() ? "/all" : "/after/" + until;
  git_oid id;
  if (git_reference_name_to_id(&id, repository.get(), ref.c_str()) == 0) return id;
  Result<git_oid> made = ReadPackage(package, until);
  if (!made) return made;
  git_reference* raw = nullptr;
  if (git_reference_create(&raw, repository.get(), ref.c_str(), &*made, 1, nullptr) != 0)
    return GitError(ref);
  git_reference_free(raw);
  return made;
}

Result<std::optional<git_oid>> Store::Impl::Entry(const git_oid& object, const char* name) const {
  git_tree* raw = nullptr;
  if (git_tree_lookup(&raw, repository.get(), &object) != 0) return GitError(name);
  GitTreeOwner tree(raw);
  const git_tree_entry* entry = git_tree_entry_byname(raw, name);
  return entry ? std::optional(*git_tree_entry_id(entry)) : std::nullopt;
}

Result<std::shared_ptr<Tree>> Store::Find(const std::string& base) {
  std::string part = "patched", until;
  Result<const SourcePackage*> package = impl_->Choose(base, part, until);
  if (!package) return package.error();
  Result<git_oid> object = impl_->Object(**package, until);
  if (!object) return object.error();
  Result<std::optional<git_oid>> tree = impl_->Entry(*object, part.c_str());
  Result<std::optional<git_oid>> functions = impl_->Entry(*object, "functions");
  if (!tree || !*tree || !functions || !*functions)
    return Error{base + ": what is kept of it cannot be read"};
  std::string name = (*package)->name + " " + (*package)->version;
  if (part == "orig" || (*package)->debian.empty()) name += " (pristine)";
  if (!until.empty()) name += " after " + until;
  return MakeGitTree(impl_->repository, **tree, name, &**functions);
}

Result<std::shared_ptr<Tree>> Store::DebianPatches(const std::string& base) {
  std::string part, until;
  Result<const SourcePackage*> package = impl_->Choose(base, part, until);
  if (!package) return package.error();
  Result<git_oid> object = impl_->Object(**package, "");
  if (!object) return object.error();
  Result<std::optional<git_oid>> tree = impl_->Entry(*object, "debian");
  if (!tree || !*tree) return Error{base + ": has no debian/patches"};
  return MakeGitTree(impl_->repository, **tree, base + ", debian/patches");
}

std::optional<Text> Store::Blob(const std::string& id) const {
  if (id.size() < 7 || id.find_first_not_of('0') == std::string::npos) return std::nullopt;
  git_oid prefix;
  if (git_oid_fromstrn(&prefix, id.c_str(), id.size()) != 0) return std::nullopt;
  git_blob* raw = nullptr;
  if (git_blob_lookup_prefix(&raw, impl_->repository.get(), &prefix, id.size()) != 0)
    return std::nullopt;
  GitBlobOwner blob(raw);
  return Text(std::string(static_cast<const char*>(git_blob_rawcontent(raw)),
                          static_cast<size_t>(git_blob_rawsize(raw))));
}

}  // namespace restack
