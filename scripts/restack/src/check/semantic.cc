// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/semantic.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "compile_commands.h"
#include "complaint.h"
#include "process.h"
#include "read_lines.h"
#include "restack/folder.h"
#include "restack/merge.h"

namespace restack {
namespace {

namespace fs = std::filesystem;

class Checker {
 public:
  Checker(const BuildTree& build, const Tree& target, RebaseOutcome& outcome,
          const Progress& progress)
      : build_(build), target_(target), outcome_(outcome), progress_(progress) {
    tree_ = fs::weakly_canonical(build.tree).string();
    folder_ = fs::weakly_canonical(build.build).string();
    if (!build.path.empty()) environment_.push_back("PATH=" + build.path);
    environment_.push_back("LC_ALL=C");
  }

  Result<void> Run() {
    if (!fs::exists(folder_ + "/build.ninja") || !fs::exists(folder_ + "/compile_commands.json"))
      return Error{build_.build + ": is not a configured build (it has no build.ninja)"};
    if (auto done = WriteLanded(tree_, target_, *outcome_.landed); !done) return done;
    if (progress_) progress_("generating: meson, QAPI, trace events, options");
    Reconfigure();
    Generate();
    Result<CompileCommands> commands =
        ReadCompileCommands(folder_, [&](const std::string& file) { return InTree(file); });
    if (!commands) return commands.error();
    commands_ = std::move(*commands);
    if (progress_) progress_("checking the syntax of the touched files");
    Compile();
    Verdicts();
    return meson_ && reverted_.empty() ? Result<void>()
                                       : WriteLanded(tree_, target_, *outcome_.landed);
  }

 private:
  std::string InTree(const std::string& file) const {
    fs::path path = fs::path(file).is_absolute() ? fs::path(file) : fs::path(folder_) / file;
    std::string text = path.lexically_normal().string();
    return StartsWith(text, tree_ + "/") ? text.substr(tree_.size() + 1) : "";
  }

  void Read(const std::string& output, const char* mark, std::vector<Complaint>& complaints) const {
    ReadComplaints(
        output, mark, [&](const std::string& file) { return InTree(file); }, complaints);
  }

  void Reconfigure() {
    auto configure = [&] { return RunProcess({"ninja", "build.ninja"}, folder_, environment_); };
    ProcessResult result = configure();
    configured_ = meson_ = result.status == 0;
    if (configured_) return;
    Read(result.output, "ERROR:", complaints_);
    // One bad line for meson hides all others' errors: they are looked for with the target's own
    // meson files.
    for (const auto& [path, file] : outcome_.landed->changes())
      if (Result<std::optional<TreeFile>> own = target_.Read(path); ForMeson(path) && own && *own)
        (void)WriteFile(tree_ + "/" + path, (*own)->text.bytes());
    configured_ = configure().status == 0;
    if (complaints_.empty()) whole_ = "the build cannot be configured: " + LastLine(result.output);
  }

  static bool ForMeson(std::string_view path) {
    std::string_view name = BaseName(path);
    return name == "meson.build" || name == "meson_options.txt" || name == "meson-buildoptions.sh";
  }

  void Generate() {
    if (!configured_) return;
    ProcessResult targets =
        RunProcess({"ninja", "-t", "targets", "rule", "CUSTOM_COMMAND"}, folder_, environment_);
    std::vector<std::string> command = {"ninja", "-k", "0"};
    for (std::string_view line : SplitLines(targets.output)) {
      std::string name(Trim(line));
      for (const char* ending : {".h", ".inc", ".def"})
        if (EndsWith(name, ending)) command.push_back(name);
    }
    // A generator stops at its first error, and without its files nothing compiles: the file that
    // it names is put back to the target's own, and the rest goes on.
    constexpr int kMost = 20;
    for (int i = 0; i < kMost && !generated_; ++i) {
      ProcessResult result = RunProcess(command, folder_, environment_);
      generated_ = result.status == 0;
      if (generated_) break;
      size_t before = complaints_.size();
      Read(result.output, nullptr, complaints_);
      bool again = false;
      for (size_t k = before; k < complaints_.size(); ++k) again |= Revert(complaints_[k].file);
      if (complaints_.size() == before) whole_ = "a generator failed: " + LastLine(result.output);
      if (!again) break;
    }
  }

  /// Puts the target's own file in place of the landed one; false if that does not help.
  bool Revert(const std::string& path) {
    const auto& changes = outcome_.landed->changes();
    if (reverted_.count(path) || !changes.count(path) || EndsWith(path, ".c")) return false;
    Result<std::optional<TreeFile>> own = target_.Read(path);
    if (!own || !*own || !WriteFile(tree_ + "/" + path, (*own)->text.bytes())) return false;
    reverted_.insert(path);
    return true;
  }

  /// Touched files that are compiled, and for each touched header (or input of a generator) one
  /// file that includes it.
  std::set<std::string> Units() {
    std::set<std::string> units;
    std::map<std::string, std::string>
        wanted;  // what an #include line ends with -> the touched file
    for (const auto& [path, file] : outcome_.landed->changes()) {
      if (!file) continue;
      if (commands_.count(path)) {
        units.insert(path);
        covered_.insert(path);
      }
      std::string stem(path.substr(0, path.rfind('.')));
      if (EndsWith(path, ".h"))
        wanted[StartsWith(path, "include/") ? path.substr(8) : std::string(BaseName(path))] = path;
      if (EndsWith(path, ".hx")) wanted[stem + ".def"] = path, wanted[stem + ".h"] = path;
    }
    auto look = [&](const std::string& unit) {
      Result<std::string> bytes = ReadFile(tree_ + "/" + unit);
      if (!bytes) return;
      for (auto at = wanted.begin(); at != wanted.end();) {
        if (bytes->find("#include \"" + at->first + "\"") != std::string::npos) {
          units.insert(unit);
          covered_.insert(at->second);
          at = wanted.erase(at);
        } else {
          ++at;
        }
      }
    };
    std::set<std::string> touched = units;
    for (const std::string& unit : touched) look(unit);
    for (const auto& [unit, command] : commands_) {
      if (wanted.empty()) break;
      if (!touched.count(unit)) look(unit);
    }
    return units;
  }

  /// Without generated files every file would fail, which would hide the reason.
  void Compile() {
    if (!configured_ || !generated_) return;
    std::set<std::string> set = Units();
    std::vector<std::string> units(set.begin(), set.end());
    std::vector<std::vector<Complaint>> found(units.size());
    std::vector<ReadLines> read(units.size());
    std::atomic<size_t> next = 0;
    auto work = [&] {
      for (size_t i; (i = next++) < units.size();) {
        found[i] = CompileOne(units[i]);
        read[i] = Preprocess(units[i]);
      }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::min(2u, std::max(1u, std::thread::hardware_concurrency())); ++i)
      threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
    for (size_t i = 0; i < units.size(); ++i) {
      read_.Add(read[i]);
      if (found[i].empty()) continue;
      // The same complaint about the target's own file is not the series' fault.
      std::set<std::string> own = OwnComplaints(units[i]);
      for (Complaint& complaint : found[i]) {
        if (!reverted_.empty())  // it may need what is not generated
          unfit_[units[i]] = "what is made from " + *reverted_.begin() +
                             ", which is broken, is not there: " + complaint.message;
        else if (own.count(complaint.message))
          unfit_[units[i]] = "the target's own file does not compile here: " + complaint.message;
        else
          complaints_.push_back(std::move(complaint));
      }
    }
  }

  std::vector<Complaint> CompileOne(const std::string& unit) const {
    const CompileCommand& command = commands_.at(unit);
    ProcessResult result = RunProcess(command.arguments, command.folder, environment_);
    std::vector<Complaint> complaints;
    if (result.status == 0) return complaints;
    Read(result.output, "error:", complaints);
    if (complaints.empty()) complaints.push_back({unit, 0, LastLine(result.output)});
    return complaints;
  }

  /// Which lines of the touched files this build's conditions leave in.
  ReadLines Preprocess(const std::string& unit) const {
    CompileCommand command = commands_.at(unit);
    auto& words = command.arguments;
    for (size_t i = 0; i + 2 < words.size(); ++i)
      if (words[i] == "-S")
        words.erase(words.begin() + static_cast<long>(i + 1),
                    words.begin() + static_cast<long>(i + 3)),
            words[i] = "-E";
    ReadLines read;
    read.Add(RunProcess(words, command.folder, environment_).output, [&](const std::string& file) {
      std::string path = InTree(file);
      return outcome_.landed->changes().count(path) ? path : std::string();
    });
    return read;
  }

  std::set<std::string> OwnComplaints(const std::string& unit) const {
    std::set<std::string> own;
    Result<std::optional<TreeFile>> file = target_.Read(unit);
    Result<std::string> landed = ReadFile(tree_ + "/" + unit);
    if (!file || !*file || !landed) return own;
    // Its headers stay as they are landed: a complaint that comes from them is found on both.
    bool same = (*file)->text.bytes() == *landed;
    if (same || !WriteFile(tree_ + "/" + unit, (*file)->text.bytes())) return own;
    for (const Complaint& complaint : CompileOne(unit))
      if (complaint.file == unit || !outcome_.landed->changes().count(complaint.file))
        own.insert(complaint.message);
    (void)WriteFile(tree_ + "/" + unit, *landed);
    return own;
  }

  /// Headers and what generators read: an error about them may show in any file.
  static bool ReadByOthers(std::string_view path) {
    for (const char* ending : {".h", ".inc", ".json", ".hx", "trace-events", "meson.build"})
      if (EndsWith(path, ending)) return true;
    return false;
  }

  static bool HasWord(std::string_view line, std::string_view word) {
    auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
      size_t end = at + word.size();
      if ((at == 0 || !is_word(line[at - 1])) && (end == line.size() || !is_word(line[end])))
        return true;
    }
    return false;
  }

  /// Whose fault: the hunk that added the line, or one that names what the compiler quotes, or the
  /// nearest above.
  void Blame(const Complaint& complaint) {
    std::string_view line;
    Result<std::optional<TreeFile>> file = outcome_.landed->Read(complaint.file);
    if (file && *file && complaint.line > 0 && complaint.line <= (*file)->text.size())
      line = Trim((*file)->text[complaint.line - 1]);
    std::string quoted;
    for (auto [open, close] : {std::pair("\xe2\x80\x98", "\xe2\x80\x99"), std::pair("'", "'")}) {
      size_t begin = complaint.message.find(open);
      if (begin == std::string::npos || !quoted.empty()) continue;
      begin += std::string(open).size();
      quoted = complaint.message.substr(begin, complaint.message.find(close, begin) - begin);
      quoted = quoted.substr(0, quoted.find_first_of(" ;("));
    }
    std::vector<HunkVerdict*> best;
    HunkVerdict* header = nullptr;  // the first hunk that other files may suffer from
    int most = 0;
    for (PatchVerdict& patch : outcome_.verdict.patches) {
      for (HunkVerdict& hunk : patch.hunks) {
        bool same = hunk.target == complaint.file, others = ReadByOthers(hunk.target);
        // The landed part of a conflict: without the rest it seldom compiles.
        bool part = same && hunk.grade == Grade::kConflict && hunk.line > 0;
        if (!part && (!hunk.Landed() || (!same && !others))) continue;
        if (!part && others && !header) header = &hunk;
        int points = part ? 5 : same ? 1 : 0;
        for (std::string_view added : SplitLines(hunk.after.empty() ? hunk.before : hunk.after)) {
          if (added[0] != '+') continue;
          if (points > 0 && points < 8 && !line.empty() && IsSignificant(line) &&
              Trim(added.substr(1)) == line)
            points += 8;
          if (points < 4 + same && quoted.size() > 2 && HasWord(added, quoted)) points += 4;
        }
        if (same && hunk.line > 0 && complaint.line + 3 >= hunk.line &&
            complaint.line <= hunk.line + SplitLines(hunk.before).size())
          points += 2;
        if (points > most) most = points, best.clear();
        if (points == most && points > 0 && (best.empty() || points > 2)) best.push_back(&hunk);
      }
    }
    std::string message =
        complaint.file + ":" + std::to_string(complaint.line) + ": " + complaint.message;
    // meson stops at its first error, which may be about this machine and not about a hunk.
    bool meson = BaseName(complaint.file) == "meson.build";
    if (meson && most < 2) best.clear(), whole_ = "the build cannot be configured: " + message;
    // A complaint of this build that the target's own files do not have is never left without a
    // hunk.
    if (best.empty() && header && !meson) best.push_back(header);
    if (best.empty()) {
      if (!outcome_.verdict.patches.empty())
        outcome_.verdict.patches.back().notes.push_back("of no hunk: " + message);
      return;
    }
    HunkVerdict* hunk = best.front();
    if (hunk->check == Check::kFailed || hunk->grade == Grade::kConflict) return;
    hunk->check = Check::kFailed;
    hunk->check_says = message;
  }

  void Verdicts() {
    for (const Complaint& complaint : complaints_) Blame(complaint);
    for (PatchVerdict& patch : outcome_.verdict.patches) {
      for (HunkVerdict& hunk : patch.hunks) {
        if (!hunk.Landed() || hunk.check == Check::kFailed) continue;
        std::string why = Unchecked(hunk.target.empty() ? hunk.file : hunk.target);
        if (why.empty()) why = LeftOut(hunk);
        hunk.check = why.empty() ? Check::kPassed : Check::kUnchecked;
        hunk.check_says = why;
      }
    }
  }

  /// Why the compiler saw nothing of a line that the hunk adds; empty: it saw all.
  std::string LeftOut(const HunkVerdict& hunk) const {
    const std::string& path = hunk.target.empty() ? hunk.file : hunk.target;
    Result<std::optional<TreeFile>> file = outcome_.landed->Read(path);
    if (!file || !*file) return {};
    for (std::string_view line : SplitLines(hunk.after.empty() ? hunk.before : hunk.after)) {
      if (!StartsWith(line, "+")) continue;
      std::string below = BaseName(path) == "meson.build"
                              ? BelowMesonIf((*file)->text.lines(), line.substr(1))
                              : "";
      if (!below.empty()) return "meson may not have read what is below `" + below + "`";
      std::string directive = read_.LeftOut(path, (*file)->text.lines(), line.substr(1));
      if (!directive.empty()) return "this build leaves out what is below " + directive;
    }
    return {};
  }

  /// Why a file was not checked; empty: it was.
  std::string Unchecked(const std::string& path) const {
    if (!whole_.empty()) return whole_;
    if (ForMeson(path)) return meson_ ? "" : "meson failed elsewhere";
    if (!configured_) return "meson failed";
    if (auto at = unfit_.find(path); at != unfit_.end()) return at->second;
    if (reverted_.count(path)) return "the generator stopped before it, elsewhere in the file";
    bool text = EndsWith(path, ".json") || BaseName(path) == "trace-events";
    if (!generated_ && (text || commands_.count(path) || EndsWith(path, ".h")))
      return "a generator failed elsewhere";
    if (text) return "";
    if (covered_.count(path)) return "";
    if (EndsWith(path, ".c") || EndsWith(path, ".h") || EndsWith(path, ".hx"))
      return "no file of this build includes it";
    return "a text: nothing checks it";
  }

  const BuildTree& build_;
  const Tree& target_;
  RebaseOutcome& outcome_;
  const Progress& progress_;
  std::string tree_, folder_, whole_;
  std::vector<std::string> environment_;
  bool configured_ = false, meson_ = false, generated_ = false;
  CompileCommands commands_;
  std::set<std::string> covered_;
  ReadLines read_;
  std::map<std::string, std::string> unfit_;
  std::set<std::string> reverted_;  ///< inputs of generators that are the target's own again
  std::vector<Complaint> complaints_;
};

}  // namespace

Result<void> CheckLanded(const BuildTree& build, const Tree& target, RebaseOutcome& outcome,
                         const Progress& progress) {
  return Checker(build, target, outcome, progress).Run();
}

}  // namespace restack
