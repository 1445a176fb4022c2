// SPDX-License-Identifier: GPL-2.0-or-later
// bench: measures QEMU binaries beside each other. scripts/bench builds what it needs and calls it.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/arguments.h"
#include "base/bench_help.h"
#include "base/os.h"
#include "base/process.h"
#include "bench/page.h"
#include "bench/rows.h"
#include "harness/qemu/accel.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

const std::vector<RowGroup> kGroups = {{"start", MeasureStart},
                                       {"guest", MeasureGuest},
                                       {"hotplug", MeasureHotplug},
                                       {"pods", MeasurePods},
                                       {"libvirt", MeasureLibvirt}};

/// NAME=PATH.
Binary ParseBinary(const std::string& text) {
  const size_t sign = text.find('=');
  if (sign == 0 || sign == std::string::npos)
    throw BadInput("--qemu " + text + ": not of the form NAME=PATH");
  Binary binary{text.substr(0, sign), text.substr(sign + 1), {}};
  if (!fs::is_regular_file(binary.path)) throw BadInput("--qemu " + text + ": no such file");
  return binary;
}

int ParseRounds(const std::string& text) {
  constexpr int kMost = 10000;
  if (text.empty()) return 0;
  const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || text.size() > 5 || std::stoi(text) < 1 || std::stoi(text) > kMost)
    throw BadInput("--rounds " + text + ": not a number from 1 to " + std::to_string(kMost));
  return std::stoi(text);
}

Plan MakePlan(const Arguments& arguments) {
  Plan plan;
  plan.build = fs::canonical(arguments.Value("--build"));
  plan.rounds = ParseRounds(arguments.Value("--rounds"));
  for (const std::string& text : arguments.Values("--qemu")) {
    plan.binaries.push_back(ParseBinary(text));
    const std::string& name = plan.binaries.back().name;
    if (std::ranges::count(plan.binaries, name, &Binary::name) > 1)
      throw BadInput("--qemu: two binaries have the name " + name);
  }
  if (plan.binaries.empty()) {
    const fs::path debian = arguments.Value("--debian");
    Binary binary{"debian", debian / "usr/bin/qemu-system-x86_64", {}};
    if (fs::exists(debian / "libraries"))
      binary.environment.push_back("LD_LIBRARY_PATH=" + (debian / "libraries").string());
    plan.binaries = {binary,
                     {"host", plan.build / "host/qemu-system-x86_64", {}},
                     {"kata", plan.build / "kata/qemu-system-x86_64", {}}};
  }
  return plan;
}

/// The kata profile, and what it is without each of its options of hardening.
Plan HardeningPlan(const Plan& plan) {
  Plan hardening = plan;
  hardening.binaries = {{"kata", plan.build / "kata/qemu-system-x86_64", {}}};
  for (const char* option : {"pie", "relro", "fortify", "stack-protector", "seccomp"}) {
    const std::string name = "without-" + std::string(option);
    hardening.binaries.push_back({name, plan.build / name / "qemu-system-x86_64", {}});
  }
  return hardening;
}

Results MakeResults(const Plan& plan) {
  std::vector<std::string> names;
  for (const Binary& binary : plan.binaries) names.push_back(binary.name);
  return Results(names);
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

/// "4 CPUs (Intel ...), Linux 6.1.0; load 0.5; TCG: why".
std::string DescribeMachine() {
  const std::string cpus = ReadFile("/proc/cpuinfo"), key = "model name\t: ";
  const size_t model = cpus.find(key);
  utsname system{};
  uname(&system);
  const std::string release = system.release;  // "6.1.0-13-amd64", of which "6.1" is printed
  double load = 0;
  if (getloadavg(&load, 1) != 1) throw std::runtime_error("the machine's load cannot be read");
  const Accel accel = DetectAccel();
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof(date), "%Y-%m-%d", std::gmtime(&now));
  return std::string(date) + " on " + std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " CPUs (" +
         (model == std::string::npos ? "unknown" : FirstLine(cpus.substr(model + key.size()))) +
         "), Linux " + release.substr(0, release.find('.', release.find('.') + 1)) +
         ",\nwith a load of " + FormatNumber(load) + " when it began; booted guests run under " +
         (accel.kvm ? "KVM" : "TCG") + "\n(" + accel.reason + ")";
}

void WritePage(const Plan& plan, const Results& results, const Results& hardening,
               const std::string& machine) {
  std::map<std::string, std::string> versions;
  for (const Binary& binary : plan.binaries) {
    SpawnOptions options;
    options.environment = binary.environment;
    versions[binary.name] = FirstLine(
        RunWell({binary.path, "--version"}, binary.name, Milliseconds(60000), options).out);
  }
  const fs::path root = plan.build.parent_path(), docs = root / "docs";
  const Page page = MakePage(results, hardening, ReadGoals(root / "tests/bench/goals.txt"), machine,
                             versions, "performance");
  fs::create_directories(docs / "performance");
  for (const auto& [name, svg] : page.charts) WriteFile(docs / "performance" / name, svg);
  WriteFile(docs / "performance.md", page.markdown);
}

int Bench(const Arguments& arguments) {
  const Plan plan = MakePlan(arguments);
  Results results = MakeResults(plan), hardening = MakeResults(HardeningPlan(plan));
  const std::string machine = DescribeMachine();
  const std::string only = arguments.Value("--only");
  const fs::path kept = plan.build / "bench/results.json";
  fs::create_directories(kept.parent_path());
  bool any = false, failed = false;
  for (const RowGroup& group : kGroups) {
    if (std::string(group.name).find(only) == std::string::npos) continue;
    any = true;
    std::fprintf(stderr, "== measuring %s\n", group.name);
    try {
      group.measure(plan, &results);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "bench: %s: %s\n", group.name, error.what());
      failed = true;
    }
    // After each group: a long run may be ended.
    WriteFile(kept, results.ToJson().dump(1) + "\n");
    if (arguments.Has("--page")) WritePage(plan, results, hardening, machine);
  }
  if (arguments.Has("--page")) {
    std::fprintf(stderr, "== measuring what hardening costs\n");
    MeasureStart(HardeningPlan(plan), &hardening);
    WritePage(plan, results, hardening, machine);
  }
  if (!any) throw BadInput("no group of rows has \"" + only + "\" in its name (--only)");
  std::printf("%s", results.ToText().c_str());
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("bench", kHelp,
                      "  --build FOLDER   (required)\n  --debian FOLDER  (not with --qemu)\n", argc,
                      argv, stx::Bench);
}
