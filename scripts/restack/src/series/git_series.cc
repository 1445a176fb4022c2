// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/git_series.h"

#include <algorithm>
#include <ctime>

#include "trees/git_tree.h"
#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/rebase.h"

namespace restack {
namespace {

constexpr const char* kNotes = "refs/notes/restack";

GitSignature Signature(const std::string& from, const std::string& date) {
  std::string name = "restack", mail = "restack@localhost";
  size_t open = from.find('<'), close = from.find('>');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    std::string_view who = Trim(std::string_view(from).substr(0, open));
    if (!who.empty()) name = who;
    mail = from.substr(open + 1, close - open - 1);
  }
  std::tm day = {};
  git_time_t time = 0;
  if (strptime(date.c_str(), "%Y-%m-%d", &day))
    time = timegm(&day);  // the same series gives the same commits
  git_signature* raw = nullptr;
  if (git_signature_new(&raw, name.c_str(), mail.c_str(), time, 0) != 0)
    git_signature_new(&raw, "restack", "restack@localhost", time, 0);
  return GitSignature(raw);
}

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
    return GitError("a commit cannot be made");
  return id;
}

std::string Note(git_repository* repository, const git_oid& id) {
  git_note* raw = nullptr;
  if (git_note_read(&raw, repository, kNotes, &id) != 0) return {};
  GitOwner<git_note, git_note_free> note(raw);
  return git_note_message(raw);
}

/// Notes end in a newline and lose bytes of other kinds: kept as hexadecimal digits after a mark.
std::string Pack(const std::string& kind, const std::string& name, std::string_view bytes) {
  std::string text = kind + " " + name + "\n";
  constexpr char kDigits[] = "0123456789abcdef";
  for (unsigned char c : bytes) text += kDigits[c >> 4], text += kDigits[c & 15];
  return text + "\n";
}

bool Unpack(const std::string& note, const std::string& kind, std::string& name,
            std::string& bytes) {
  size_t line = note.find('\n');
  if (line == std::string::npos || !StartsWith(note, kind + " ")) return false;
  name = note.substr(kind.size() + 1, line - kind.size() - 1);
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  bytes.clear();
  for (size_t i = line + 1; i + 1 < note.size() && note[i] != '\n'; i += 2)
    bytes += static_cast<char>(digit(note[i]) * 16 + digit(note[i + 1]));
  return true;
}

Result<void> WriteNote(git_repository* repository, const git_oid& id, const std::string& text) {
  GitSignature who = Signature("", "");
  git_oid note;
  if (git_note_create(&note, repository, kNotes, who.get(), who.get(), &id, text.c_str(), 1) != 0)
    return GitError("a note");
  return {};
}

Result<GitRepository> OpenRepository(const std::string& path, bool make) {
  git_repository* raw = nullptr;
  if (git_repository_open(&raw, path.c_str()) == 0) return GitRepository(raw);
  if (!make || git_repository_init(&raw, path.c_str(), 0) != 0) return GitError(path);
  return GitRepository(raw);
}

}  // namespace

Result<void> ExportToGit(const Series& series, const Tree& base, const std::string& path,
                         const std::string& branch, const Progress& progress) {
  GitLibrary library;
  Result<GitRepository> opened = OpenRepository(path, true);
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
  if (auto done = WriteNote(repository, *commit, Pack("series", "series", Print(series.file)));
      !done)
    return done;
  MemoryTree tree(std::shared_ptr<const Tree>(&base, [](const Tree*) {}));
  for (size_t i = 0; i < series.patches.size(); ++i) {
    const Patch& original = series.patches[i];
    Patch patch = series.reverse[i] ? Reversed(original) : original;
    if (auto done = ApplyPatch(patch, series.strip[i], tree); !done) return done;
    for (const FileChange& file : patch.files) {
      for (const std::string& name : {file.OldPath(series.strip[i]), file.Path(series.strip[i])}) {
        Result<std::optional<TreeFile>> content = tree.Read(name);
        if (!content) return content.error();
        entries.erase(name);
        if (!*content) continue;
        Result<git_oid> id = WriteBlob(repository, (*content)->text.bytes());
        if (!id) return id.error();
        entries[name] = {*id, (*content)->mode};
      }
    }
    tree_id = WriteTree(repository, entries);
    if (!tree_id) return tree_id.error();
    Dep3 head = ParseDep3(original.header);
    auto value = [&](const char* name) {
      const Dep3Field* field = head.Find(name);
      return field ? field->value : "";
    };
    std::string summary = head.Summary();
    std::string message = (summary.empty() ? original.name : summary) + "\n\n" + original.header;
    GitSignature author =
        Signature(value("From").empty() ? value("Author") : value("From"), value("Last-Update"));
    commit = Commit(repository, *tree_id, &*commit, message, author.get());
    if (!commit) return commit.error();
    if (auto done =
            WriteNote(repository, *commit, Pack("patch", original.name, series.originals[i]));
        !done)
      return done;
  }
  git_reference* raw = nullptr;
  if (git_reference_create(&raw, repository, ref.c_str(), &*commit, 1, "restack export") != 0)
    return GitError(ref);
  git_reference_free(raw);
  return {};
}

Result<std::vector<SeriesFileBytes>> ImportFromGit(const std::string& path,
                                                   const std::string& branch) {
  static GitLibrary library;
  Result<GitRepository> opened = OpenRepository(path, false);
  if (!opened) return opened.error();
  std::shared_ptr<git_repository> repository(opened->release(), git_repository_free);
  git_object* object = nullptr;
  if (git_revparse_single(&object, repository.get(), branch.c_str()) != 0)
    return GitError(path + ": " + branch);
  GitObject owner(object);
  git_oid id = *git_object_id(object);
  struct Made {
    std::string name, bytes;
  };
  std::vector<Made> patches;
  std::string list;
  size_t number = 0;
  while (true) {
    git_commit* raw = nullptr;
    if (git_commit_lookup(&raw, repository.get(), &id) != 0) return GitError(path + ": " + branch);
    GitCommit commit(raw);
    std::string note = Note(repository.get(), id), name, bytes;
    if (Unpack(note, "series", name, list)) break;
    if (git_commit_parentcount(raw) != 1)
      return Error{path + ": " + branch + ": no exported base below it" +
                   (git_commit_parentcount(raw) > 1 ? " (a merge)" : "")};
    git_oid parent = *git_commit_parent_id(raw, 0);
    git_commit* parent_raw = nullptr;
    if (git_commit_lookup(&parent_raw, repository.get(), &parent) != 0) return GitError(path);
    GitCommit parent_owner(parent_raw);
    const git_oid *before_id = git_commit_tree_id(parent_raw), *after_id = git_commit_tree_id(raw);
    std::shared_ptr<Tree> before = MakeGitTree(repository, *before_id, "before"),
                          after = MakeGitTree(repository, *after_id, "after");
    Result<GitEntries> old_entries = ListTree(repository.get(), *before_id),
                       new_entries = ListTree(repository.get(), *after_id);
    if (!old_entries || !new_entries) return GitError(path);
    std::vector<std::string> changed;
    auto same = [](const GitEntry& a, const GitEntry& b) {
      return git_oid_equal(&a.id, &b.id) && a.mode == b.mode;
    };
    for (const auto& [file, entry] : *old_entries)
      if (auto at = new_entries->find(file); at == new_entries->end() || !same(entry, at->second))
        changed.push_back(file);
    for (const auto& [file, entry] : *new_entries)
      if (!old_entries->count(file)) changed.push_back(file);
    std::sort(changed.begin(), changed.end());
    bool exported = Unpack(note, "patch", name, bytes);
    if (exported) {  // as it was exported, or only its note was carried along?
      Result<Patch> patch = ParsePatch(bytes, name);
      Series one;
      bool fits = false;
      for (int strip : {1, 0, 2}) {
        for (bool reverse : {false, true}) {
          if (!patch || fits) continue;
          MemoryTree tree(before);
          if (!ApplyPatch(reverse ? Reversed(*patch) : *patch, strip, tree)) continue;
          fits = std::all_of(changed.begin(), changed.end(), [&](const std::string& file) {
            auto a = tree.Read(file), b = after->Read(file);
            return a && b && a->has_value() == b->has_value() &&
                   (!a->has_value() ||
                    ((*a)->text.bytes() == (*b)->text.bytes() && (*a)->mode == (*b)->mode));
          });
          for (const auto& [file, content] : tree.changes())
            fits = fits && std::binary_search(changed.begin(), changed.end(), file);
        }
      }
      exported = fits;
    }
    if (!exported) {
      std::string message = git_commit_message(raw);
      Patch patch;
      size_t body = message.find("\n\n");
      bool tagged =
          body != std::string::npos && ParseDep3(message.substr(body + 2)).Find("Description");
      patch.header = tagged ? message.substr(body + 2) : "Description: " + message;
      if (!EndsWith(patch.header, "\n")) patch.header += "\n";
      for (const std::string& file : changed) {
        auto a = before->Read(file), b = after->Read(file);
        if (!a || !b) return Error{file + ": cannot be read"};
        FileChange change;
        unsigned old_mode = *a ? (*a)->mode : 0, new_mode = *b ? (*b)->mode : 0;
        char text[80];
        if (*a && *b && old_mode != new_mode)
          std::snprintf(text, sizeof text, "old mode %06o\nnew mode %06o\n", old_mode, new_mode);
        else if (!*a && new_mode != 0100644)
          std::snprintf(text, sizeof text, "new file mode %06o\n", new_mode);
        else
          text[0] = 0;
        if (text[0]) change.header = "diff --git a/" + file + " b/" + file + "\n" + text;
        change.hunks = DiffHunks(*a ? (*a)->text : Text(), *b ? (*b)->text : Text());
        if (!change.hunks.empty())
          change.header += "--- " + (*a ? "a/" + file : "/dev/null") + "\n+++ " +
                           (*b ? "b/" + file : "/dev/null") + "\n";
        patch.files.push_back(std::move(change));
      }
      if (name.empty()) {
        for (char c : message.substr(0, message.find('\n')).substr(0, 50))
          name += std::isalnum(static_cast<unsigned char>(c))
                      ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                      : '-';
        name += "-" + std::to_string(++number) + ".patch";
      }
      bytes = Print(patch);
    }
    patches.push_back({name, bytes});
    id = parent;
  }
  std::reverse(patches.begin(), patches.end());
  // The series file as it was; patches that are gone leave it, new ones come behind the patch
  // before them.
  Result<SeriesFile> series = ParseSeries(list, "series");
  if (!series) return series.error();
  std::vector<SeriesFileBytes> files;
  auto named = [&](const std::string& name) {
    return std::any_of(patches.begin(), patches.end(),
                       [&](const Made& made) { return made.name == name; });
  };
  std::vector<std::string> order;
  for (const SeriesEntry& entry : series->entries)
    if (!entry.patch.empty() && named(entry.patch)) order.push_back(entry.patch);
  bool same = order.size() == patches.size();
  for (size_t i = 0; same && i < order.size(); ++i) same = order[i] == patches[i].name;
  std::string text;
  if (same) {
    for (const SeriesEntry& entry : series->entries)
      if (entry.patch.empty() || named(entry.patch)) text += entry.raw;
  } else {
    for (const Made& made : patches) text += made.name + "\n";
  }
  files.push_back({"series", text});
  for (Made& made : patches) files.push_back({made.name, std::move(made.bytes)});
  return files;
}

}  // namespace restack
