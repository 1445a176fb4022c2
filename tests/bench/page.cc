// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/page.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "base/os.h"
#include "bench/chart.h"
#include "bench/statistics.h"

namespace stx {
namespace {

constexpr size_t kFunctions = 40;
constexpr double kMillion = 1e6, kMiB = 1 << 20;

/// A group of rows: those whose names begin with `start`.
struct Section {
  const char *start, *title, *file, *how;
};
constexpr Section kSections[] = {
    {"start: ", "A pod's start", "start",
     "Kata's command line of a q35 pod (`tests/kata`), with our guest's bzImage and image, under\n"
     "TCG and with `-S`: no guest code runs. vhost-user back-ends that answer, and a tap, are\n"
     "there before the clock starts. The client asks `qmp_capabilities`, looks at the memory, and\n"
     "asks `quit`. Guest RAM and the image are in no figure of memory."},
    {"-machine none: ", "QEMU without a machine", "none",
     "`-machine none -S`: the floor of a start, and what libvirt starts to ask what a binary can."},
    {"--version: ", "The binary alone", "version",
     "`--version`: the loader, constructors, and the end."},
    {"guest: ", "To the guest's user space", "guest",
     "A pod with our guest (2 GiB, one vCPU, the image on NVDIMM with DAX, virtio-fs, a tap, "
     "vsock)\n"
     "until its first program calls the host. The guest notes its clock and its time stamp "
     "counter:\n"
     "firmware ends where the kernel's clock begins."},
    {"guest's instructions: ", "Instructions of the guest", "guest-instructions",
     "The same pod under `-icount shift=0`; QMP's `query-replay` has the count. It differs "
     "between\n"
     "binaries by what their devices and tables make the guest do."},
    {"running pod: ", "Changes to a running pod, and its end", "running",
     "What Kata's shim adds (`PodShim`), from its first QMP command until the guest can use it: a\n"
     "vCPU and 128 MiB online, a SCSI disk and a NIC found. 64 MiB are read from virtio-fs, by\n"
     "`cat` in the guest. The end is Kata's: SIGKILL until the process is gone."},
    {"100 pods, paused: ", "100 pods at once, paused", "pods-paused",
     "A hundred starts as above at the same time, one thread of the measuring program for each, "
     "as\n"
     "each has a shim. What pods share counts once in their PSS."},
    {"20 pods: ", "20 pods at once, with their guests", "pods",
     "Twenty pods of 256 MiB at the same time, until the last guest's first program has called."},
    {"libvirt's questions: ", "libvirt's questions", "libvirt",
     "What libvirt 9.0 asks of each binary once, before its first guest, on `-machine none`."},
};

constexpr const char* kMethod =
    "Each sample is a process of its own. In each round every binary has its turn, the order is\n"
    "turned round each time, and a ratio is the quotient of two medians over the same rounds; its\n"
    "interval (95 %) is a bootstrap over rounds. The number after ± is half of the distance "
    "between\n"
    "the quartiles. Instructions are those in user space from exec to the end, counted once by\n"
    "callgrind: they do not depend on what else the machine does, and hardly vary; `perf stat` "
    "would\n"
    "need a hardware counter, which few virtual machines have. System calls are counted with\n"
    "ptrace, page faults and CPU time by the kernel (rusage). Times on a busy machine are longer\n"
    "for all binaries; the load is named above.\n";

constexpr const char* kHardening =
    "The kata profile, and builds of it without one option each: a position-independent\n"
    "executable, read-only relocations that are all resolved at the start, `_FORTIFY_SOURCE=2`, "
    "the\n"
    "stack protector, and libseccomp. All stay in what is shipped.\n\n";

constexpr const char* kAnchor =
    "QEMU 7.2.22 built with the options of Kata 3.1.3's own static recipe (and TCG), measured "
    "once\n"
    "beside ours on 2026-11-27, as ratio to Debian's binary: instructions 0.74, CPU time 0.70, "
    "page\n"
    "faults 0.89, PSS 0.81, private dirty 0.93; kata in the same run 0.29, 0.28, 0.20, 0.24, "
    "0.20.\n"
    "A static binary saves the dynamic linking, which is 3 M of ours; the rest of a start is the\n"
    "same work as in Debian's.\n";

constexpr const char* kMissing =
    "- virtio-fs and vhost throughput with KVM, live migration, a domain's start by libvirt, 100\n"
    "  booted pods: they need KVM, so they belong into the lab's node ([`lab.md`](lab.md)), which "
    "has\n"
    "  no such scenario yet. The exits of a pod's boot are its scenario `exits`.\n"
    "- Template clones: `tests/kata/pod_test.cc` tries them; they are not timed.\n"
    "- Cloud Hypervisor, Firecracker and crosvm beside ours.\n";

std::string RatioText(const Ratio& ratio) {
  std::string text = FormatNumber(ratio.value);
  if (ratio.low != ratio.high)
    text += " (" + FormatNumber(ratio.low) + " to " + FormatNumber(ratio.high) + ")";
  return text;
}

const std::vector<double>* Samples(const Row& row, const std::string& binary) {
  const auto found = row.samples.find(binary);
  return found == row.samples.end() ? nullptr : &found->second;
}

std::optional<Ratio> RatioOf(const Results& results, const Row& row, const std::string& binary) {
  const auto *ours = Samples(row, binary), *first = Samples(row, results.binaries().at(0));
  if (!ours || !first || ours->size() != first->size() || Median(*first) == 0) return std::nullopt;
  return PairedRatio(*ours, *first);
}

std::string SectionTable(const Results& results, const std::string& start) {
  std::string text = "| |", line = "|---|";
  for (const std::string& binary : results.binaries()) {
    const bool first = binary == results.binaries().front();
    text += " " + binary + " |" + (first ? "" : " ratio |");
    line += first ? "---|" : "---|---|";
  }
  text += "\n" + line + "\n";
  for (const Row& row : results.rows()) {
    if (!row.name.starts_with(start)) continue;
    text += "| " + row.name.substr(start.size()) + (row.unit.empty() ? "" : ", " + row.unit) + " |";
    for (const std::string& binary : results.binaries()) {
      const std::vector<double>* samples = Samples(row, binary);
      std::string cell = samples ? FormatNumber(Median(*samples)) : "-";
      if (samples && samples->size() > 1)
        cell += " ± " + FormatNumber((Quantile(*samples, 0.75) - Quantile(*samples, 0.25)) / 2);
      text += " " + cell + " |";
      if (binary == results.binaries().front()) continue;
      const auto ratio = RatioOf(results, row, binary);
      text += " " + (ratio ? RatioText(*ratio) : "-") + " |";
    }
    text += "\n";
  }
  return text;
}

std::optional<Chart> SectionChart(const Results& results, const Section& section,
                                  const std::vector<Goal>& goals) {
  Chart chart;
  chart.title = std::string(section.title) + ": ratio to " + results.binaries().front();
  chart.series.assign(results.binaries().begin() + 1, results.binaries().end());
  for (const Row& row : results.rows()) {
    if (!row.name.starts_with(section.start)) continue;
    BarGroup group{row.name.substr(std::string(section.start).size()), {}, {}};
    for (const std::string& binary : chart.series) {
      const auto ratio = RatioOf(results, row, binary);
      group.bars.push_back(ratio ? std::optional(Bar{ratio->value, ratio->low, ratio->high})
                                 : std::nullopt);
    }
    const auto goal = std::ranges::find(goals, row.name, &Goal::row);
    if (goal != goals.end()) group.mark = goal->ratio;
    chart.groups.push_back(std::move(group));
  }
  if (chart.groups.empty() || chart.series.empty()) return std::nullopt;
  return chart;
}

std::string GoalTable(const Results& results, const std::vector<Goal>& goals) {
  const std::string& ours = results.binaries().back();
  std::string text = "| | goal | " + ours + " | | what is left |\n|---|---|---|---|---|\n";
  for (const Goal& goal : goals) {
    const Row* row = results.Find(goal.row);
    const auto ratio = row ? RatioOf(results, *row, ours) : std::nullopt;
    const bool met = ratio && ratio->value <= goal.ratio;
    text += "| " + goal.row + " | " + FormatNumber(goal.ratio) + " | " +
            (ratio ? RatioText(*ratio) : "-") + " | " +
            (!ratio ? "not measured"
             : met  ? "met"
                    : "**not met**") +
            " | " + (met ? "" : goal.left) + " |\n";
  }
  return text;
}

std::string FunctionTable(const std::vector<CallgrindFunction>& functions, double total) {
  std::string text =
      "| function | with what it calls, M | share | itself, M |\n|---|---|---|---|\n";
  size_t count = 0;
  for (const CallgrindFunction& function : functions) {
    if (++count > kFunctions) break;
    text += "| `" + function.name + "` | " +
            FormatNumber(static_cast<double>(function.inclusive) / kMillion) + " | " +
            FormatNumber(100 * static_cast<double>(function.inclusive) / total) + " % | " +
            FormatNumber(static_cast<double>(function.self) / kMillion) + " |\n";
  }
  return text;
}

std::string MemoryTable(const Results& results) {
  std::map<std::string, std::map<std::string, double>> by_kind;
  std::string text = "| private dirty, MiB |", line = "|---|";
  for (const std::string& binary : results.binaries()) {
    text += " " + binary + " |";
    line += "---|";
    const auto found = results.breakdowns().find(binary);
    if (found == results.breakdowns().end()) continue;
    for (const auto& [kind, bytes] : found->second.memory) by_kind[kind][binary] = bytes;
  }
  text += "\n" + line + "\n";
  for (const auto& [kind, bytes] : by_kind) {
    text += "| " + kind + " |";
    for (const std::string& binary : results.binaries()) {
      const auto found = bytes.find(binary);
      text += " " + (found == bytes.end() ? "0" : FormatNumber(found->second / kMiB)) + " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::vector<Goal> ReadGoals(const std::filesystem::path& path) {
  std::vector<Goal> goals;
  std::istringstream lines(ReadFile(path));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    Goal goal;
    const size_t group = line.find(": ");
    const size_t name = group == std::string::npos ? group : line.find(": ", group + 2);
    const size_t ratio = name == std::string::npos ? name : line.find(": ", name + 2);
    if (ratio != std::string::npos) {
      goal = {line.substr(0, name), std::atof(line.substr(name + 2).c_str()),
              line.substr(ratio + 2)};
    }
    if (goal.ratio <= 0 || goal.left.empty())
      throw std::runtime_error(path.string() + ":" + std::to_string(number) +
                               ": not \"GROUP: ROW: RATIO: what is left\": " + line);
    goals.push_back(goal);
  }
  return goals;
}

Page MakePage(const Results& results, const Results& hardening, const std::vector<Goal>& goals,
              const std::string& machine, const std::map<std::string, std::string>& versions,
              const std::string& folder) {
  Page page;
  std::string& text = page.markdown;
  std::string not_measured;
  text = "# What a pod's QEMU costs\n\n`scripts/bench --page` makes this page. Measured on " +
         machine + ".\n\n| | binary |\n|---|---|\n";
  for (const std::string& binary : results.binaries())
    text += "| " + binary + " | " + versions.at(binary) + " |\n";
  text += "\n## The goals of the start\n" + GoalTable(results, goals);
  text += "\n## How it is measured\n" + std::string(kMethod);
  for (const Section& section : kSections) {
    const auto chart = SectionChart(results, section, goals);
    if (!chart) {
      not_measured += "- " + std::string(section.title) + ": not in this run.\n";
      continue;
    }
    const std::string file = std::string(section.file) + ".svg";
    page.charts[file] = DrawChart(*chart);
    text += "\n## " + std::string(section.title) + "\n" + section.how + "\n\n" +
            SectionTable(results, section.start) + "\n![" + chart->title + "](" + folder + "/" +
            file + ")\n";
  }
  const std::string& ours = results.binaries().back();
  const auto breakdown = results.breakdowns().find(ours);
  const Row* instructions = results.Find("start: instructions");
  if (breakdown != results.breakdowns().end() && instructions && Samples(*instructions, ours))
    text +=
        "\n## Where the instructions of " + ours +
        "'s start go\nThe functions with the largest cost, what they call included; so the rows "
        "overlap.\n\n" +
        FunctionTable(breakdown->second.functions,
                      Median(*Samples(*instructions, ours)) * kMillion);
  text += "\n## Where the memory of a start is\n" + MemoryTable(results);
  text += "\n## What hardening costs\n";
  if (hardening.rows().empty())
    not_measured += "- What hardening costs: not in this run.\n";
  else
    text += kHardening + SectionTable(hardening, "start: ");
  text += "\n## Beside Kata's static recipe\n" + std::string(kAnchor);
  text += "\n## Not measured yet\n" + not_measured + kMissing;
  return page;
}

}  // namespace stx
