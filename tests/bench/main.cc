// SPDX-License-Identifier: GPL-2.0-or-later
// bench: measures QEMU binaries beside each other. scripts/bench builds what it needs and calls it.
#include <algorithm>
#include <cstdio>

#include "base/arguments.h"
#include "base/bench_help.h"
#include "base/os.h"
#include "bench/rows.h"

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

int Bench(const Arguments& arguments) {
  const Plan plan = MakePlan(arguments);
  std::vector<std::string> names;
  for (const Binary& binary : plan.binaries) names.push_back(binary.name);
  Results results(names);
  const std::string only = arguments.Value("--only");
  bool any = false;
  for (const RowGroup& group : kGroups) {
    if (std::string(group.name).find(only) == std::string::npos) continue;
    any = true;
    std::fprintf(stderr, "== measuring %s\n", group.name);
    group.measure(plan, &results);
  }
  if (!any) throw BadInput("no group of rows has \"" + only + "\" in its name (--only)");
  const fs::path kept = plan.build / "bench/results.json";
  fs::create_directories(kept.parent_path());
  WriteFile(kept, results.ToJson().dump(1) + "\n");
  std::printf("%s", results.ToText().c_str());
  return 0;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) {
  return stx::RunVerb("bench", kHelp,
                      "  --build FOLDER   (required)\n  --debian FOLDER  (not with --qemu)\n", argc,
                      argv, stx::Bench);
}
