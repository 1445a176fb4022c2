// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "formats/patch_writer.h"
#include "git_notes.h"
#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/folder.h"
#include "restack/git_series.h"
#include "restack/packed.h"
#include "trees/git_tree.h"

namespace restack {
namespace {

/// git takes comments and white space out of a message that it edits.
bool SameWords(const std::string& a, const std::string& b) {
  auto words = [](const std::string& text) {
    std::string result;
    for (std::string_view line : SplitLines(text))
      if (!StartsWith(line, "#")) result += Squeeze(line);
    return result;
  };
  return words(a) == words(b);
}

/// Commits as patches, on top of an exported base.
class Importer {
 public:
  Importer(std::shared_ptr<git_repository> repository, std::string where)
      : repository_(std::move(repository)), where_(std::move(where)) {}

  Result<std::vector<SeriesFileBytes>> Run(git_oid tip) {
    std::vector<git_oid> commits;
    for (git_oid id = tip;;) {
      git_commit* raw = nullptr;
      if (git_commit_lookup(&raw, repository_.get(), &id) != 0) return GitError(where_);
      GitCommit commit(raw);
      std::vector<NoteRecord> records = UnpackNotes(Note(repository_.get(), id));
      if (!records.empty() && records[0].kind == "series") {
        list_ = records[0].bytes;
        for (NoteRecord& record : records)
          if (record.kind == "patch") originals_[record.name] = std::move(record.bytes);
        break;
      }
      if (git_commit_parentcount(raw) != 1)
        return Error{where_ + ": no exported base below it" +
                     (git_commit_parentcount(raw) > 1 ? " (a merge)" : "")};
      commits.push_back(id);
      id = *git_commit_parent_id(raw, 0);
    }
    Result<SeriesFile> series = ParseSeries(list_, "series");
    if (!series) return series.error();
    series_ = std::move(*series);
    for (auto at = commits.rbegin(); at != commits.rend(); ++at)
      if (Result<void> done = Take(*at); !done) return done.error();
    std::vector<SeriesFileBytes> files = {{"series", SeriesText()}};
    // A commit's message may name any file: none out of the folder.
    if (Result<SeriesFile> made = ParseSeries(files[0].bytes, where_ + ": series"); !made)
      return made.error();
    for (Made& made : patches_) files.push_back({made.name, std::move(made.bytes)});
    return files;
  }

 private:
  struct Made {
    std::string name, bytes;
    bool anew = false;  ///< for -p1
  };

  const SeriesEntry* Entry(const std::string& name) const {
    for (const SeriesEntry& entry : series_.entries)
      if (entry.patch == name) return &entry;
    return nullptr;
  }
  bool Named(const std::string& name) const {
    return std::any_of(patches_.begin(), patches_.end(),
                       [&](const Made& made) { return made.name == name; });
  }

  Result<void> Take(const git_oid& id) {
    git_commit *raw = nullptr, *parent_raw = nullptr;
    if (git_commit_lookup(&raw, repository_.get(), &id) != 0) return GitError(where_);
    GitCommit commit(raw);
    if (git_commit_parent(&parent_raw, raw, 0) != 0) return GitError(where_);
    GitCommit parent(parent_raw);
    const git_oid *before_id = git_commit_tree_id(parent_raw), *after_id = git_commit_tree_id(raw);
    auto before = MakeGitTree(repository_, *before_id, "before"),
         after = MakeGitTree(repository_, *after_id, "after");
    Result<std::vector<std::string>> changed = Changed(*before_id, *after_id);
    if (!changed) return changed.error();
    std::string name, message = WithoutName(git_commit_message(raw), name);
    for (NoteRecord& record : UnpackNotes(Note(repository_.get(), id)))
      if (record.kind == "patch" && name.empty()) name = record.name;
    auto original = originals_.find(name);
    if (original != originals_.end() && !Named(name)) {
      Result<Patch> patch = ReadPatch(original->second, name);
      const SeriesEntry* entry = Entry(name);
      if (patch && entry && Fits(*patch, *entry, before, *after, *changed)) {
        std::string none;
        if (SameWords(message, WithoutName(Message(*patch), none))) {
          patches_.push_back({name, original->second});
          return {};
        }
        if (entry->strip == 1 && !entry->reverse) {
          patch->header = Head(message);
          return Add(*patch, name);
        }
      }
    }
    Patch patch;
    patch.header = Head(message);
    for (const std::string& file : *changed) {
      auto a = before->Read(file), b = after->Read(file);
      if (!a || !b) return Error{file + ": cannot be read"};
      AddChange(nullptr, {file, file, *a, *b}, patch.files);
    }
    if (name.empty() || Named(name)) name = NewName(message);
    return Add(patch, name);
  }

  Result<void> Add(const Patch& patch, const std::string& name) {
    Result<std::string> bytes = Pack(name, Print(patch));
    if (!bytes) return bytes.error();
    patches_.push_back({name, std::move(*bytes), true});
    return {};
  }

  /// Whether the patch makes of one commit's tree the other's.
  static bool Fits(const Patch& patch, const SeriesEntry& entry, std::shared_ptr<const Tree> before,
                   const Tree& after, const std::vector<std::string>& changed) {
    MemoryTree tree(before);
    if (!ApplyPatch(entry.reverse ? Reversed(patch) : patch, entry.strip, tree)) return false;
    std::set<std::string> paths(changed.begin(), changed.end());
    for (const auto& [file, content] : tree.changes()) paths.insert(file);
    return std::all_of(paths.begin(), paths.end(), [&](const std::string& file) {
      auto a = tree.Read(file), b = after.Read(file);
      return a && b && a->has_value() == b->has_value() &&
             (!a->has_value() ||
              ((*a)->text.bytes() == (*b)->text.bytes() && (*a)->mode == (*b)->mode));
    });
  }

  Result<std::vector<std::string>> Changed(const git_oid& before, const git_oid& after) const {
    Result<GitEntries> old_entries = ListTree(repository_.get(), before),
                       new_entries = ListTree(repository_.get(), after);
    if (!old_entries || !new_entries) return GitError(where_);
    std::set<std::string> changed;
    auto compare = [&](const GitEntries& a, const GitEntries& b) {
      for (const auto& [file, entry] : a) {
        auto at = b.find(file);
        if (at == b.end() || !git_oid_equal(&entry.id, &at->second.id) ||
            entry.mode != at->second.mode)
          changed.insert(file);
      }
    };
    compare(*old_entries, *new_entries);
    compare(*new_entries, *old_entries);
    return std::vector<std::string>(changed.begin(), changed.end());
  }

  /// A commit's message as a patch's head.
  static std::string Head(const std::string& message) {
    size_t body = message.find("\n\n");
    std::string head;
    if (body != std::string::npos) {
      Dep3 dep3 = ParseDep3(message.substr(body + 2));
      if (dep3.Find("Description") || dep3.Find("Subject")) head = message.substr(body + 2);
    }
    if (head.empty()) {
      // Lines of a field go on behind a space, an empty one as " .".
      for (std::string_view line : SplitLines(message)) {
        if (head.empty())
          head = "Description: " + std::string(line);
        else
          head += IsBlank(line) ? " .\n" : " " + std::string(line);
      }
      while (EndsWith(head, "\n .\n")) head.resize(head.size() - 3);
    }
    if (!EndsWith(head, "\n")) head += "\n";
    return head;
  }

  std::string NewName(const std::string& message) const {
    std::string stem;
    for (char c : message.substr(0, std::min<size_t>(message.find('\n'), 50)))
      stem += std::isalnum(static_cast<unsigned char>(c))
                  ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                  : '-';
    std::string name = stem + ".patch";
    for (size_t number = 2; Named(name) || Entry(name); ++number)
      name = stem + "-" + std::to_string(number) + ".patch";
    return name;
  }

  /// The series file as it was; patches that are gone leave it, new ones come behind the patch
  /// before them.
  std::string SeriesText() const {
    std::vector<std::string> order;
    for (const SeriesEntry& entry : series_.entries)
      if (!entry.patch.empty() && Named(entry.patch)) order.push_back(entry.patch);
    std::vector<std::string> kept;
    for (const Made& made : patches_)
      if (Entry(made.name)) kept.push_back(made.name);
    std::string text;
    if (order != kept) {
      for (const Made& made : patches_) text += Line(made);
      return text;
    }
    size_t next = 0;
    auto new_ones = [&] {
      for (; next < patches_.size() && !Entry(patches_[next].name); ++next)
        text += Line(patches_[next]);
    };
    for (const SeriesEntry& entry : series_.entries) {
      if (entry.patch.empty()) {
        text += entry.raw;
        continue;
      }
      if (!Named(entry.patch)) continue;
      new_ones();
      text += Line(patches_[next++]);
      new_ones();
    }
    new_ones();
    return text;
  }

  std::string Line(const Made& made) const {
    const SeriesEntry* entry = Entry(made.name);
    if (!entry || (made.anew && (entry->strip != 1 || entry->reverse))) return made.name + "\n";
    return EndsWith(entry->raw, "\n") || &made == &patches_.back() ? entry->raw : entry->raw + "\n";
  }

  std::shared_ptr<git_repository> repository_;
  std::string where_, list_;
  SeriesFile series_;
  std::map<std::string, std::string> originals_;
  std::vector<Made> patches_;
};

}  // namespace

Result<std::vector<SeriesFileBytes>> ImportFromGit(const std::string& path,
                                                   const std::string& branch) {
  static GitLibrary library;
  Result<GitRepository> opened = OpenGitRepository(path, false);
  if (!opened) return opened.error();
  std::shared_ptr<git_repository> repository(opened->release(), git_repository_free);
  std::string where = path + ": " + branch;
  git_object *object = nullptr, *commit = nullptr;
  if (git_revparse_single(&object, repository.get(), branch.c_str()) != 0) return GitError(where);
  GitObject owner(object);
  if (git_object_peel(&commit, object, GIT_OBJECT_COMMIT) != 0) return GitError(where);
  GitObject commit_owner(commit);
  return Importer(repository, where).Run(*git_object_id(commit));
}

}  // namespace restack
