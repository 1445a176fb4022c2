#include "restack/rebase.h"

#include <algorithm>
#include <set>

#include "lander.h"
#include "patch_writer.h"
#include "renames.h"
#include "restack/apply.h"
#include "restack/dep3.h"

namespace restack {
namespace {

using Kind = FileChange::Kind;

/// A hunk that is not landed leaves lines that later patches may need.
struct Missing {
  std::string line, patch;
  size_t hunk;
};

class Run {
 public:
  explicit Run(const RebaseInput& input)
      : input_(input),
        base_(input.bases[ChooseBase(*input.series, input.bases).index]),
        ancestor_(base_),
        renames_(base_, input.target, input.maps) {
    outcome_.landed = std::make_shared<MemoryTree>(input.target);
    outcome_.verdict.base = base_->Name();
    outcome_.verdict.target = input.target->Name();
  }

  Result<RebaseOutcome> All() {
    const Series& series = *input_.series;
    for (size_t i = 0; i < series.patches.size(); ++i)
      if (Result<void> done = One(i); !done) return done.error();
    outcome_.verdict.files = renames_.files();
    outcome_.verdict.functions = renames_.functions();
    return std::move(outcome_);
  }

 private:
  /// What one patch changes, collected before any of it is written.
  struct Landed {
    std::map<std::string, std::vector<Replacement>> parts;
    std::map<std::string, std::shared_ptr<const Side>> sides;
    std::map<std::string, std::pair<Text, std::vector<std::pair<Edit, std::string>>>>
        conflicts;  ///< by target path
  };

  Result<void> One(size_t index) {
    const Series& series = *input_.series;
    Patch patch = series.reverse[index] ? Reversed(series.patches[index]) : series.patches[index];
    int strip = series.strip[index];
    PatchVerdict verdict;
    verdict.name = patch.name;
    verdict.summary = ParseDep3(patch.header).Summary();
    PatchFiles files;
    Landed landed;
    std::vector<std::string> landed_in;
    for (const FileChange& file : patch.files) {
      Result<std::string> path = LandFile(patch, file, strip, landed, files, verdict);
      if (!path) return path.error();
      landed_in.push_back(*path);
    }
    if (Result<void> done = Write(landed, files, verdict); !done) return done;
    Resolve(files, patch, verdict);
    for (const auto& [path, file] : files.after) {
      if (file)
        outcome_.landed->Write(path, *file);
      else
        outcome_.landed->Delete(path);
    }
    Result<std::string> text =
        WritePatch(patch, series.originals[index], strip, landed_in, files, input_.applies_to);
    if (!text) return text.error();
    verdict.text = std::move(*text);
    verdict.unchanged = verdict.text == series.originals[index];
    outcome_.verdict.patches.push_back(std::move(verdict));
    outcome_.files.push_back(std::move(files));
    return {};
  }

  /// The text that the patch was made on: after the patches before it, or a blob that its index
  /// line names, or of another known tree.
  std::optional<TreeFile> Ancestor(const FileChange& file, int strip, std::string& from,
                                   std::string& evidence) {
    std::string path = file.OldPath(strip);
    auto fits = [&](const Text& text) { return static_cast<bool>(FindPlaces(file, text)); };
    Result<std::optional<TreeFile>> here = ancestor_.Read(path);
    if (here && *here && fits((*here)->text)) return *here;
    if (input_.blob && !file.old_id.empty()) {
      if (std::optional<Text> blob = input_.blob(file.old_id); blob && fits(*blob)) {
        evidence = "its ancestor is blob " + file.old_id.substr(0, 10);
        return TreeFile{*blob, file.old_mode ? file.old_mode : 0100644};
      }
    }
    for (const auto& tree : input_.bases) {
      Result<std::optional<TreeFile>> there = tree->Read(path);
      if (there && *there && fits((*there)->text)) {
        from = tree->Name();
        evidence = "its ancestor is the file of " + from;
        return *there;
      }
    }
    return std::nullopt;
  }

  std::shared_ptr<const Side> Open(const std::string& path, Landed& landed) {
    if (auto at = landed.sides.find(path); at != landed.sides.end()) return at->second;
    Result<std::optional<TreeFile>> file = outcome_.landed->Read(path);
    std::shared_ptr<const Side> side;
    if (file && *file)
      side = std::make_shared<Side>(Side{path, (*file)->text, Outline(path, (*file)->text)});
    return landed.sides[path] = side;
  }

  HunkVerdict Begin(const FileChange& file, int strip, size_t number, const Hunk* hunk) const {
    HunkVerdict verdict;
    verdict.number = number;
    verdict.file = file.Path(strip);
    if (hunk) verdict.before = Print(*hunk);
    return verdict;
  }

  Result<std::string> LandFile(const Patch& patch, const FileChange& file, int strip,
                               Landed& landed, PatchFiles& files, PatchVerdict& verdict) {
    std::string from = file.OldPath(strip);
    if (!file.binary.empty()) {
      HunkVerdict hunk = Begin(file, strip, 1, nullptr);
      hunk.reason = "a binary change; it has to be made anew";
      verdict.hunks.push_back(std::move(hunk));
      return std::string();
    }
    if (file.kind == Kind::kCreate) return Create(file, strip, files, verdict);
    std::string ancestor, evidence;
    std::optional<TreeFile> before = Ancestor(file, strip, ancestor, evidence);
    if (!before) return Result<std::string>(NoAncestor(file, strip, landed, verdict));
    Result<Places> places = FindPlaces(file, before->text);
    std::string to = renames_.File(from, before->text);
    std::string after = ApplyAt(file, before->text, *places);
    if (file.kind == Kind::kDelete) {
      ancestor_.Delete(from);
      return Delete(file, strip, to, before->text, files, verdict);
    }
    if (file.kind == Kind::kRename) ancestor_.Delete(from);
    ancestor_.Write(file.Path(strip), {Text(after), file.new_mode ? file.new_mode : before->mode});

    auto base = std::make_shared<Side>(Side{from, before->text, Outline(from, before->text)});
    std::shared_ptr<const Side> target = to.empty() ? nullptr : Open(to, landed);
    Lander lander(
        base, target, [&](const std::string& path) { return Open(path, landed); },
        [&](const std::string& function, const std::string& path) {
          return renames_.Function(function, path);
        });
    if (file.hunks.empty() || file.kind == Kind::kRename)
      Metadata(file, strip, to, *before, files, verdict);
    for (size_t i = 0; i < file.hunks.size(); ++i) {
      Hunk hunk = file.hunks[i];
      bool headers = false;
      for (HunkLine& line : hunk.lines) {
        if (line.kind != '+' || !StartsWith(line.text, "#include \"")) continue;
        std::string renamed = renames_.FollowHeaders(line.text);
        headers = headers || renamed != line.text;
        line.text = renamed;
      }
      Landing landing = lander.Land(hunk, (*places)[i]);
      if (headers && landing.grade == Grade::kExact) landing.grade = Grade::kMerged;
      if (headers) landing.reason += "; its #include lines follow the headers";
      HunkVerdict result = Begin(file, strip, i + 1, &file.hunks[i]);
      result.grade = landing.grade;
      result.scope = landing.scope;
      result.target = landing.path;
      result.reason = landing.reason + (evidence.empty() ? "" : "; " + evidence);
      if (landing.path != from && landing.grade != Grade::kConflict &&
          landing.grade != Grade::kUpstream) {
        if (landing.grade == Grade::kExact) result.grade = Grade::kMoved;
        result.reason = "the file is " + landing.path + " there; " + result.reason;
      }
      if (landing.grade == Grade::kConflict) Note(patch, file, i, landing, *base, landed, result);
      if (!landing.parts.empty()) result.line = landing.parts.front().begin + 1;
      for (Replacement& part : landing.parts) landed.parts[part.path].push_back(std::move(part));
      verdict.hunks.push_back(std::move(result));
    }
    return to;
  }

  /// A conflict: what it needs from another one, and what a person will see of it.
  void Note(const Patch& patch, const FileChange& file, size_t number, const Landing& landing,
            const Side& base, Landed& landed, HunkVerdict& verdict) {
    for (const HunkLine& line : file.hunks[number].lines) {
      if (line.kind == '+' || !IsSignificant(line.text)) continue;
      for (const Missing& missing : missing_) {
        if (missing.line != Trim(line.text) || missing.patch == patch.name) continue;
        verdict.reason += "; it needs hunk " + std::to_string(missing.hunk) + " of " +
                          missing.patch + ", which is not in place";
        goto found;
      }
    }
  found:
    for (const HunkLine& line : file.hunks[number].lines)
      if (line.kind == '+' && IsSignificant(line.text))
        missing_.push_back({std::string(Trim(line.text)), patch.name, number + 1});
    std::string path = landing.path.empty() ? base.path : landing.path;
    auto& conflict = landed.conflicts[path];
    conflict.first = base.text;
    for (const Edit& edit : landing.failed) conflict.second.push_back({edit, Join(edit.added)});
  }

  std::string NoAncestor(const FileChange& file, int strip, Landed& landed, PatchVerdict& verdict) {
    // Without the text that it was made on, only an exact place in the target is one.
    std::string path = file.OldPath(strip);
    std::shared_ptr<const Side> target = Open(path, landed);
    Result<Places> places = target ? FindPlaces(file, target->text) : Error{};
    for (size_t i = 0; i < file.hunks.size(); ++i) {
      HunkVerdict hunk = Begin(file, strip, i + 1, &file.hunks[i]);
      hunk.target = target ? path : "";
      if (places) {
        hunk.grade = Grade::kExact;
        hunk.reason =
            "every line of its context is there; no known tree is the one that it was made for";
        std::vector<Edit> edits = EditsOf(file.hunks[i], (*places)[i]);
        hunk.line = edits.empty() ? 0 : edits.front().begin + 1;
        for (const Edit& edit : edits)
          landed.parts[path].push_back({path, edit.begin, edit.end, Join(edit.added)});
      } else {
        hunk.reason =
            target
                ? "no known tree is the one that it was made for, and it does not apply to " + path
                : path + " is neither in a known base nor in the target";
      }
      verdict.hunks.push_back(std::move(hunk));
    }
    return target ? path : "";
  }

  Result<std::string> Create(const FileChange& file, int strip, PatchFiles& files,
                             PatchVerdict& verdict) {
    std::string path = file.Path(strip), to = renames_.NewFile(path);
    std::string content;
    for (const Hunk& hunk : file.hunks)
      for (std::string_view line : hunk.New()) content += line;
    TreeFile made{Text(content), file.new_mode ? file.new_mode : 0100644};
    ancestor_.Write(path, made);
    std::string followed = renames_.FollowHeaders(content);
    HunkVerdict hunk = Begin(file, strip, 1, file.hunks.empty() ? nullptr : &file.hunks[0]);
    hunk.target = to;
    hunk.line = 1;
    hunk.grade = Grade::kExact;
    hunk.reason = "a new file";
    if (to != path)
      hunk.grade = Grade::kMoved,
      hunk.reason += "; its folder is " + std::string(DirName(to)) + "/ there";
    if (followed != content) {
      hunk.reason += "; its #include lines follow the headers";
      if (hunk.grade == Grade::kExact) hunk.grade = Grade::kMerged;
      made.text = Text(followed);
    }
    Result<std::optional<TreeFile>> there = outcome_.landed->Read(to);
    if (!there) return there.error();
    files.before[to] = *there;
    if (*there) {
      bool same = (*there)->text.bytes() == made.text.bytes();
      hunk.grade = same ? Grade::kUpstream : Grade::kConflict;
      hunk.reason =
          same ? "the target has the same file" : "the target has a file " + to + " of its own";
      hunk.line = 0;
      files.automatic[to] = *there;
      if (!same) files.conflicts[to] = Merge("", (*there)->text.bytes(), made.text.bytes()).text;
    } else {
      files.automatic[to] = made;
    }
    verdict.hunks.push_back(std::move(hunk));
    return to;
  }

  Result<std::string> Delete(const FileChange& file, int strip, const std::string& to,
                             const Text& before, PatchFiles& files, PatchVerdict& verdict) {
    HunkVerdict hunk = Begin(file, strip, 1, file.hunks.empty() ? nullptr : &file.hunks[0]);
    hunk.target = to;
    Result<std::optional<TreeFile>> there =
        to.empty() ? std::optional<TreeFile>() : outcome_.landed->Read(to);
    if (!there) return there.error();
    if (!*there) {
      hunk.grade = Grade::kUpstream;
      hunk.reason = "the target has no such file";
    } else if ((*there)->text.bytes() == before.bytes()) {
      hunk.grade = Grade::kExact;
      hunk.reason = "the file is as it was";
      files.before[to] = *there;
      files.automatic[to] = std::nullopt;
    } else {
      hunk.reason = "it deletes " + to + ", which the target has changed";
    }
    verdict.hunks.push_back(std::move(hunk));
    return to;
  }

  /// Modes and renames, which no hunk shows.
  void Metadata(const FileChange& file, int strip, const std::string& to, const TreeFile& before,
                PatchFiles& files, PatchVerdict& verdict) {
    HunkVerdict hunk = Begin(file, strip, 0, nullptr);
    hunk.target = to;
    Result<std::optional<TreeFile>> there =
        to.empty() ? std::optional<TreeFile>() : outcome_.landed->Read(to);
    if (!there || !*there) {
      hunk.reason = "the file is not in the target";
    } else {
      TreeFile after = **there;
      if (file.new_mode) after.mode = file.new_mode;
      std::string path = file.kind == Kind::kRename ? renames_.NewFile(file.Path(strip)) : to;
      files.before[to] = *there;
      if (path != to) files.automatic[to] = std::nullopt;
      files.automatic[path] = after;
      bool same = path == to && after.mode == (*there)->mode;
      hunk.grade = same ? Grade::kUpstream : Grade::kExact;
      hunk.reason = file.kind == Kind::kRename ? "a rename" : "a mode";
      if (file.kind == Kind::kRename && before.text.bytes() != (*there)->text.bytes() &&
          !file.hunks.empty()) {
        hunk.grade = Grade::kConflict;
        hunk.reason = "it renames and changes a file that the target has changed";
      }
    }
    verdict.hunks.push_back(std::move(hunk));
  }

  /// All replacements of a patch into its files.
  Result<void> Write(Landed& landed, PatchFiles& files, PatchVerdict& verdict) {
    for (auto& [path, parts] : landed.parts) {
      std::stable_sort(parts.begin(), parts.end(), [](const Replacement& a, const Replacement& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
      });
      Result<std::optional<TreeFile>> file = outcome_.landed->Read(path);
      if (!file || !*file) return Error{path + ": cannot be read"};
      const Lines& lines = (*file)->text.lines();
      std::string text;
      size_t at = 0;
      long shift = 0;
      for (const Replacement& part : parts) {
        if (part.begin < at) {
          // Two hunks want the same lines: the second is a person's.
          for (HunkVerdict& hunk : verdict.hunks) {
            if (hunk.target != path || hunk.line != part.begin + 1 || !hunk.Landed()) continue;
            hunk.grade = Grade::kConflict;
            hunk.line = 0;
            hunk.reason = "it would change the same lines of " + path + " as the hunk before it";
          }
          continue;
        }
        for (HunkVerdict& hunk : verdict.hunks)
          if (hunk.target == path && hunk.line == part.begin + 1 && hunk.after.empty()) {
            hunk.line = static_cast<size_t>(static_cast<long>(part.begin) + 1 + shift);
            hunk.after = "+";  // its line is final; what it became follows
          }
        text += Join(lines, at, part.begin) + part.text;
        at = part.end;
        shift += static_cast<long>(SplitLines(part.text).size()) -
                 static_cast<long>(part.end - part.begin);
      }
      text += Join(lines, at);
      files.before.emplace(path, *file);
      TreeFile after =
          files.automatic.count(path) && files.automatic[path] ? *files.automatic[path] : **file;
      after.text = Text(text);
      files.automatic[path] = after;
    }
    Show(files, verdict);
    for (auto& [path, conflict] : landed.conflicts) {
      auto at = files.automatic.find(path);
      Result<std::optional<TreeFile>> there =
          at != files.automatic.end() ? at->second : outcome_.landed->Read(path);
      std::string ours = there && *there ? (*there)->text.bytes() : "";
      auto& edits = conflict.second;
      std::sort(edits.begin(), edits.end(),
                [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
      std::string theirs;
      size_t line = 0;
      for (const auto& [edit, added] : edits) {
        if (edit.begin < line) continue;
        theirs += Join(conflict.first.lines(), line, edit.begin) + added;
        line = edit.end;
      }
      theirs += Join(conflict.first.lines(), line);
      files.conflicts[path] =
          Merge(conflict.first.bytes(), ours, theirs, "target", verdict.name).text;
      if (there && *there)
        files.before.emplace(path, *outcome_.landed->Read(path)),
            files.automatic.emplace(path, *there);
    }
    return {};
  }

  /// What each hunk became, where it is not what it was.
  void Show(const PatchFiles& files, PatchVerdict& verdict) {
    std::map<std::string, std::vector<Hunk>> hunks;
    for (HunkVerdict& hunk : verdict.hunks) {
      hunk.after.clear();
      if (!hunk.Landed() || hunk.grade == Grade::kExact || hunk.line == 0) continue;
      auto before = files.before.find(hunk.target), after = files.automatic.find(hunk.target);
      if (before == files.before.end() || after == files.automatic.end() || !before->second ||
          !after->second)
        continue;
      if (!hunks.count(hunk.target))
        hunks[hunk.target] = DiffHunks(before->second->text, after->second->text);
      for (const Hunk& made : hunks[hunk.target])
        if (made.new_start <= hunk.line && hunk.line <= made.new_start + made.new_count)
          hunk.after = Print(made);
    }
  }

  /// A person's remembered edit, where it still fits.
  void Resolve(PatchFiles& files, Patch& patch, PatchVerdict& verdict) {
    files.after = files.automatic;
    files.head = files.automatic_head = patch.header;
    auto at = input_.resolutions.find(verdict.name);
    if (at == input_.resolutions.end()) return;
    auto tree = std::make_shared<MemoryTree>(outcome_.landed);
    for (const auto& [path, file] : files.automatic) {
      if (file)
        tree->Write(path, *file);
      else
        tree->Delete(path);
    }
    tree->Write(kHeadFile, {Text(patch.header), 0100644});
    MemoryTree edited(tree);
    if (Result<void> done = ApplyPatch(at->second, 1, edited); !done) {
      verdict.notes.push_back("the remembered resolution does not fit any more: " +
                              done.error().sentence);
      return;
    }
    for (const auto& [path, file] : edited.changes()) {
      if (path == kHeadFile) {
        files.head = patch.header = file ? file->text.bytes() : "";
        continue;
      }
      Result<std::optional<TreeFile>> before = outcome_.landed->Read(path);
      if (before) files.before.emplace(path, *before);
      files.after[path] = file;
    }
    verdict.resolved = true;
    Dep3 head = ParseDep3(at->second.header);
    const Dep3Field* answers = head.Find("Answers");
    bool left = false;
    for (HunkVerdict& hunk : verdict.hunks) {
      bool answered = answers && answers->value.find("\n" + hunk.Key()) != std::string::npos;
      left = left || (hunk.grade == Grade::kConflict && !answered);
      if (hunk.grade == Grade::kUpstream || !answered) continue;
      hunk.grade = Grade::kResolved;
      hunk.reason = "a person's edit; without it: " + hunk.reason;
      if (hunk.line == 0) hunk.line = 1;
      std::erase_if(missing_,
                    [&](const Missing& missing) { return missing.patch == verdict.name; });
    }
    if (!left) files.conflicts.clear();
  }

  const RebaseInput& input_;
  std::shared_ptr<const Tree> base_;
  MemoryTree ancestor_;  ///< the base with the patches so far
  Renames renames_;
  std::vector<Missing> missing_;
  RebaseOutcome outcome_;
};

}  // namespace

BaseChoice ChooseBase(const Series& series, const std::vector<std::shared_ptr<const Tree>>& bases) {
  BaseChoice best;
  for (size_t b = 0; b < bases.size(); ++b) {
    MemoryTree tree(bases[b]);
    BaseChoice choice{b, 0, 0};
    for (size_t i = 0; i < series.patches.size(); ++i) {
      Patch reversed = series.reverse[i] ? Reversed(series.patches[i]) : Patch();
      const Patch& patch = series.reverse[i] ? reversed : series.patches[i];
      for (const FileChange& file : patch.files) {
        choice.of += file.hunks.size();
        if (ApplyFile(patch, file, series.strip[i], tree)) choice.hunks += file.hunks.size();
      }
    }
    if (b == 0 || choice.hunks > best.hunks) best = choice;
    if (best.hunks == best.of) break;
  }
  return best;
}

Result<RebaseOutcome> Rebase(const RebaseInput& input) {
  if (input.bases.empty()) return Error{"no base is known"};
  return Run(input).All();
}

}  // namespace restack
