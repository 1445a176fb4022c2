// SPDX-License-Identifier: GPL-2.0-or-later
#include "renames.h"

#include <algorithm>
#include <cstdio>

#include "landing/function_index.h"
#include "restack/merge.h"
#include "restack/outline.h"

namespace restack {
namespace {

/// A file that is less like it is another one.
constexpr double kLeast = 0.3;
/// A name that more folders have tells nothing about one.
constexpr size_t kCommon = 3;

std::string Percent(double share) {
  return std::to_string(static_cast<int>(share * 100 + 0.5)) + " %";
}

std::string_view Extension(std::string_view path) {
  std::string_view name = BaseName(path);
  size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(dot);
}

bool IsHeader(std::string_view path) { return StartsWith(Extension(path), ".h"); }

}  // namespace

Renames::Renames(std::shared_ptr<const Tree> base, std::shared_ptr<const Tree> target,
                 const Maps& given, std::set<std::string> made)
    : base_(std::move(base)),
      target_(std::move(target)),
      by_series_(std::move(made)),
      given_functions_(given.functions) {
  for (FileMapping mapping : given.files) {
    mapping.evidence = "given";
    files_[mapping.from] = mapping;
  }
}

std::string Renames::File(const std::string& path, const Text& text) {
  if (auto at = made_.find(path); at != made_.end()) return at->second;
  if (auto at = files_.find(path); at != files_.end()) return at->second.to;
  FileMapping mapping = Find(path, text);
  files_[path] = mapping;
  return mapping.to;
}

FileMapping Renames::Find(const std::string& path, const Text& text) {
  if (target_->Has(path)) return {path, path, "the same path"};
  // Candidates: the folder that its neighbours went to, then the same name anywhere, then where its
  // functions are.
  std::string best;
  double most = kLeast;
  auto consider = [&](const std::string& candidate) {
    Result<std::optional<TreeFile>> file = target_->Read(candidate);
    if (!file || !*file) return;
    double like = Similarity(text, (*file)->text);
    if (like > most) most = like, best = candidate;
  };
  std::string name(BaseName(path));
  std::string folder = Folder(std::string(DirName(path)));
  if (!folder.empty()) consider(folder + "/" + name);
  if (best.empty() && name != "meson.build" && name != "trace-events" && name != "Kconfig")
    for (const std::string& candidate : target_->Paths())
      if (BaseName(candidate) == name) consider(candidate);
  if (!best.empty()) return {path, best, Percent(most) + " of its lines are there"};

  // Under another name in the folder of its neighbours.
  if (!folder.empty())
    for (const std::string& candidate : target_->Paths())
      if (DirName(candidate) == folder && Extension(candidate) == Extension(path))
        consider(candidate);
  if (!best.empty()) return {path, best, Percent(most) + " of its lines are there"};

  std::map<std::string, size_t> votes;
  size_t functions = 0;
  for (const Scope& scope : Outline(path, text)) {
    if (scope.kind != Scope::Kind::kFunction) continue;
    ++functions;
    // main() and the like are in many files: no evidence of any.
    std::vector<std::string> files = target_->FilesDefining(scope.name);
    if (files.size() == 1 && IsHeader(files[0]) == IsHeader(path)) ++votes[files[0]];
  }
  for (const auto& [file, count] : votes) {
    double share = static_cast<double>(count) / static_cast<double>(functions);
    if (share > most) most = share, best = file;
  }
  if (!best.empty()) return {path, best, Percent(most) + " of its functions are there"};

  // A document that became a folder, or moved below another: a shared stem, and likeness.
  std::string stem = name.substr(0, name.rfind('.'));
  for (const std::string& candidate : target_->Paths())
    if (Extension(candidate) == Extension(path) && candidate.find(stem) != std::string::npos)
      consider(candidate);
  if (!best.empty()) return {path, best, Percent(most) + " of its lines are there"};
  return {path, "", "no file of " + target_->Name() + " is like it"};
}

/// The folder that most files of `folder` are in, when the target no longer has it; "" if it has.
std::string Renames::Folder(const std::string& folder) {
  if (auto at = folders_.find(folder); at != folders_.end()) return at->second;
  std::string& result = folders_[folder];
  std::string prefix = folder + "/";
  const auto& there = target_->Paths();
  auto at = std::lower_bound(there.begin(), there.end(), prefix);
  if (folder.empty() || (at != there.end() && StartsWith(*at, prefix))) return result;
  const ByName& names = Named(*target_, by_name_);
  const ByName& here_names = Named(*base_, base_by_name_);
  std::map<std::string_view, size_t> votes;
  size_t voters = 0;
  bool alone = false;  // a vote by a name that each tree has once
  const auto& here = base_->Paths();
  for (auto path = std::lower_bound(here.begin(), here.end(), prefix);
       path != here.end() && StartsWith(*path, prefix); ++path) {
    std::string_view name = BaseName(*path);
    // A name that many folders have, or that the series itself makes, is not evidence.
    if (by_series_.count(*path) || here_names.at(name).size() > kCommon) continue;
    ++voters;
    if (auto same = names.find(name); same != names.end() && same->second.size() <= kCommon)
      for (std::string_view to : same->second)
        if (!base_->Has(std::string(to) + "/" + std::string(name))) {
          ++votes[to];
          alone = alone || (same->second.size() == 1 && here_names.at(name).size() == 1);
        }
  }
  size_t most = 0;
  for (const auto& [to, count] : votes)
    if (count > most) most = count, result = to;
  // Most of its files must be there; otherwise it is not known where they went.
  if (most * 2 < voters || (most < 2 && (voters > 1 || !alone))) result.clear();
  return result;
}

const Renames::ByName& Renames::Named(const Tree& tree, ByName& names) {
  if (names.empty())
    for (const std::string& path : tree.Paths()) names[BaseName(path)].push_back(DirName(path));
  return names;
}

std::string Renames::GoneHeader(std::string_view line, const std::string& file) const {
  line = Trim(line);
  if (line.empty() || line[0] != '#') return {};
  line = Trim(line.substr(1));
  if (!StartsWith(line, "include")) return {};
  line = Trim(line.substr(7));
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return {};
  size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
  if (end == std::string_view::npos) return {};
  std::string name(line.substr(1, end - 1));
  auto has = [&](const Tree& tree, ByName& cache, bool beside) {
    const ByName& names = Named(tree, cache);
    auto folders = names.find(BaseName(name));
    if (folders == names.end()) return false;
    if (!beside) return true;
    std::string folder(DirName(name));
    return std::any_of(folders->second.begin(), folders->second.end(), [&](std::string_view in) {
      return folder.empty() ? in == DirName(file) || EndsWith(in, "include")
                            : in == folder || EndsWith(in, "/" + folder);
    });
  };
  bool here = has(*base_, base_by_name_, true),
       there = has(*target_, by_name_, line[0] == '<' || !DirName(name).empty());
  if (here && there && line[0] == '"' && DirName(name).empty()) there = IsBeside(name, file);
  if (!here || there || by_series_.count(name)) return {};
  for (const std::string& path : by_series_)
    if (EndsWith(path, "/" + name)) return {};
  return name;
}

/// A header that the base has beside the file is there for the target's, too, or some header of
/// that name is like it.
bool Renames::IsBeside(const std::string& name, const std::string& file) const {
  std::string folder(DirName(file)), path = folder.empty() ? name : folder + "/" + name;
  if (target_->Has(path) || !base_->Has(path)) return true;
  Result<std::optional<TreeFile>> header = base_->Read(path);
  if (!header || !*header) return true;
  for (const std::string& candidate : target_->Paths()) {
    if (BaseName(candidate) != name) continue;
    Result<std::optional<TreeFile>> other = target_->Read(candidate);
    if (other && *other && Similarity((*header)->text, (*other)->text) > kLeast) return true;
  }
  return false;
}

std::string Renames::NewFile(const std::string& path) {
  if (auto at = files_.find(path); at != files_.end() && !at->second.to.empty())
    return at->second.to;
  std::string folder = Folder(std::string(DirName(path)));
  if (folder.empty()) return path;
  std::string to = folder + "/" + std::string(BaseName(path));
  files_[path] = {path, to, "a new file; most files of its folder are in " + folder + "/"};
  return to;
}

std::vector<std::string> Renames::Function(const std::string& function, const std::string& from) {
  for (const FunctionMapping& mapping : given_functions_)
    if (mapping.function == function && (mapping.from.empty() || mapping.from == from))
      return {mapping.to};
  std::vector<std::string> files = target_->FilesDefining(function);
  std::erase_if(files, [&](const std::string& file) { return Extension(file) != Extension(from); });
  std::string folder(DirName(from));
  // Of several, only those in its old folder count, and only if that leaves one.
  if (files.size() > 1)
    std::erase_if(files, [&](const std::string& file) { return DirName(file) != folder; });
  if (files.size() != 1) return {};
  FunctionMapping found{function, from, files[0]};
  if (std::none_of(functions_.begin(), functions_.end(), [&](const FunctionMapping& other) {
        return other.function == found.function && other.from == found.from;
      }))
    functions_.push_back(found);
  return files;
}

std::string Renames::Gained(const std::string& function, const std::string& from) const {
  std::vector<std::string> files = target_->FilesDefining(function);
  std::erase_if(files, [&](const std::string& file) { return Extension(file) != Extension(from); });
  return files.size() == 1 && base_->FilesDefining(function).empty() ? files[0] : "";
}

std::optional<std::string> Renames::FollowHeaders(std::string_view text) {
  std::string result;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    size_t next = std::min(text.find('\n', at), text.size() - 1) + 1, from = at;
    std::string_view line = text.substr(at, next - at);
    at = next;
    if (!StartsWith(line, "#include \"")) continue;
    size_t end = line.rfind('"');
    if (end <= 10) continue;
    std::string name(line.substr(10, end - 10)), path = "include/" + name;
    if (!target_->Has(path) && !files_.count(path) && base_->Has(path))
      if (Result<std::optional<TreeFile>> file = base_->Read(path); file && *file)
        File(path, (*file)->text);
    auto mapped = files_.find(path);
    if (mapped == files_.end() || mapped->second.to == path ||
        !StartsWith(mapped->second.to, "include/"))
      continue;
    result += text.substr(done, from - done);
    result += "#include \"" + mapped->second.to.substr(8) + std::string(line.substr(end));
    done = next;
  }
  if (done == 0) return std::nullopt;
  result += text.substr(done);
  return result;
}

std::vector<FileMapping> Renames::files() const {
  std::vector<FileMapping> result;
  for (const auto& [path, mapping] : files_)
    if (mapping.from != mapping.to) result.push_back(mapping);
  return result;
}

}  // namespace restack
