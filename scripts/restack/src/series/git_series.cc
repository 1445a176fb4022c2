// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/git_series.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <set>

#include "formats/patch_writer.h"
#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/folder.h"
#include "restack/packed.h"
#include "restack/rebase.h"
#include "trees/git_tree.h"

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
std::string PackNote(const std::string& kind, const std::string& name, std::string_view bytes) {
  std::string text = kind + " " + name + "\n";
  constexpr char kDigits[] = "0123456789abcdef";
  for (unsigned char c : bytes) text += kDigits[c >> 4], text += kDigits[c & 15];
  return text + "\n";
}

struct NoteRecord {
  std::string kind, name, bytes;
};

std::vector<NoteRecord> UnpackNotes(const std::string& note) {
  std::vector<NoteRecord> records;
  Lines lines = SplitLines(note);
  for (size_t i = 0; i + 1 < lines.size(); i += 2) {
    std::string_view head = lines[i].substr(0, lines[i].size() - 1);
    size_t space = head.find(' ');
    if (space == std::string_view::npos) return records;
    NoteRecord record{std::string(head.substr(0, space)), std::string(head.substr(space + 1)), {}};
    auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string_view digits = lines[i + 1];
    for (size_t at = 0; at + 1 < digits.size() && digits[at] != '\n'; at += 2)
      record.bytes += static_cast<char>(digit(digits[at]) * 16 + digit(digits[at + 1]));
    records.push_back(std::move(record));
  }
  return records;
}

/// A line of a commit's message that names its patch file: it stays when the commit is amended.
constexpr std::string_view kNameLine = "Restack-Patch: ";

std::string Message(const Patch& patch) {
  std::string summary = ParseDep3(patch.header).Summary();
  std::string message = (summary.empty() ? patch.name : summary) + "\n\n" + patch.header;
  if (!EndsWith(message, "\n")) message += "\n";
  return message + std::string(kNameLine) + patch.name + "\n";
}

/// The message without the line that names the patch, which goes to `name`.
std::string WithoutName(const std::string& message, std::string& name) {
  std::string rest;
  for (std::string_view line : SplitLines(message)) {
    if (StartsWith(line, kNameLine))
      name = Trim(line.substr(kNameLine.size()));
    else
      rest += line;
  }
  return rest;
}

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
  // All of it at the base: a commit that is written anew loses its own note.
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
    return GitError(ref);
  git_reference_free(raw);
  return {};
}

namespace {

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
    return EndsWith(entry->raw, "\n") || &made == &patches_.back() ? entry->raw
                                                                    : entry->raw + "\n";
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
  Result<GitRepository> opened = OpenRepository(path, false);
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
