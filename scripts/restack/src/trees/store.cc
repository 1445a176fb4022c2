// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/store.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <mutex>
#include <thread>

#include "blob_file.h"
#include "git_tree.h"
#include "package_reader.h"

namespace restack {
namespace {

Result<std::shared_ptr<git_repository>> OpenRepository(const std::string& path) {
  git_repository* raw = nullptr;
  if (git_repository_open_bare(&raw, path.c_str()) != 0 &&
      git_repository_init(&raw, path.c_str(), 1) != 0)
    return GitError(path);
  std::shared_ptr<git_repository> repository(raw, git_repository_free);
  if (Result<void> done = AddBlobFiles(raw); !done) return done.error();
  return repository;
}

/// The reference to the object of a package, or of its tree after the patch `until`. The number
/// changes with what the object consists of.
std::string ReferenceTo(const SourcePackage& package, const std::string& until) {
  return "refs/packages-3/" + EncodedName(package.name) + "/" + EncodedName(package.version) +
         (until.empty() ? "/all" : "/after/" + EncodedName(until));
}

Result<void> Refer(git_repository* repository, const std::string& name, const git_oid& id) {
  git_reference* raw = nullptr;
  if (git_reference_create(&raw, repository, name.c_str(), &id, 1, nullptr) != 0)
    return GitError(name);
  git_reference_free(raw);
  return {};
}

}  // namespace

struct Store::Impl {
  GitLibrary library;
  std::string path;
  std::shared_ptr<git_repository> repository;
  std::vector<SourcePackage> packages;
  Progress progress;

  /// The object of a package (or of its tree after the patch `until`), made if it is not there.
  Result<git_oid> Object(const SourcePackage& package, const std::string& until);
  Result<const SourcePackage*> Choose(const std::string& base, std::string& part,
                                      std::string& until) const;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;
const std::vector<SourcePackage>& Store::packages() const { return impl_->packages; }

Result<std::shared_ptr<Store>> Store::Open(const std::string& path, const std::string& packages,
                                           Progress progress) {
  auto impl = std::make_unique<Impl>();
  git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
  Result<std::shared_ptr<git_repository>> repository = OpenRepository(path);
  if (!repository) return repository.error();
  impl->path = path;
  impl->repository = std::move(*repository);
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

Result<git_oid> Store::Impl::Object(const SourcePackage& package, const std::string& until) {
  std::string name = ReferenceTo(package, until);
  git_oid id;
  if (git_reference_name_to_id(&id, repository.get(), name.c_str()) == 0) return id;
  PackageReader reader(repository, package, progress);
  Result<git_oid> made = Error{};
  if (until.empty()) {
    made = reader.Read();
  } else {  // another point of a series whose package is read already
    Result<git_oid> whole = Object(package, "");
    if (!whole) return whole;
    made = reader.ReadUntil(*whole, until);
  }
  if (!made) return made;
  if (Result<void> done = Refer(repository.get(), name, *made); !done) return done.error();
  return made;
}

Result<void> Store::ReadAll(const std::vector<std::string>& bases) {
  std::vector<const SourcePackage*> missing;
  for (const std::string& base : bases) {
    std::string part, until;
    Result<const SourcePackage*> package = impl_->Choose(base, part, until);
    if (!package) return package.error();
    git_oid id;
    if (git_reference_name_to_id(&id, impl_->repository.get(),
                                 ReferenceTo(**package, "").c_str()) == 0)
      continue;
    if (std::find(missing.begin(), missing.end(), *package) == missing.end())
      missing.push_back(*package);
  }
  if (missing.size() < 2) return {};  // Find reads it
  std::mutex mutex;
  Progress progress;
  if (impl_->progress)
    progress = [&](const std::string& message) {
      std::lock_guard lock(mutex);
      impl_->progress(message);
    };
  std::vector<Result<void>> results(missing.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    GitLibrary library;
    for (size_t i; (i = next++) < missing.size();) {
      Result<std::shared_ptr<git_repository>> repository = OpenRepository(impl_->path);
      if (!repository) {
        results[i] = repository.error();
        continue;
      }
      Result<git_oid> made = PackageReader(*repository, *missing[i], progress).Read();
      results[i] = made ? Refer(repository->get(), ReferenceTo(*missing[i], ""), *made)
                        : Result<void>(made.error());
    }
  };
  {
    std::vector<std::jthread> threads;
    size_t at_once =
        std::min<size_t>(missing.size(), std::max(1u, std::thread::hardware_concurrency()));
    while (threads.size() + 1 < at_once) threads.emplace_back(work);
    work();
  }
  for (const Result<void>& result : results)
    if (!result) return result;
  return {};
}

Result<std::shared_ptr<Tree>> Store::Find(const std::string& base) {
  std::string part = package_part::kPatched, until;
  Result<const SourcePackage*> package = impl_->Choose(base, part, until);
  if (!package) return package.error();
  Result<git_oid> object = impl_->Object(**package, until);
  if (!object) return object.error();
  git_repository* repository = impl_->repository.get();
  bool orig = part == package_part::kOrig;
  Result<std::optional<git_oid>> tree = PackagePart(repository, *object, part.c_str());
  Result<std::optional<git_oid>> functions = PackagePart(
      repository, *object, orig ? package_part::kOrigFunctions : package_part::kFunctions);
  if (!tree || !*tree || !functions || !*functions)
    return Error{base + ": what is kept of it cannot be read"};
  std::string name = (*package)->name + " " + (*package)->version;
  if (orig || !(*package)->Patched()) name += " (pristine)";
  if (!until.empty()) name += " after " + until;
  return MakeGitTree(impl_->repository, **tree, name, &**functions);
}

Result<std::shared_ptr<Tree>> Store::DebianPatches(const std::string& base) {
  std::string part, until;
  Result<const SourcePackage*> package = impl_->Choose(base, part, until);
  if (!package) return package.error();
  Result<git_oid> object = impl_->Object(**package, "");
  if (!object) return object.error();
  Result<std::optional<git_oid>> tree =
      PackagePart(impl_->repository.get(), *object, package_part::kDebian);
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
