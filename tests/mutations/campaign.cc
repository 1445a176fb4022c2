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
#include "runner/gtest_run.h"
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

struct Suite {
  Program program;
  std::string failing;  ///< cases that fail without a mutant, as a negative filter
  Milliseconds took{0};
};

class Campaign {
 public:
  explicit Campaign(const Arguments& arguments)
      : build_(arguments.Value("--build")),
        house_(arguments.Value("--house")),
        data_(build_.parent_path() / "tests/mutations"),
        seed_(std::stoull(arguments.Has("--seed") ? arguments.Value("--seed") : "1")),
        count_(std::stoul(arguments.Value("--sample"))),
        only_(arguments.Value("--file")),
        subjects_(ReadSubjects(data_ / "files.txt")),
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
    ReadResults();
    std::vector<Mutant> mutants;
    for (const Subject& subject : subjects_)
      for (Mutant& mutant : MakeMutants(subject.file, ReadFile(Tree() / subject.file)))
        mutants.push_back(std::move(mutant));
    std::mt19937_64 random(seed_);
    for (size_t i = mutants.size(); i > 1; --i) std::swap(mutants[i - 1], mutants[random() % i]);
    std::printf("seed %llu: %zu of %zu mutants of %zu files\n",
                static_cast<unsigned long long>(seed_), count_, mutants.size(), subjects_.size());
    size_t judged = 0;
    for (const Mutant& mutant : mutants) {
      if (judged == count_ || interrupted) break;
      std::string& result = results_[Key(mutant)];
      if (result.empty()) {
        if (suites_.empty()) Prepare();
        result = Judge(mutant);
        if (interrupted) break;
        std::ofstream(ResultsFile(), std::ios::app) << Key(mutant) << "\t" << result << "\n";
        std::printf("%s\n    %s:%d %s\n", result.c_str(), mutant.file.c_str(), mutant.line,
                    mutant.Name().substr(mutant.file.size() + 1).c_str());
        std::fflush(stdout);
      }
      if (result == kNotBuilt || result == kSameCode) continue;
      ++judged;
      Count(mutant, result);
    }
    return Report(judged);
  }

 private:
  static constexpr const char *kNotBuilt = "does not compile", *kSameCode = "the same code",
                              *kSurvived = "SURVIVED";

  fs::path Tree() const { return house_ / "qemu-7.2/tree"; }
  fs::path Binary() const { return house_ / "build/kata/qemu-system-x86_64"; }
  /// Of all campaigns on this state of the tests and the series.
  fs::path ResultsFile() const { return house_ / "results.txt"; }
  static std::string Key(const Mutant& mutant) {
    return std::to_string(mutant.line) + " " + mutant.Name();
  }
  void ReadResults() {
    std::ifstream in(ResultsFile());
    for (std::string line; std::getline(in, line);)
      if (const size_t tab = line.rfind('\t'); tab != std::string::npos)
        results_[line.substr(0, tab)] = line.substr(tab + 1);
  }

  bool Build() {
    const RunResult run =
        stx::Run({"ninja", "-C", (house_ / "build/kata").string(), "qemu-system-x86_64"},
                 Milliseconds(20 * 60 * 1000));
    WriteFile(house_ / "campaign.log", run.out + run.err);
    return run.status.Success();
  }

  /// Builds the fork without a mutant and runs the suites on it: which there are, how long they
  /// take, and which cases fail anyway (those of a suite for the host's profile).
  void Prepare() {
    if (!Build()) throw std::runtime_error("the fork does not build: see campaign.log");
    plain_ = ReadFile(Binary());
    std::set<std::string> wanted;
    for (const Subject& subject : subjects_)
      wanted.insert(subject.suites.begin(), subject.suites.end());
    for (const Program& program : ReadPrograms(build_)) {
      if (program.profile != "kata" && !wanted.count(program.name)) continue;
      Suite suite{program, "", Milliseconds(0)};
      const GtestResult result = RunSuite(suite, program.timeout, "");
      suite.took = result.took;
      for (const CaseResult& c : result.cases)
        if (c.verdict == Verdict::kFailed)
          suite.failing += (suite.failing.empty() ? "" : ":") + c.name;
      if (!result.broken.empty() || !suite.failing.empty())
        std::printf("without a mutant %s fails: %s %s\n", program.name.c_str(),
                    suite.failing.c_str(), result.broken.c_str());
      if (result.broken.empty()) suites_.push_back(suite);
      if (interrupted) return;
    }
  }

  GtestResult RunSuite(const Suite& suite, Milliseconds timeout, const std::string& filter) {
    std::vector<std::string> environment = EnvironmentOf(suite.program, build_, {Binary(), {}});
    if (!filter.empty()) {
      std::erase_if(environment,
                    [](const std::string& v) { return v.starts_with("GTEST_FILTER="); });
      environment.push_back("GTEST_FILTER=" + filter);
    }
    return RunGtest(suite.program.path, environment, timeout);
  }

  /// The suites in the order in which they judge a file.
  std::vector<const Suite*> Order(const std::string& file) const {
    const Subject& subject = *std::find_if(subjects_.begin(), subjects_.end(),
                                           [&](const Subject& s) { return s.file == file; });
    std::vector<const Suite*> order, rest;
    for (const std::string& name : subject.suites)
      for (const Suite& suite : suites_)
        if (suite.program.name == name) order.push_back(&suite);
    for (const Suite& suite : suites_)
      if (std::find(order.begin(), order.end(), &suite) == order.end()) rest.push_back(&suite);
    std::stable_sort(rest.begin(), rest.end(),
                     [](const Suite* a, const Suite* b) { return a->took < b->took; });
    order.insert(order.end(), rest.begin(), rest.end());
    return order;
  }

  std::string Judge(const Mutant& mutant) {
    const std::string text = ReadFile(Tree() / mutant.file);
    WrittenAnew mutated(Tree() / mutant.file, Apply(mutant, text));
    if (!Build()) return kNotBuilt;
    if (ReadFile(Binary()) == plain_) return kSameCode;
    for (const Suite* suite : Order(mutant.file)) {
      if (interrupted) return "";
      std::string filter;
      for (const auto& variable : suite->program.environment)
        if (variable.starts_with("GTEST_FILTER=")) filter = variable.substr(13);
      if (!suite->failing.empty())
        filter += (filter.find('-') == std::string::npos ? (filter.empty() ? "*-" : "-") : ":") +
                  suite->failing;
      const Milliseconds limit =
          std::min(suite->program.timeout, Milliseconds(60000) + 10 * suite->took);
      const GtestResult result = RunSuite(*suite, limit, filter);
      if (interrupted) return "";
      if (!result.Failed()) continue;
      const std::string failed = FirstFailed(result);
      // A case that a busy machine failed passes when it is alone.
      if (!failed.empty() && !RunSuite(*suite, limit, failed).Failed()) {
        std::printf("not for the mutant: %s %s\n", suite->program.name.c_str(), failed.c_str());
        continue;
      }
      return "caught by " + suite->program.name + " " +
             (failed.empty() ? result.broken.substr(0, result.broken.find('\n')) : failed);
    }
    return kSurvived;
  }
  static std::string FirstFailed(const GtestResult& result) {
    for (const CaseResult& c : result.cases)
      if (c.verdict == Verdict::kFailed) return c.name;
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
    if (!without_.empty()) std::printf("\nwithout a verdict in tests/mutations/survivors.txt:\n");
    for (const std::string& name : without_) std::printf("%s\n", name.c_str());
    if (judged < count_) std::printf("interrupted; the same command goes on\n");
    return judged == count_ && without_.empty() ? 0 : 1;
  }

  fs::path build_, house_, data_;
  unsigned long long seed_;
  size_t count_;
  std::string only_;
  std::vector<Subject> subjects_;
  std::map<std::string, std::string> verdicts_, results_;
  std::vector<Suite> suites_;
  std::string plain_;
  std::map<std::string, Score> scores_;
  Score total_;
  std::vector<std::string> without_;
};

int Sample(const Arguments& arguments) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, [](int) { interrupted = 1; });
  setenv("GTEST_FAIL_FAST", "1", 1);
  return Campaign(arguments).Run();
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("mutate", kHelp,
                      "  --build FOLDER   (required)\n  --house FOLDER   (required)\n", argc, argv,
                      stx::Sample);
}
