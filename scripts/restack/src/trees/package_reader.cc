// SPDX-License-Identifier: GPL-2.0-or-later
#include "package_reader.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "blob_file.h"
#include "landing/function_index.h"
#include "restack/apply.h"
#include "restack/folder.h"
#include "tarball.h"

namespace restack {
namespace {

/// One tarball as blobs.
struct Reading {
  git_repository* repository;
  BlobFileWriter* blobs;
  bool skip_roms = false;
  GitEntries entries = {};
  std::vector<std::string> functions = {};
  Result<void> status = {};
};

/// QEMU's roms/ is firmware from elsewhere: QEMU's functions do not move there.
constexpr std::string_view kRoms = "roms/";

bool KeepFile(void* context, std::string path, unsigned mode, std::string bytes) {
  auto& reading = *static_cast<Reading*>(context);
  if (path.ends_with('/')) return true;
  Result<git_oid> id = reading.blobs->Add(bytes);
  if (!id) {
    reading.status = id.error();
    return false;
  }
  size_t slash = path.find('/');
  bool index = !reading.skip_roms || slash == std::string::npos ||
               path.compare(slash + 1, kRoms.size(), kRoms) != 0;
  if (index && mode != 0120000) IndexFunctions(path, bytes, reading.functions);
  reading.entries[std::move(path)] = {*id, mode};
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

std::string_view PathOf(std::string_view line) {
  size_t tab = line.find('\t') + 1;
  return line.substr(tab, line.size() - tab - 1);
}

}  // namespace

std::string EncodedName(const std::string& text) {
  std::string name;
  for (unsigned char c : text) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", c);
    name += std::isalnum(c) || c == '-' || c == '_' ? std::string(1, static_cast<char>(c)) : hex;
  }
  return name;
}

Result<std::optional<git_oid>> PackagePart(git_repository* repository, const git_oid& object,
                                           const char* name) {
  git_tree* raw = nullptr;
  if (git_tree_lookup(&raw, repository, &object) != 0) return GitError(name);
  GitTreeOwner tree(raw);
  const git_tree_entry* entry = git_tree_entry_byname(raw, name);
  return entry ? std::optional(*git_tree_entry_id(entry)) : std::nullopt;
}

/// Debian's patches, up to `until` when it names one.
Result<void> PackageReader::ApplySeries(const Tree& debian, const std::string& until,
                                        const git_oid& orig, GitEntries& entries,
                                        Functions& functions) {
  Result<std::optional<TreeFile>> list = debian.Read("series");
  if (!list) return list.error();
  if (!*list) return {};
  Result<SeriesFile> series = ParseSeries((*list)->text.bytes(), "debian/patches/series");
  if (!series) return series.error();
  MemoryTree tree(MakeGitTree(repository_, orig, "orig"));
  bool found = until.empty();
  for (const SeriesEntry& entry : series->entries) {
    if (entry.patch.empty()) continue;
    Result<std::optional<TreeFile>> file = debian.Read(entry.patch);
    if (!file || !*file) return Error{"debian/patches/" + entry.patch + ": is not there"};
    Result<restack::Patch> patch = ReadPatch((*file)->text.bytes(), entry.patch);
    if (!patch) return patch.error();
    Result<void> done;
    ApplyEach(
        entry.reverse ? Reversed(*patch) : *patch, entry.strip, tree,
        [&](const FileChange& change, const Result<Effect>& effect) {
          if (!effect && change.binary.empty()) done = effect.error();
          return static_cast<bool>(done);
        });
    if (!done) return done;
    if (entry.patch == until) {
      found = true;
      break;
    }
  }
  if (!found) return Error{"Debian's series has no patch " + until};
  if (tree.changes().empty()) return {};
  std::erase_if(functions, [&](const std::string& line) {
    return tree.changes().count(std::string(PathOf(line))) > 0;
  });
  const long kept = static_cast<long>(functions.size());
  for (const auto& [path, file] : tree.changes()) {
    entries.erase(path);
    if (!file) continue;
    Result<git_oid> id = WriteBlob(repository_.get(), file->text.bytes());
    if (!id) return id.error();
    entries[path] = {*id, file->mode};
    if (file->mode != 0120000) IndexFunctions(path, file->text.bytes(), functions);
  }
  std::sort(functions.begin() + kept, functions.end());
  std::inplace_merge(functions.begin(), functions.begin() + kept, functions.end());
  return {};
}

/// The tarballs of upstream, as dpkg-source unpacks them.
Result<void> PackageReader::Unpack(GitEntries& entries, Functions& functions) {
  std::string what = "reading " + package_.name + " " + package_.version;
  if (progress_) progress_(what);
  Pace pace;
  BlobFileWriter blobs(repository_.get(),
                       EncodedName(package_.name) + "_" + EncodedName(package_.version));
  std::vector<std::pair<std::string, std::string>> tarballs = {{"", package_.orig}};
  tarballs.insert(tarballs.end(), package_.components.begin(), package_.components.end());
  for (const auto& [folder, file] : tarballs) {
    std::string prefix = folder.empty() ? "" : folder + "/";
    Reading reading{repository_.get(), &blobs, package_.name == "qemu"};
    Result<void> done = VisitTarball(file, &reading, KeepFile, [&](double share) {
      if (progress_ && pace.Due())
        progress_(what + ": " + std::to_string(static_cast<int>(share * 100)) + " %");
    });
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
  return blobs.Finish();
}

/// Debian's series as a folder: of debian.tar.*, or what diff.gz makes of debian/patches, with the
/// rest of the diff as its first patch.
Result<std::shared_ptr<MemoryTree>> PackageReader::DebianSeries(const git_oid& orig) {
  auto patches = std::make_shared<MemoryTree>(nullptr, "debian/patches");
  std::string first;
  auto keep = [&](const MemoryTree& tree, std::string_view folder) {
    for (const auto& [path, file] : tree.changes())
      if (file && StartsWith(path, folder)) patches->Write(path.substr(folder.size()), *file);
  };
  if (!package_.debian.empty()) {
    Result<std::shared_ptr<MemoryTree>> debian = ReadTarball(package_.debian);
    if (!debian) return debian.error();
    keep(**debian, "patches/");
  } else {
    Result<std::string> bytes = ReadFile(package_.diff);
    Result<restack::Patch> diff =
        bytes ? ReadPatch(*bytes, std::string(BaseName(package_.diff))) : bytes.error();
    if (!diff) return diff.error();
    MemoryTree tree(MakeGitTree(repository_, orig, "orig"));
    if (Result<void> done = ApplyPatch(*diff, 1, tree); !done) return done.error();
    keep(tree, "debian/patches/");
    restack::Patch rest;
    for (FileChange& file : diff->files)
      if (!StartsWith(file.Path(1), "debian/")) rest.files.push_back(std::move(file));
    if (!rest.files.empty()) {
      first = package_.name + "_" + package_.version + ".diff";
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

Result<git_oid> PackageReader::WriteFunctions(const Functions& functions) {
  std::string bytes;
  for (const std::string& line : functions) bytes += line;
  return WriteBlob(repository_.get(), bytes);
}

Result<git_oid> PackageReader::Read() {
  GitEntries entries, parts;
  Functions functions;
  if (Result<void> done = Unpack(entries, functions); !done) return done.error();
  Result<git_oid> index = WriteFunctions(functions);
  if (!index) return index;
  parts[package_part::kOrigFunctions] = {*index, GIT_FILEMODE_BLOB};
  Result<git_oid> orig = WriteTree(repository_.get(), entries);
  if (!orig) return orig;
  parts[package_part::kOrig] = {*orig, GIT_FILEMODE_TREE};
  return Finish("", std::move(parts), std::move(entries), std::move(functions));
}

Result<git_oid> PackageReader::ReadUntil(const git_oid& whole, const std::string& until) {
  GitEntries parts;
  for (const char* name : {package_part::kOrig, package_part::kOrigFunctions}) {
    Result<std::optional<git_oid>> id = PackagePart(repository_.get(), whole, name);
    if (!id) return id.error();
    if (!*id) return Error{package_.name + ": what is kept of it cannot be read"};
    bool tree = name == package_part::kOrig;
    parts[name] = {**id, tree ? GIT_FILEMODE_TREE : GIT_FILEMODE_BLOB};
  }
  Result<GitEntries> entries = ListTree(repository_.get(), parts[package_part::kOrig].id);
  if (!entries) return entries.error();
  Result<std::string> index = ReadBlob(repository_.get(), parts[package_part::kOrigFunctions].id);
  if (!index) return index.error();
  Functions functions;
  for (std::string_view line : SplitLines(*index)) functions.emplace_back(line);
  return Finish(until, std::move(parts), std::move(*entries), std::move(functions));
}

/// Debian's part, and all parts as an object.
Result<git_oid> PackageReader::Finish(const std::string& until, GitEntries parts,
                                      GitEntries entries, Functions functions) {
  const git_oid orig = parts[package_part::kOrig].id;
  if (package_.Patched()) {
    std::string where = package_.name + " " + package_.version + ": ";
    Result<std::shared_ptr<MemoryTree>> patches = DebianSeries(orig);
    if (!patches) return Error{where + patches.error().message};
    GitEntries files;
    for (const auto& [path, file] : (*patches)->changes()) {
      Result<git_oid> id = WriteBlob(repository_.get(), file->text.bytes());
      if (!id) return id.error();
      files[path] = {*id, file->mode};
    }
    if (auto done = ApplySeries(**patches, until, orig, entries, functions); !done)
      return Error{where + done.error().message};
    Result<git_oid> debian = WriteTree(repository_.get(), files);
    if (!debian) return debian;
    parts[package_part::kDebian] = {*debian, GIT_FILEMODE_TREE};
  }
  Result<git_oid> patched = WriteTree(repository_.get(), entries);
  if (!patched) return patched;
  parts[package_part::kPatched] = {*patched, GIT_FILEMODE_TREE};
  Result<git_oid> index = WriteFunctions(functions);
  if (!index) return index;
  parts[package_part::kFunctions] = {*index, GIT_FILEMODE_BLOB};
  // One flat tree object of parts: WriteTree would make folders, and these are entries of both
  // kinds.
  git_treebuilder* raw = nullptr;
  if (git_treebuilder_new(&raw, repository_.get(), nullptr) != 0) return GitError(package_.name);
  GitOwner<git_treebuilder, git_treebuilder_free> builder(raw);
  for (const auto& [name, entry] : parts)
    if (git_treebuilder_insert(nullptr, raw, name.c_str(), &entry.id,
                               static_cast<git_filemode_t>(entry.mode)) != 0)
      return GitError(name);
  git_oid id;
  if (git_treebuilder_write(&id, raw) != 0) return GitError(package_.name);
  return id;
}

}  // namespace restack
