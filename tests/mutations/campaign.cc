// SPDX-License-Identifier: GPL-2.0-or-later
// campaign: a random sample of mutants of the files in tests/mutations/files.txt, each built and
// judged by the suites until one fails. scripts/mutate --sample prepares what it needs and calls
// it.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "base/arguments.h"
#include "base/mutate_help.h"
#include "base/process.h"
#include "mutations/operators.h"
#include "mutations/suites.h"
#include "runner/programs.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

volatile std::sig_atomic_t interrupted = 0;

/// A file of the tree that is written anew, and is what it was at the end of this object's life.
class WrittenAnew {
 public:
  WrittenAnew(fs::path path, const std::string& text) : path_(std::move(path)) {
    original_ = ReadFile(path_);
    WriteFile(path_, text);
  }
  ~WrittenAnew() { WriteFile(path_, original_); }
  WrittenAnew(const WrittenAnew&) = delete;
  WrittenAnew& operator=(const WrittenAnew&) = delete;

 private:
  fs::path path_;
  std::string original_;
};

/// A file of the tree, and parts of the names of the suites that judge it first.
struct Subject {
  std::string file;
  std::vector<std::string> suites;
};

/// "FILE: SUITE..." lines.
std::vector<Subject> ReadSubjects(const fs::path& path) {
  std::vector<Subject> subjects;
  std::istringstream in(ReadFile(path));
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(": ");
    if (colon == std::string::npos)
      throw BadInput(path.string() + ": cannot read the line: " + line);
    Subject subject{line.substr(0, colon), {}};
    std::istringstream words(line.substr(colon + 2));
    for (std::string word; words >> word;) subject.suites.push_back(word);
    subjects.push_back(subject);
  }
  return subjects;
}

/// Names of mutants by the first word of their verdict: "test", "equivalent", "unworthy".
std::map<std::string, std::string> ReadVerdicts(const fs::path& path) {
  std::map<std::string, std::string> verdicts;
  std::istringstream in(ReadFile(path));
  std::string name;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (!line.starts_with("  ")) {
      name = line;
    } else if (!name.empty()) {
      verdicts[name] = line.substr(2, line.find(':') - 2);
    }
  }
  return verdicts;
}

class Campaign {
 public:
  explicit Campaign(const Arguments& arguments)
      : build_(arguments.Value("--build")),
        house_(arguments.Value("--house")),
        data_(build_.parent_path() / "tests/mutations"),
        seed_(std::stoull(arguments.Has("--seed") ? arguments.Value("--seed") : "1")),
        count_(std::stoul(arguments.Value("--sample"))),
        only_(arguments.Value("--file")),
        all_subjects_(ReadSubjects(data_ / "files.txt")),
        subjects_(all_subjects_),
        verdicts_(ReadVerdicts(data_ / "survivors.txt")) {
    if (!only_.empty()) {
      std::erase_if(subjects_, [&](const Subject& subject) {
        return subject.file.find(only_) == std::string::npos;
      });
      if (subjects_.empty())
        throw BadInput("tests/mutations/files.txt has no file with \"" + only_ + "\" in its name");
    }
  }

  int Run() {
    Prepare();
    if (interrupted) return 1;
    ReadResults();
    std::vector<std::vector<Mutant>> drawn = Draw();
    size_t judged = 0;
    // One of each file in turn, so that a long file does not stand for all.
    for (bool any = true; any && judged < count_ && !interrupted;) {
      any = false;
      for (std::vector<Mutant>& mutants : drawn) {
        if (judged == count_ || interrupted) break;
        std::string result;
        for (; !mutants.empty() && IsNoMutant(result) && !interrupted; mutants.pop_back())
          result = ResultOf(mutants.back());
        if (interrupted || IsNoMutant(result)) continue;
        any = true;
        ++judged;
      }
    }
    return Report(judged);
  }

 private:
  static constexpr const char *kNotBuilt = "does not compile", *kSameCode = "the same code",
                              *kSurvived = "SURVIVED";
  static bool IsNoMutant(const std::string& result) {
    return result.empty() || result == kNotBuilt || result == kSameCode;
  }

  fs::path Tree() const { return house_ / "qemu-7.2/tree"; }
  fs::path Binary() const { return house_ / "build/kata/qemu-system-x86_64"; }
  /// Of all campaigns: STATE, what the mutant is called, and the result, separated by tabs.
  fs::path ResultsFile() const { return house_ / "results.txt"; }

  bool Build() {
    const RunResult run =
        stx::Run({"ninja", "-C", (house_ / "build/kata").string(), "qemu-system-x86_64"},
                 Milliseconds(20 * 60 * 1000));
    WriteFile(house_ / "campaign.log", run.out + run.err);
    return run.status.Success();
  }

  void Prepare() {
    if (!Build()) throw std::runtime_error("the fork does not build: see campaign.log");
    plain_ = ReadFile(Binary());
    std::set<std::string> wanted;
    std::vector<std::string> files;
    for (const Subject& subject : all_subjects_) {
      wanted.insert(subject.suites.begin(), subject.suites.end());
      files.push_back(subject.file);
    }
    std::vector<Program> programs;
    for (const Program& program : ReadPrograms(build_))
      if (wanted.erase(program.name) || program.profile == "kata") programs.push_back(program);
    if (!wanted.empty())
      throw BadInput("tests/mutations/files.txt names a suite that does not exist: " +
                     *wanted.begin());
    suites_ = PrepareSuites(programs, files,
                            {build_, Binary(), house_ / "build/coverage-kata/qemu-system-x86_64",
                             Tree(), house_ / "suites.json"},
                            [] { return interrupted != 0; });
    std::string hashes = HashOf(plain_);
    for (const JudgingSuite& suite : suites_) hashes += suite.hash;
    state_ = HashOf(hashes);
  }

  /// The state of the binary and of the suite that caught a mutant, or of all suites: a result of
  /// another state does not count.
  std::string StateOf(const std::string& result) const {
    for (const JudgingSuite& suite : suites_)
      if (result.starts_with("caught by " + suite.program.name + " "))
        return HashOf(HashOf(plain_) + suite.hash);
    return result == kSurvived ? state_ : HashOf(plain_);
  }
  void ReadResults() {
    std::ifstream in(ResultsFile());
    for (std::string line; std::getline(in, line);) {
      const size_t first = line.find('\t'), last = line.rfind('\t');
      if (first == last) continue;
      const std::string result = line.substr(last + 1);
      if (line.substr(0, first) == StateOf(result))
        results_[line.substr(first + 1, last - first - 1)] = result;
    }
  }

  /// The mutants of each file in random order, of lines that some suite executes.
  std::vector<std::vector<Mutant>> Draw() {
    std::mt19937_64 random(seed_);
    std::vector<std::vector<Mutant>> drawn;
    size_t executed = 0, all = 0;
    for (const Subject& subject : subjects_) {
      std::vector<Mutant> mutants = MakeMutants(subject.file, ReadFile(Tree() / subject.file));
      all += mutants.size();
      std::erase_if(mutants, [&](const Mutant& mutant) {
        return std::none_of(suites_.begin(), suites_.end(), [&](const JudgingSuite& suite) {
          return suite.Executes(mutant.file, mutant.line);
        });
      });
      executed += mutants.size();
      Shuffle(mutants, random);
      drawn.push_back(std::move(mutants));
    }
    Shuffle(drawn, random);
    std::printf("seed %llu: %zu of %zu mutants of executed lines (of %zu) of %zu files\n",
                static_cast<unsigned long long>(seed_), count_, executed, all, subjects_.size());
    return drawn;
  }
  template <typename T>
  static void Shuffle(std::vector<T>& all, std::mt19937_64& random) {
    for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random() % i]);
  }

  /// Empty when interrupted.
  std::string ResultOf(const Mutant& mutant) {
    std::string& result = results_[mutant.Name()];
    if (result.empty()) {
      result = Judge(mutant);
      if (interrupted) return "";
      std::ofstream(ResultsFile(), std::ios::app)
          << StateOf(result) << "\t" << mutant.Name() << "\t" << result << "\n";
      std::printf("%s\n    %s:%d %s\n", result.c_str(), mutant.file.c_str(), mutant.line,
                  mutant.Name().substr(mutant.file.size() + 1).c_str());
      std::fflush(stdout);
    }
    if (!IsNoMutant(result)) Count(mutant, result);
    return result;
  }

  /// The suites that execute a mutant's line, in the order in which they judge it.
  std::vector<const JudgingSuite*> Order(const Mutant& mutant) const {
    const Subject& subject =
        *std::find_if(subjects_.begin(), subjects_.end(),
                      [&](const Subject& each) { return each.file == mutant.file; });
    std::vector<const JudgingSuite*> order;
    for (const JudgingSuite& suite : suites_)
      if (suite.broken.empty() && suite.Executes(mutant.file, mutant.line)) order.push_back(&suite);
    const auto rank = [&](const JudgingSuite* suite) {
      return std::find(subject.suites.begin(), subject.suites.end(), suite->program.name) -
             subject.suites.begin();
    };
    std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
      return std::pair(rank(a), a->took) < std::pair(rank(b), b->took);
    });
    return order;
  }

  std::string Judge(const Mutant& mutant) {
    const std::string text = ReadFile(Tree() / mutant.file);
    WrittenAnew mutated(Tree() / mutant.file, Apply(mutant, text));
    if (!Build()) return kNotBuilt;
    if (ReadFile(Binary()) == plain_) return kSameCode;
    for (const JudgingSuite* suite : Order(mutant)) {
      if (interrupted) return "";
      const GtestResult result = RunSuite(*suite, build_, Binary(), "");
      if (interrupted) return "";
      if (!result.Failed()) continue;
      // A busy machine fails cases, and makes suites too slow: it must happen again.
      const std::string failed = FirstFailed(result);
      const GtestResult again = RunSuite(*suite, build_, Binary(), failed);
      if (interrupted) return "";
      const std::string what =
          failed.empty() ? result.broken.substr(0, result.broken.find('\n')) : failed;
      if (again.Failed()) return "caught by " + suite->program.name + " " + what;
      std::printf("not for the mutant: %s %s\n", suite->program.name.c_str(), what.c_str());
    }
    return kSurvived;
  }
  static std::string FirstFailed(const GtestResult& result) {
    for (const CaseResult& each : result.cases)
      if (each.verdict == Verdict::kFailed) return each.name;
    return "";
  }

  struct Score {
    int caught = 0, survived = 0, equivalent = 0;
    int Percent() const { return caught + survived ? 100 * caught / (caught + survived) : 100; }
  };
  void Count(const Mutant& mutant, const std::string& result) {
    for (Score* score : {&scores_[mutant.file], &total_}) {
      if (result != kSurvived)
        ++score->caught;
      else if (const auto verdict = verdicts_.find(mutant.Name());
               verdict != verdicts_.end() && verdict->second == "equivalent")
        ++score->equivalent;
      else
        ++score->survived;
    }
    if (result == kSurvived && !verdicts_.count(mutant.Name())) without_.push_back(mutant.Name());
  }
  int Report(size_t judged) {
    std::printf("\n%-36s caught survived equivalent score\n", "");
    scores_["all"] = total_;
    for (const auto& [file, score] : scores_)
      std::printf("%-36s %6d %8d %10d %4d %%\n", file.c_str(), score.caught, score.survived,
                  score.equivalent, score.Percent());
    for (const JudgingSuite& suite : suites_)
      if (!suite.broken.empty())
        std::printf("%s judged nothing: %s\n", suite.program.name.c_str(), suite.broken.c_str());
    if (!without_.empty()) std::printf("\nwithout a verdict in tests/mutations/survivors.txt:\n");
    for (const std::string& name : without_) std::printf("%s\n", name.c_str());
    if (judged < count_) std::printf("interrupted; the same command goes on\n");
    return judged == count_ && without_.empty() ? 0 : 1;
  }

  fs::path build_, house_, data_;
  unsigned long long seed_;
  size_t count_;
  std::string only_;
  std::vector<Subject> all_subjects_, subjects_;  ///< of files.txt, and those of this sample
  std::map<std::string, std::string> verdicts_, results_;
  std::vector<JudgingSuite> suites_;
  std::string plain_, state_;
  std::map<std::string, Score> scores_;
  Score total_;
  std::vector<std::string> without_;
};

int Sample(const Arguments& arguments) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, [](int) { interrupted = 1; });
  return Campaign(arguments).Run();
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("mutate", kHelp,
                      "  --build FOLDER   (required)\n  --house FOLDER   (required)\n", argc, argv,
                      stx::Sample);
}
