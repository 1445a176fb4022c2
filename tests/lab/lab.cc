// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/lab.h"

#include <cstdio>
#include <sstream>
#include <stdexcept>

#include "base/process.h"
#include "runner/gtest_run.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kScenario{1500000}, kPack{120000};
constexpr const char* kFact = "fact: ";

/// What every node has in /lab, and where it comes from in build/.
struct PayloadFile {
  const char* name;
  const char* from;
};
constexpr PayloadFile kPayload[] = {
    {"guestd", "tests/tests/guest/guestd"}, {"scenarios", "tests/tests/lab/scenarios"},
    {"guest/vmlinuz", "guest/vmlinuz"},     {"guest/vmlinux", "guest/vmlinux"},
    {"guest/initrd", "guest/initrd"},       {"guest/root.img", "guest/root.img"},
    {"guest/.made", "guest/.made"},         {"busybox", "../cache/guest/busybox/bin/busybox"},
};
constexpr PayloadFile kBuilds[] = {
    {"qemu-system-x86_64", "host/qemu-system-x86_64"},
    {"qemu-system-x86_64-kata", "kata/qemu-system-x86_64"},
};

/// What the scenarios of Kubernetes need besides.
constexpr PayloadFile kKubernetesPayload[] = {{"pods.md", "../docs/pods.md"}};
constexpr const char* kKubernetesPrograms[] = {
    "kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"};

}  // namespace

Lab::Lab(const LabOptions& options) : options_(options), logs_(options.build / "lab/logs") {
  fs::remove_all(logs_);
  MakePayload();
}

void Lab::MakePayload() {
  const fs::path tree = dir_ / "payload";
  auto add = [&](const PayloadFile& file) {
    fs::create_directories((tree / file.name).parent_path());
    fs::copy_file(options_.build / file.from, tree / file.name);
  };
  for (const PayloadFile& file : kPayload) add(file);
  if (options_.qemu == NodeQemu::kBuild) {
    for (const PayloadFile& file : kBuilds) add(file);
    // QEMU loads only modules from its own build.
    fs::create_directories(tree / "modules");
    for (const auto& entry : fs::directory_iterator(options_.build / "host"))
      if (entry.path().extension() == ".so")
        fs::copy_file(entry.path(), tree / "modules" / entry.path().filename());
  }
  const bool kubernetes = !options_.kubernetes.empty();
  if (kubernetes) {
    for (const PayloadFile& file : kKubernetesPayload) add(file);
    fs::create_directories(tree / "kubernetes");
    for (const char* program : kKubernetesPrograms)
      fs::copy_file(options_.kubernetes / program, tree / "kubernetes" / program);
  }
  const RunResult made =
      stx::Run({"mkfs.ext4", "-q", "-F", "-L", "lab", "-O", "^has_journal", "-d", tree.string(),
                (dir_ / "payload.img").string(), kubernetes ? "1536M" : "512M"},
               kPack);
  if (!made.status.Success()) throw std::runtime_error("mkfs.ext4: " + made.err);
  fs::remove_all(tree);
}

NodeSettings Lab::Settings() const {
  const fs::path lab = options_.build / "lab";
  NodeSettings settings;
  settings.qemu = options_.build / "host/qemu-system-x86_64";
  settings.image =
      lab / (std::string("node-") + (options_.qemu == NodeQemu::kPackages ? "packages" : "debian") +
             (options_.kata ? "-kata" : "") + (options_.kubernetes.empty() ? "" : "-kubernetes") +
             ".img");
  settings.kernel = lab / "vmlinuz";
  settings.initrd = lab / "initrd";
  settings.payload = dir_ / "payload.img";
  return settings;
}

void Lab::Boot(const Scenario& scenario) {
  NodeSettings settings = Settings();
  settings.cgroup_v1 = scenario.cgroup_v1;
  std::vector<Node*> nodes;
  auto start = [&](std::unique_ptr<Node>& node, const std::string& name) {
    settings.name = name;
    node = std::make_unique<Node>(settings, logs_);
    nodes.push_back(node.get());
  };
  if (scenario.pair) {
    settings.memory_mib = 2048;
    settings.lan = LanEnd{dir_ / "lan", true, "10.77.0.1/24"};
    start(first_, "node-a");
    settings.lan = LanEnd{dir_ / "lan", false, "10.77.0.2/24"};
    start(second_, "node-b");
  } else {
    settings.memory_mib = 6144;
    // One CPU is kubelet's and the platform's, and a pod has two to itself.
    if (scenario.kubernetes) settings.cpus = 4;
    settings.huge_1g = 1;
    settings.devices = true;
    start(alone_, "node");
  }
  for (Node* node : nodes) {
    node->WaitUp();
    if (options_.qemu == NodeQemu::kBuild)
      node->Shell(
          "mount --bind /lab/qemu-system-x86_64 /usr/bin/qemu-system-x86_64;"
          "mount --bind /lab/modules /usr/lib/x86_64-linux-gnu/qemu;"
          "touch /usr/bin/qemu-system-x86_64-kata;"
          "mount --bind /lab/qemu-system-x86_64-kata /usr/bin/qemu-system-x86_64-kata");
    std::printf("== %s is up after %.1f s (%s: %s): %s", node->name().c_str(),
                static_cast<double>(node->to_up().count()) / 1000, node->accel().name(),
                node->accel().reason.c_str(),
                node->Shell("qemu-system-x86_64 --version | head -n 1").c_str());
    std::fflush(stdout);
  }
}

Node& Lab::NodeFor(const Scenario& scenario) {
  std::unique_ptr<Node>& node = scenario.pair ? first_ : alone_;
  if (node && node->cgroup_v1() != scenario.cgroup_v1) DropNodes();
  if (!node) {
    // Two cores can carry one system at a time.
    (scenario.pair ? alone_ : second_).reset();
    if (!scenario.pair) first_.reset();
    Boot(scenario);
  }
  return *node;
}

void Lab::DropNodes() {
  for (std::unique_ptr<Node>* node : {&alone_, &second_, &first_}) node->reset();
}

RunResult Lab::RunCases(Node& node, const Scenario& scenario) {
  // As Kata's configuration names it: the binary of qemu-kata, which Debian does not have.
  const std::string pods = std::string("/usr/bin/qemu-system-x86_64") +
                           (options_.qemu == NodeQemu::kDebian ? "" : "-kata");
  return node.Exec(
      {"/usr/bin/env", "GUEST=/lab/guest", "VIRTIOFSD=/usr/lib/qemu/virtiofsd", "QEMU=" + pods,
       "/lab/scenarios", "--gtest_color=no", "--gtest_filter=" + scenario.cases},
      kScenario);
}

void Lab::RunAgainForTheJournal(Node& node, const Scenario& scenario) {
  constexpr const char* kTalk = R"sh(
cp /etc/containerd/config.toml /etc/containerd/config.toml.quiet
cp /etc/kata-containers/configuration-qemu.toml /etc/kata-containers/configuration-qemu.toml.quiet
# At the end: before "version = 2" it would be of version 1, and the CRI plugin would not know Kata.
printf '\n[debug]\n  level = "debug"\n' >>/etc/containerd/config.toml
sed -i 's/^#* *enable_debug *=.*/enable_debug = true/' /etc/kata-containers/configuration-qemu.toml
systemctl restart containerd
)sh";
  constexpr const char* kBeQuiet = R"sh(
mv /etc/containerd/config.toml.quiet /etc/containerd/config.toml
mv /etc/kata-containers/configuration-qemu.toml.quiet /etc/kata-containers/configuration-qemu.toml
systemctl restart containerd
)sh";
  node.Shell(kTalk);
  RunCases(node, scenario);
  node.Shell(kBeQuiet);
}

ScenarioOutcome Lab::Run(const Scenario& scenario) {
  auto start = Clock::now();
  ScenarioOutcome outcome;
  std::string error;
  RunResult run;
  try {
    Node& node = NodeFor(scenario);
    start = Clock::now();
    run = RunCases(node, scenario);
  } catch (const std::exception& failed) {
    error = std::string(failed.what()) + "\n";
    outcome.inconclusive = true;
  }
  outcome.took = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  const std::vector<CaseResult> cases = ParseGtest(run.out);
  outcome.passed = error.empty() && run.status.Success() && !cases.empty();
  for (const CaseResult& one : cases) {
    std::string rest;
    std::istringstream lines(one.text);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(kFact))
        outcome.facts.push_back(line.substr(std::char_traits<char>::length(kFact)));
      else
        rest += line + "\n";
    if (one.verdict == Verdict::kSkipped) outcome.skipped.push_back(one.name + ": " + rest);
    if (one.verdict == Verdict::kFailed) outcome.text += one.name + "\n" + rest;
  }
  if (!outcome.passed) {
    if (cases.empty() && !outcome.inconclusive)
      error += "no case was run: " + run.status.ToString() + "\n" + run.err;
    outcome.inconclusive |= cases.empty() || cases.back().crashed;
    if (scenario.kata && !outcome.inconclusive) {
      try {
        RunAgainForTheJournal(*alone_, scenario);
        outcome.text += "it ran once more for its journal\n";
      } catch (const std::exception& failed) {
        error += std::string("once more for its journal: ") + failed.what() + "\n";
        outcome.inconclusive = true;
      }
    }
    outcome.text += error;
    for (Node* one : {alone_.get(), first_.get(), second_.get()}) {
      if (!one) continue;
      for (const fs::path& file : one->Diagnose()) outcome.text += "see " + file.string() + "\n";
    }
  }
  if (outcome.inconclusive) DropNodes();
  return outcome;
}

}  // namespace stx
