// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/life.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "bench/monitor.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kLife{120000};  // under valgrind on a busy machine it is 20 s

double Since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

rusage ChildrenUsage() {
  rusage usage{};
  if (getrusage(RUSAGE_CHILDREN, &usage) < 0) ThrowErrno("getrusage");
  return usage;
}

double CpuMs(const rusage& usage) {
  const auto ms = [](const timeval& time) {
    return 1e3 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

CommandLine MakeLine(const TinyPod& pod, const fs::path& guest) {
  CommandLine command = pod.Command();
  command.Replace("-kernel", "-kernel " + (guest / "vmlinuz").string());
  command.Drop("-object memory-backend-file,id=mem0");
  const fs::path image = guest / "root.img";
  command.InsertAfter("-device nvdimm",
                      "-object memory-backend-file,id=mem0,mem-path=" + image.string() +
                          ",size=" + std::to_string(fs::file_size(image)) + ",readonly=on");
  command.Add("-S");
  return command;
}

QemuOptions MakeOptions(const Binary& binary, const std::vector<std::string>& under) {
  QemuOptions options;
  options.binary = under.empty() ? binary.path : fs::path(under[0]);
  if (!under.empty()) {
    options.first_args.assign(under.begin() + 1, under.end());
    options.first_args.push_back(binary.path);
  }
  options.spawn.environment = binary.environment;
  return options;
}

std::unique_ptr<TinyPod> MakePod(const QemuOptions& options) {
  auto pod = std::make_unique<TinyPod>();
  if (!pod->missing().empty()) throw std::runtime_error("no pod: " + pod->missing());
  pod->options().binary = options.binary;
  pod->options().first_args = options.first_args;
  pod->options().spawn.environment = options.spawn.environment;
  return pod;
}

/// The kernel counts the pages of a file that was just linked, and is not yet on the disk, as
/// private and dirty.
void WriteBack(const fs::path& file) {
  const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || fsync(fd.get()) != 0) ThrowErrno("cannot write back " + file.string());
}

}  // namespace

PausedPod::PausedPod(const Binary& binary, const fs::path& guest)
    : pod_(MakePod(MakeOptions(binary, {}))), command_(MakeLine(*pod_, guest)) {}

void PausedPod::Start() {
  static std::mutex one_at_a_time;  // TinyPod's
  {
    std::lock_guard lock(one_at_a_time);
    pod_->Start(command_);
  }
  pod_->qmp();
}

Lives::Life Lives::Run(const Binary& binary, Line line, const std::vector<std::string>& under) {
  const QemuOptions made = MakeOptions(binary, under);
  std::unique_ptr<TinyPod> pod;
  std::unique_ptr<Qemu> own;
  CommandLine command;
  if (line == Line::kPod) {
    pod = MakePod(made);
    command = MakeLine(*pod, guest_);
  }
  const rusage before = ChildrenUsage();
  const Clock::time_point start = Clock::now();
  Life life;
  Process version;
  Process* process = &version;
  Qemu* qemu = nullptr;
  std::optional<Monitor> monitor;  // to the end: QEMU forgets what a client sent that hung up
  if (line == Line::kVersion) {
    std::vector<std::string> argv{made.binary};
    argv.insert(argv.end(), made.first_args.begin(), made.first_args.end());
    argv.push_back("--version");
    version = Process(argv, made.spawn);
  } else if (line == Line::kPod) {
    qemu = &pod->Start(command);
  } else {
    QemuOptions options = made;
    options.args = {"-S",         "-no-user-config", "-nodefaults",
                    "-nographic", "-machine",        "none,accel=tcg"};
    own = std::make_unique<Qemu>(std::move(options));
    qemu = own.get();
  }
  try {
    if (qemu) {
      process = &qemu->process();
      monitor.emplace(qemu->qmp_socket(), kLife);
      monitor->WaitFor("{\"QMP\"");
      life.greeting_ms = Since(start);
      monitor->Ask("qmp_capabilities");
      life.reply_ms = Since(start);
      life.footprint = ReadFootprint(process->pid());
      monitor->Send("quit");
    }
    const std::optional<ExitStatus> status = process->Wait(kLife);
    life.end_ms = Since(start);
    if (!status || !status->Success())
      throw std::runtime_error(status ? status->ToString() : "it does not end");
  } catch (const std::exception& error) {
    throw std::runtime_error(binary.name + ": " + error.what() + "\n" + process->Stderr());
  }
  const rusage after = ChildrenUsage();
  life.cpu_ms = CpuMs(after) - CpuMs(before);
  life.faults = static_cast<double>(after.ru_minflt - before.ru_minflt);
  return life;
}

Lives::Life Lives::Live(const Binary& binary, Line line) {
  WriteBack(binary.path);
  return Run(binary, line, {});
}

bool Lives::HasValgrind() { return fs::exists("/usr/bin/valgrind"); }

CallgrindProfile Lives::CountInstructions(const Binary& binary, Line line) {
  TempDir dir;
  const fs::path file = dir / "callgrind";
  Run(binary, line,
      {"/usr/bin/valgrind", "--tool=callgrind", "-q", "--callgrind-out-file=" + file.string()});
  return ParseCallgrind(ReadFile(file));
}

double Lives::CountSyscalls(const Binary& binary, Line line) {
  TempDir dir;
  const fs::path file = dir / "count";
  Run(binary, line, {fs::read_symlink("/proc/self/exe").parent_path() / "count-syscalls", file});
  return std::stod(ReadFile(file));
}

}  // namespace stx
