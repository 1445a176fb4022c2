// SPDX-License-Identifier: GPL-2.0-or-later
#include <set>

#include "git_notes.h"
#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/git_series.h"
#include "trees/git_tree.h"

namespace restack {
namespace {

Result<git_oid> Commit(git_repository* repository, const git_oid& tree_id, const git_oid* parent,
                       const std::string& message, const git_signature* who) {
  git_tree* raw = nullptr;
  if (git_tree_lookup(&raw, repository, &tree_id) != 0) return GitError("a tree");
  GitTreeOwner tree(raw);
  git_commit* parent_raw = nullptr;
  if (parent && git_commit_lookup(&parent_raw, repository, parent) != 0)
    return GitError("a commit");
  GitCommit owner(parent_raw);
  const git_commit* parents[] = {parent_raw};
  git_oid id;
  if (git_commit_create(&id, repository, nullptr, who, who, nullptr, message.c_str(), raw,
                        parent ? 1 : 0, parents) != 0)
    return NotWritten(repository);
  return id;
}

}  // namespace

Result<void> ExportToGit(const Series& series, const Tree& base, const std::string& path,
                         const std::string& branch, const Progress& progress) {
  GitLibrary library;
  Result<GitRepository> opened = OpenGitRepository(path, true);
  if (!opened) return opened.error();
  git_repository* repository = opened->get();
  std::string ref = "refs/heads/" + branch;
  git_oid old;
  if (git_reference_name_to_id(&old, repository, ref.c_str()) == 0 && Note(repository, old).empty())
    return Error{path + ": has a branch " + branch + " that is not of an earlier export"};
  git_reference* head_raw = nullptr;
  if (git_repository_head(&head_raw, repository) == 0) {
    GitReference head(head_raw);
    if (ref == git_reference_name(head_raw) && !git_repository_is_bare(repository))
      return Error{path + ": " + branch + " is checked out there"};
  }
  if (progress) progress("writing " + base.Name() + " into " + path);
  GitEntries entries;
  for (const std::string& file : base.Paths()) {
    Result<std::optional<TreeFile>> content = base.Read(file);
    if (!content || !*content) continue;  // not kept: firmware, binaries; no patch touches them
    Result<git_oid> id = WriteBlob(repository, (*content)->text.bytes());
    if (!id) return id.error();
    entries[file] = {*id, (*content)->mode};
  }
  Result<git_oid> tree_id = WriteTree(repository, entries);
  if (!tree_id) return tree_id.error();
  GitSignature who = Signature("", "");
  Result<git_oid> commit = Commit(repository, *tree_id, nullptr, base.Name() + "\n", who.get());
  if (!commit) return commit.error();
  // Everything is noted at the base: a commit that is rewritten loses its own note.
  std::string all = PackNote("series", "series", Print(series.file));
  for (size_t i = 0; i < series.patches.size(); ++i)
    all += PackNote("patch", series.patches[i].name, series.originals[i]);
  if (auto done = WriteNote(repository, *commit, all); !done) return done;
  MemoryTree tree(std::shared_ptr<const Tree>(&base, [](const Tree*) {}));
  for (size_t i = 0; i < series.patches.size(); ++i) {
    const Patch& original = series.patches[i];
    Patch patch = series.reverse[i] ? Reversed(original) : original;
    std::set<std::string> paths;
    Result<void> applied;
    ApplyEach(patch, series.strip[i], tree, [&](const FileChange&, const Result<Effect>& effect) {
      if (!effect) return applied = effect.error(), false;
      paths.insert(effect->target.from);
      paths.insert(effect->target.to);
      return true;
    });
    if (!applied) return applied;
    for (const std::string& name : paths) {
      Result<std::optional<TreeFile>> content = tree.Read(name);
      if (!content) return content.error();
      entries.erase(name);
      if (!*content) continue;
      Result<git_oid> id = WriteBlob(repository, (*content)->text.bytes());
      if (!id) return id.error();
      entries[name] = {*id, (*content)->mode};
    }
    tree_id = WriteTree(repository, entries);
    if (!tree_id) return tree_id.error();
    Dep3 head = ParseDep3(original.header);
    auto value = [&](const char* name) {
      const Dep3Field* field = head.Find(name);
      return field ? field->value : "";
    };
    std::string message = Message(original);
    GitSignature author =
        Signature(value("From").empty() ? value("Author") : value("From"), value("Last-Update"));
    commit = Commit(repository, *tree_id, &*commit, message, author.get());
    if (!commit) return commit.error();
    if (auto done =
            WriteNote(repository, *commit, PackNote("patch", original.name, series.originals[i]));
        !done)
      return done;
  }
  git_reference* raw = nullptr;
  if (git_reference_create(&raw, repository, ref.c_str(), &*commit, 1, "restack export") != 0)
    return NotWritten(repository);
  git_reference_free(raw);
  return {};
}

}  // namespace restack
