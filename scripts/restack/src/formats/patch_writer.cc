// SPDX-License-Identifier: GPL-2.0-or-later
#include "patch_writer.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "restack/apply.h"
#include "restack/dep3.h"
#include "restack/merge.h"
#include "restack/packed.h"

namespace restack {
namespace {

constexpr size_t kContext = 3;

/// The line that diff -p shows: the last one above that begins with a letter, $ or _.
std::string Section(const Lines& lines, size_t begin) {
  for (size_t i = begin; i-- > 0;) {
    unsigned char first = static_cast<unsigned char>(lines[i][0]);
    if (!std::isalpha(first) && first != '_' && first != '$') continue;
    std::string_view head = lines[i].substr(0, 40);
    while (!head.empty() && std::isspace(static_cast<unsigned char>(head.back())))
      head.remove_suffix(1);
    return " " + std::string(head);
  }
  return {};
}

/// A name with what -p1 strips in front, quoted as git does when it must be.
std::string Printed(const std::string& prefix, const std::string& path, bool spaces_too) {
  std::string name = prefix + path, quoted = "\"";
  bool quote = spaces_too && path.find(' ') != std::string::npos;
  for (char c : name) {
    constexpr std::string_view kMeans = "\a\b\f\n\r\t\v\\\"", kLetters = "abfnrtv\\\"";
    unsigned char byte = static_cast<unsigned char>(c);
    if (size_t at = kMeans.find(c); at != std::string_view::npos) {
      quoted += std::string("\\") + kLetters[at];
      quote = true;
    } else if (byte < 32 || byte >= 127) {
      char octal[8];
      std::snprintf(octal, sizeof octal, "\\%03o", byte);
      quoted += octal;
      quote = quote || byte < 32 || byte == 127 || spaces_too;
    } else {
      quoted += c;
    }
  }
  return quote ? quoted + "\"" : name;
}

}  // namespace

FileChange WriteChange(const FileChange* like, const FileStates& states) {
  FileChange made;
  if (like && !StartsWith(Trim(like->before), "Index:")) made.before = like->before;
  const auto &before = states.before, &after = states.after;
  Text old_text = before ? before->text : Text(), new_text = after ? after->text : Text();
  bool link = (before && before->mode == 0120000) || (after && after->mode == 0120000);
  bool modes = before && after && before->mode != after->mode;
  bool renamed = states.from != states.to;
  made.hunks = DiffHunks(old_text, new_text);
  bool git = (like && like->git) || link || modes || renamed || made.hunks.empty() ||
             (!before && after && after->mode != 0100644);
  auto prefix = [&](const std::string& path, const char* otherwise) {
    size_t slash = path.find('/');
    std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    bool plain = !folder.empty() && folder != "/" && folder != "./" && folder != "../" &&
                 folder.find_first_of(" \t\"") == std::string::npos;
    return plain ? folder : std::string(otherwise);
  };
  std::string a = git || !like ? "a/" : prefix(like->old_path, "a/");
  std::string b = git || !like ? "b/" : prefix(like->new_path, "b/");
  std::string& text = made.header;
  if (git) {
    auto mode = [](const std::optional<TreeFile>& file) {
      char octal[16];
      std::snprintf(octal, sizeof octal, "%06o", file->mode);
      return std::string(octal);
    };
    text += "diff --git " + Printed(a, states.from, true) + " " + Printed(b, states.to, true) + "\n";
    if (!before) text += "new file mode " + mode(after) + "\n";
    if (!after) text += "deleted file mode " + mode(before) + "\n";
    if (modes) text += "old mode " + mode(before) + "\nnew mode " + mode(after) + "\n";
    if (renamed)
      text += "rename from " + Printed("", states.from, false) + "\nrename to " +
              Printed("", states.to, false) + "\n";
    // Only an index line says that a link's text is changed, not a file's.
    if (link && before && after && !modes)
      text += "index " + BlobId(old_text.bytes()) + ".." + BlobId(new_text.bytes()) + " " +
              mode(after) + "\n";
  }
  if (made.hunks.empty()) return made;
  auto line = [&](const std::string& folder, const std::string& path) {
    std::string name = Printed(folder, path, false);
    // A tab ends a name that has spaces.
    return name + (name[0] != '"' && name.find(' ') != std::string::npos ? "\t\n" : "\n");
  };
  text += "--- " + (before ? line(a, states.from) : "/dev/null\n");
  text += "+++ " + (after ? line(b, states.to) : "/dev/null\n");
  return made;
}

void AddChange(const FileChange* like, const FileStates& states, std::vector<FileChange>& files) {
  const auto &before = states.before, &after = states.after;
  if (before && after && (before->mode == 0120000) != (after->mode == 0120000)) {
    files.push_back(WriteChange(like, {states.from, states.from, before, std::nullopt}));
    files.push_back(WriteChange(nullptr, {states.to, states.to, std::nullopt, after}));
  } else {
    files.push_back(WriteChange(like, states));
  }
}

namespace {

using States = std::map<std::string, std::optional<TreeFile>>;

bool Same(const std::optional<TreeFile>& a, const std::optional<TreeFile>& b) {
  return a.has_value() == b.has_value() &&
         (!a || (a->mode == b->mode && a->text.bytes() == b->text.bytes()));
}

/// Whether applying the patch to the tree makes of it what is wanted, and nothing else.
Result<void> Makes(const Patch& patch, int strip, std::shared_ptr<const Tree> tree,
                   const States& wanted) {
  MemoryTree after(tree);
  if (Result<void> done = ApplyPatch(patch, strip, after); !done) return done;
  auto is = [&](const std::string& path, const std::optional<TreeFile>& file) -> Result<void> {
    Result<std::optional<TreeFile>> now = after.Read(path);
    if (!now) return now.error();
    if (!Same(*now, file))
      return Error{patch.name + ": " + path + ": it would not become what was landed"};
    return {};
  };
  for (const auto& [path, file] : wanted)
    if (Result<void> right = is(path, file); !right) return right;
  for (const auto& [path, file] : after.changes()) {
    if (wanted.count(path)) continue;
    Result<std::optional<TreeFile>> before = tree->Read(path);
    if (!before) return before.error();
    if (Result<void> right = is(path, *before); !right) return right;
  }
  return {};
}

}  // namespace

std::vector<Hunk> DiffHunks(const Text& before, const Text& after) {
  std::vector<Hunk> hunks;
  std::vector<Change> changes = Diff(before.bytes(), after.bytes());
  for (size_t i = 0; i < changes.size();) {
    size_t last = i;
    while (last + 1 < changes.size() &&
           changes[last + 1].a_begin - changes[last].a_end <= 2 * kContext)
      ++last;
    size_t a = changes[i].a_begin, lead = std::min(a, kContext);
    size_t a_end = std::min(changes[last].a_end + kContext, before.size());
    Hunk hunk;
    hunk.Keep(before.share());
    hunk.Keep(after.share());
    auto add = [&](char kind, std::string_view line) { hunk.lines.push_back({kind, line}); };
    size_t at = a - lead;
    for (size_t j = i; j <= last; ++j) {
      for (; at < changes[j].a_begin; ++at) add(' ', before[at]);
      for (; at < changes[j].a_end; ++at) add('-', before[at]);
      for (size_t b = changes[j].b_begin; b < changes[j].b_end; ++b) add('+', after[b]);
    }
    for (; at < a_end; ++at) add(' ', before[at]);
    hunk.old_count = hunk.Old().size();
    hunk.new_count = hunk.New().size();
    hunk.old_start = a - lead + (hunk.old_count > 0 ? 1 : 0);
    hunk.new_start = changes[i].b_begin - lead + (hunk.new_count > 0 ? 1 : 0);
    hunk.section = Section(before.lines(), a - lead);
    hunks.push_back(std::move(hunk));
    i = last + 1;
  }
  return hunks;
}

namespace {

/// What is needed of each file of the patch, in its order; then files that only a person changed.
class Writer {
 public:
  Writer(const PatchSource& source, const std::vector<Moved>& moved, const PatchFiles& files,
         std::shared_ptr<const Tree> tree)
      : source_(source), moved_(moved), files_(files), tree_(std::move(tree)) {}

  /// With `plainly`, every file that changes is written anew, renames as two files.
  std::vector<FileChange> Write(bool plainly) {
    std::vector<FileChange> result;
    done_.clear();
    std::map<std::string, size_t> uses;
    for (const Moved& moved : moved_)
      for (const std::string& path : std::set<std::string>{moved.from, moved.to}) ++uses[path];
    for (size_t i = 0; i < moved_.size(); ++i) {
      const FileChange& file = source_.patch.files[i];
      const Moved& moved = moved_[i];
      bool alone = !plainly && uses[moved.from] == 1 && uses[moved.to] == 1;
      if (alone && Keeps(file, moved)) {
        done_.insert(moved.from);
        done_.insert(moved.to);
        result.push_back(file);
        continue;
      }
      if (alone && moved.from != moved.to && file.kind == FileChange::Kind::kRename &&
          Changes(moved.from) && Changes(moved.to) && !After(moved.from) && !Before(moved.to)) {
        result.push_back(WriteChange(
            &file, {moved.from, moved.to, Before(moved.from), After(moved.to)}));
        done_.insert(moved.from);
        done_.insert(moved.to);
        continue;
      }
      for (const std::string& path : {moved.from, moved.to}) Add(&file, path, result);
    }
    for (const auto& [path, file] : files_.after) Add(nullptr, path, result);
    return result;
  }

 private:
  std::optional<TreeFile> Before(const std::string& path) const {
    auto at = files_.before.find(path);
    if (at != files_.before.end()) return at->second;
    return tree_->Read(path).value_or(std::nullopt);
  }
  std::optional<TreeFile> After(const std::string& path) const {
    auto at = files_.after.find(path);
    return at != files_.after.end() ? at->second : Before(path);
  }
  bool Changes(const std::string& path) const { return !Same(Before(path), After(path)); }

  /// As it was, when it makes of the target what was landed.
  bool Keeps(const FileChange& file, const Moved& moved) const {
    if (source_.strip != 1 || &source_.patch != &source_.read) return false;
    if (!Changes(moved.from) && !Changes(moved.to)) return false;
    Result<Effect> effect = EffectOf(source_.patch, file, 1, *tree_, *tree_);
    if (!effect || effect->target.from != moved.from || effect->target.to != moved.to) return false;
    if (!Same(effect->after, After(moved.to))) return false;
    bool leaves = effect->target.kind == FileChange::Kind::kRename;
    return moved.from == moved.to || (leaves ? !After(moved.from) : !Changes(moved.from));
  }

  void Add(const FileChange* like, const std::string& path, std::vector<FileChange>& result) {
    if (path.empty() || !done_.insert(path).second || !Changes(path)) return;
    AddChange(like, {path, path, Before(path), After(path)}, result);
  }

  const PatchSource& source_;
  const std::vector<Moved>& moved_;
  const PatchFiles& files_;
  std::shared_ptr<const Tree> tree_;
  std::set<std::string> done_;
};

}  // namespace

Result<PatchText> WritePatch(const PatchSource& source, const std::vector<Moved>& moved,
                             const PatchFiles& files, std::shared_ptr<const Tree> tree,
                             bool upstream, const std::string& applies_to) {
  bool new_head = files.head != files.automatic_head;
  bool changes = false;
  States wanted = files.before;
  for (const auto& [path, file] : files.after) wanted[path] = file;
  for (const auto& [path, file] : wanted) {
    Result<std::optional<TreeFile>> before = tree->Read(path);
    if (!before) return before.error();
    changes = changes || !Same(*before, file);
  }
  if (source.patch.files.empty() && !changes && !new_head) return PatchText{source.original, false};
  bool as_it_was = static_cast<bool>(Makes(source.patch, source.strip, tree, wanted));
  if (upstream || (!changes && !as_it_was)) return PatchText{{}, true};
  // One that changes nothing by itself stays.
  if (as_it_was && (!new_head || !changes)) return PatchText{source.original, false};
  Patch result;
  result.name = source.patch.name;
  result.header = files.head;
  result.trailer = source.patch.trailer;
  if (!applies_to.empty()) result.header = SetField(result.header, "Applies-To", applies_to);
  Writer writer(source, moved, files, tree);
  Result<void> right;
  for (bool plainly : {false, true}) {
    result.files = writer.Write(plainly);
    std::string text = Print(result);
    // It must mean what we landed: read it as quilt will.
    Result<Patch> again = ParsePatch(text, source.patch.name);
    right = again ? Makes(*again, 1, tree, wanted) : again.error();
    if (!right) continue;
    Result<std::string> packed = Pack(source.patch.name, std::move(text));
    if (!packed) return packed.error();
    return PatchText{std::move(*packed), false};
  }
  return Error{"the patch written for the target is not right: " + right.error().message};
}

}  // namespace restack
