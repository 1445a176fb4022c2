// SPDX-License-Identifier: GPL-2.0-or-later
#include "context.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "restack/dep3.h"

namespace restack::cli {

namespace fs = std::filesystem;

void Say(const std::string& message) { std::fprintf(stderr, "restack: %s\n", message.c_str()); }

int Fail(const Error& error) {
  Say(error.message);
  return kBadInput;
}

std::string Dump(const nlohmann::json& value) {
  return value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool Colour() {
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR") && term && std::string(term) != "dumb";
}

Progress Context::progress() const { return quiet ? Progress() : Progress(Say); }

Result<std::shared_ptr<Store>> Context::store() {
  if (store_) return store_;
  std::error_code error;
  fs::create_directories(fs::path(cache).parent_path(), error);
  Result<std::shared_ptr<Store>> opened = Store::Open(cache, packages, progress());
  if (opened) store_ = *opened;
  return opened;
}

Context Context::Apart() const {
  Context apart = *this;
  apart.store_.reset();
  return apart;
}

Result<void> Context::Warm(std::vector<std::string> bases) {
  std::error_code error;
  std::erase_if(bases, [&](const std::string& base) {
    return StartsWith(base, "git:") || base.find('=') == std::string::npos ||
           fs::exists(base, error);
  });
  if (bases.size() < 2) return {};
  Result<std::shared_ptr<Store>> opened = store();
  return opened ? (*opened)->ReadAll(bases) : Result<void>(opened.error());
}

Result<std::shared_ptr<Tree>> Context::OpenBase(const std::string& base) {
  std::error_code error;
  if (StartsWith(base, "git:")) {
    size_t colon = base.rfind(':');
    if (colon == 3) return Error{base + ": a git tree is git:REPOSITORY:REVISION"};
    return OpenGitTree(base.substr(4, colon - 4), base.substr(colon + 1));
  }
  if (fs::is_directory(base, error)) return OpenDirectory(base);
  if (fs::is_regular_file(base, error)) {
    Result<std::shared_ptr<MemoryTree>> tree = ReadTarball(base);
    if (!tree) return tree.error();
    return std::shared_ptr<Tree>(*tree);
  }
  if (base.find('=') == std::string::npos)
    return Error{base + ": is neither a folder nor a tarball; a package is NAME=VERSION"};
  Result<std::shared_ptr<Store>> opened = store();
  if (!opened) return opened.error();
  return (*opened)->Find(base);
}

Result<Series> Context::OpenSeries(const std::string& name) {
  if (!StartsWith(name, "debian:")) return ReadSeries(name);
  Result<std::shared_ptr<Store>> opened = store();
  if (!opened) return opened.error();
  Result<std::shared_ptr<Tree>> tree = (*opened)->DebianPatches(name.substr(7));
  if (!tree) return tree.error();
  return ReadSeries(**tree);
}

std::string Context::FullVersion(const std::string& base) {
  if (base.find('=') == std::string::npos) return {};
  Result<std::shared_ptr<Tree>> tree = OpenBase(base);
  if (!tree) return {};
  std::string name = (*tree)->Name(), file = name.substr(0, name.find(" ("));
  file = file.substr(0, file.find(" after "));
  std::replace(file.begin(), file.end(), ' ', '_');
  Result<std::string> dsc = ReadFile(packages + "/" + file + ".dsc");
  if (!dsc) return {};
  for (std::string_view line : SplitLines(*dsc))
    if (StartsWith(line, "Version: ")) return std::string(Trim(line.substr(9)));
  return {};
}

Result<RebaseInput> Context::Input(const Series& of, const std::string& onto,
                                   const std::string& from) {
  RebaseInput input;
  input.series = &of;
  input.progress = progress();
  Result<std::shared_ptr<Tree>> target = OpenBase(onto);
  if (!target) return target.error();
  input.target = *target;
  if (!from.empty()) {
    Result<std::shared_ptr<Tree>> base = OpenBase(from);
    if (!base) return base.error();
    input.bases.push_back(*base);
    // Debian's own series was made for the package without it.
    bool package = from.find('=') != std::string::npos && from.find('/') == std::string::npos &&
                   from.find('@') == std::string::npos;
    if (package) {
      base = OpenBase(from + "/orig");
      if (base) input.bases.push_back(*base);
    }
  }
  if (from.empty() || from.find('=') != std::string::npos) {
    Result<std::shared_ptr<Store>> opened = store();
    if (!opened) return opened.error();
    auto known = *opened;
    input.blob = [known](const std::string& id) { return known->Blob(id); };
    std::string package = onto.substr(0, onto.find('='));
    if (from.empty()) {
      // "1:7.2+dfsg-7+deb12u18": what the patches say that they were made for.
      for (const Patch& patch : of.patches) {
        Dep3 dep3 = ParseDep3(patch.header);
        const Dep3Field* field = dep3.Find("Applies-To");
        if (!field) continue;
        std::string version = field->value.substr(field->value.find(':') + 1);
        for (const SourcePackage& candidate : known->packages())
          if (candidate.version == version) package = candidate.name;
        if (Result<std::shared_ptr<Tree>> tree = known->Find(package + "=" + version); tree)
          input.bases.push_back(*tree);
        break;
      }
      std::vector<std::string> all;
      for (const SourcePackage& candidate : known->packages())
        if (candidate.name == package) all.push_back(package + "=" + candidate.version);
      (void)known->ReadAll(all);  // errors are reported below
      for (const SourcePackage& candidate : known->packages()) {
        if (candidate.name != package) continue;
        for (const char* part : {"", "/orig"}) {
          if (!candidate.Patched() && *part == 0) continue;
          Result<std::shared_ptr<Tree>> tree =
              known->Find(candidate.name + "=" + candidate.version + part);
          // The others are still used if one cannot be read.
          if (tree)
            input.bases.push_back(*tree);
          else
            Say("left out: " + tree.error().message);
        }
      }
    }
  }
  if (input.bases.empty())
    return Error{
        "no base is known for the series: say it with --from, or put source packages into " +
        packages};
  return input;
}

}  // namespace restack::cli
