// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/store.h"

#include <algorithm>

#include "landing/function_index.h"
#include "git_tree.h"
#include "restack/apply.h"
#include "restack/folder.h"
#include "tarball.h"

namespace restack {
namespace {

/// What a package becomes: a tree object with the entries orig, patched (trees), functions (blob),
/// debian (tree).
struct Reading {
  git_repository* repository;
  bool skip_roms = false;
  GitEntries entries;
  std::vector<std::string> functions;
  Result<void> status;
};

/// QEMU's roms/ is firmware from elsewhere, as many files as QEMU itself: its names are enough.
constexpr std::string_view kRoms = "roms/";

bool KeepFile(void* context, std::string path, unsigned mode, std::string bytes) {
  auto& reading = *static_cast<Reading*>(context);
  if (path.ends_with('/')) return true;
  size_t slash = path.find('/');
  bool keep = !reading.skip_roms || slash == std::string::npos ||
              path.compare(slash + 1, kRoms.size(), kRoms) != 0;
  GitEntry entry{{}, mode};
  if (keep) {
    Result<git_oid> id = WriteBlob(reading.repository, bytes);
    if (!id) {
      reading.status = id.error();
      return false;
    }
    entry.id = *id;
    if (mode != 0120000) IndexFunctions(path, bytes, reading.functions);
  } else {
    git_odb_hash(&entry.id, bytes.data(), bytes.size(), GIT_OBJECT_BLOB);
  }
  reading.entries[std::move(path)] = entry;
  return true;
}

/// Everything one folder up, below `prefix`, when all of it lies in one.
void Place(Reading& reading, const std::string& prefix) {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : reading.entries) paths.push_back(path);
  size_t top = TopFolder(paths).size();
  GitEntries entries;
  for (const auto& [path, entry] : reading.entries) entries[prefix + path.substr(top)] = entry;
  reading.entries = std::move(entries);
  for (std::string& line : reading.functions) {
    size_t tab = line.find('\t') + 1;
    line.replace(tab, top, prefix);
  }
}

/// As a part of a reference's name.
std::string Encoded(const std::string& text) {
  std::string name;
  for (unsigned char c : text) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", c);
    name += std::isalnum(c) || c == '-' || c == '_' ? std::string(1, static_cast<char>(c)) : hex;
  }
  return name;
}

}  // namespace

struct Store::Impl {
  GitLibrary library;
  std::shared_ptr<git_repository> repository;
  std::vector<SourcePackage> packages;
  Progress progress;

  Result<git_oid> ReadPackage(const SourcePackage& package, const std::string& until);
  Result<void> Unpack(const SourcePackage& package, GitEntries& entries,
                      std::vector<std::string>& functions);
  Result<std::shared_ptr<MemoryTree>> DebianSeries(const SourcePackage& package,
                                                   const git_oid& orig);
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
    if (package.name == name && fits && (package.Patched() || !chosen || part == "orig"))
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
    Result<restack::Patch> patch = ReadPatch((*file)->text.bytes(), entry.patch);
    if (!patch) return patch.error();
    Result<void> done;
    ApplyEach(entry.reverse ? Reversed(*patch) : *patch, entry.strip, tree,
              [&](const FileChange& change, const Result<Effect>& effect) {
                // Their content is not kept.
                if (!effect && !StartsWith(change.Path(entry.strip), kRoms) &&
                    change.binary.empty())
                  done = effect.error();
                return static_cast<bool>(done);
              });
    if (!done) return done;
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

/// The tarballs of upstream, as dpkg-source unpacks them.
Result<void> Store::Impl::Unpack(const SourcePackage& package, GitEntries& entries,
                                 std::vector<std::string>& functions) {
  std::vector<std::pair<std::string, std::string>> tarballs = {{"", package.orig}};
  tarballs.insert(tarballs.end(), package.components.begin(), package.components.end());
  for (const auto& [folder, file] : tarballs) {
    std::string prefix = folder.empty() ? "" : folder + "/";
    Reading reading{repository.get(), package.name == "qemu", {}, {}, {}};
    Result<void> done = VisitTarball(file, &reading, KeepFile);
    if (!reading.status) return reading.status;
    if (!done) return done;
    Place(reading, prefix);
    // A component takes the place of a folder of that name.
    std::erase_if(entries, [&](const auto& entry) {
      return !prefix.empty() && StartsWith(entry.first, prefix);
    });
    entries.insert(reading.entries.begin(), reading.entries.end());
    functions.insert(functions.end(), reading.functions.begin(), reading.functions.end());
  }
  std::sort(functions.begin(), functions.end());
  return {};
}

/// Debian's series as a folder: of debian.tar.*, or what diff.gz makes of debian/patches, with the
/// rest of the diff as its first patch.
Result<std::shared_ptr<MemoryTree>> Store::Impl::DebianSeries(const SourcePackage& package,
                                                              const git_oid& orig) {
  auto patches = std::make_shared<MemoryTree>(nullptr, "debian/patches");
  std::string first;
  auto keep = [&](const MemoryTree& tree, std::string_view folder) {
    for (const auto& [path, file] : tree.changes())
      if (file && StartsWith(path, folder)) patches->Write(path.substr(folder.size()), *file);
  };
  if (!package.debian.empty()) {
    Result<std::shared_ptr<MemoryTree>> debian = ReadTarball(package.debian);
    if (!debian) return debian.error();
    keep(**debian, "patches/");
  } else {
    Result<std::string> bytes = ReadFile(package.diff);
    Result<restack::Patch> diff =
        bytes ? ReadPatch(*bytes, std::string(BaseName(package.diff))) : bytes.error();
    if (!diff) return diff.error();
    MemoryTree tree(MakeGitTree(repository, orig, "orig"));
    if (Result<void> done = ApplyPatch(*diff, 1, tree); !done) return done.error();
    keep(tree, "debian/patches/");
    restack::Patch rest;
    for (FileChange& file : diff->files)
      if (!StartsWith(file.Path(1), "debian/")) rest.files.push_back(std::move(file));
    if (!rest.files.empty()) {
      first = package.name + "_" + package.version + ".diff";
      patches->Write(first, {Text(Print(rest)), 0100644});
    }
  }
  // dpkg-source prefers the series of the vendor.
  std::string list;
  for (const char* name : {"debian.series", "series"}) {
    Result<std::optional<TreeFile>> file = patches->Read(name);
    if (!file) return file.error();
    if (!*file) continue;
    list = (*file)->text.bytes();
    break;
  }
  patches->Write("series", {Text((first.empty() ? "" : first + "\n") + list), 0100644});
  return patches;
}

Result<git_oid> Store::Impl::ReadPackage(const SourcePackage& package, const std::string& until) {
  GitEntries entries, parts;
  auto keep = [&](const char* name, Result<git_oid> id, unsigned mode) -> Result<void> {
    if (!id) return id.error();
    parts[name] = {*id, mode};
    return {};
  };
  if (until.empty()) {
    if (progress) progress("reading " + package.name + " " + package.version);
    std::vector<std::string> lines;
    if (Result<void> done = Unpack(package, entries, lines); !done) return done.error();
    std::string functions;
    for (const std::string& line : lines) functions += line;
    if (auto done = keep("functions", WriteBlob(repository.get(), functions), GIT_FILEMODE_BLOB);
        !done)
      return done.error();
    if (auto done = keep("orig", WriteTree(repository.get(), entries), GIT_FILEMODE_TREE); !done)
      return done.error();
  } else {  // another point of a series whose package is read already
    Result<git_oid> whole = Object(package, "");
    if (!whole) return whole;
    for (const char* name : {"orig", "functions"}) {
      Result<std::optional<git_oid>> id = Entry(*whole, name);
      if (!id) return id.error();
      parts[name] = {**id, name[0] == 'o' ? GIT_FILEMODE_TREE : GIT_FILEMODE_BLOB};
    }
    Result<GitEntries> listed = ListTree(repository.get(), parts["orig"].id);
    if (!listed) return listed.error();
    entries = std::move(*listed);
  }
  if (package.Patched()) {
    std::string where = package.name + " " + package.version + ": ";
    Result<std::shared_ptr<MemoryTree>> patches = DebianSeries(package, parts["orig"].id);
    if (!patches) return Error{where + patches.error().sentence};
    GitEntries files;
    for (const auto& [path, file] : (*patches)->changes()) {
      Result<git_oid> id = WriteBlob(repository.get(), file->text.bytes());
      if (!id) return id.error();
      files[path] = {*id, file->mode};
    }
    if (auto done = Patch(**patches, until, parts["orig"].id, entries); !done)
      return Error{where + done.error().sentence};
    if (auto done = keep("debian", WriteTree(repository.get(), files), GIT_FILEMODE_TREE); !done)
      return done.error();
  }
  if (auto done = keep("patched", WriteTree(repository.get(), entries), GIT_FILEMODE_TREE); !done)
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
  std::string ref = "refs/packages/" + Encoded(package.name) + "/" + Encoded(package.version) +
                    (until.empty() ? "/all" : "/after/" + Encoded(until));
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
  if (part == "orig" || !(*package)->Patched()) name += " (pristine)";
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
