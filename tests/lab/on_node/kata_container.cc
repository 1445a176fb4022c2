// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/kata_container.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "base/process.h"
#include "base/waiting.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRuntime = "io.containerd.kata.v2";
constexpr const char* kImage = "docker.io/lab/busybox:latest";
constexpr const char* kRootfs = "/var/lib/lab/rootfs";
const std::vector<std::string> kSleep{"/bin/sleep", "86400"};
// Our configuration makes the shim wait 45 s for its guest's agent.
constexpr Milliseconds kStart{240000}, kStop{120000};

/// An image in the format of `docker save`: a manifest, a configuration, a layer.
constexpr const char* kImport = R"sh(
systemctl start containerd
for i in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.2; done
if [ -z "$(ctr image ls -q)" ]; then
  work=/var/lib/lab
  for folder in bin dev etc proc run sys tmp; do mkdir -p $work/rootfs/$folder; done
  cp /lab/busybox $work/rootfs/bin/
  chroot $work/rootfs /bin/busybox --install -s /bin
  tar -C $work/rootfs -cf $work/layer.tar .
  sum=$(sha256sum <$work/layer.tar | cut -d' ' -f1)
  printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["sh"],"Env":["PATH=/bin"]},' >$work/config.json
  printf '"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $sum >>$work/config.json
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' $IMAGE >$work/manifest.json
  tar -C $work -cf $work/image.tar manifest.json config.json layer.tar
  ctr image import $work/image.tar
  rm $work/image.tar $work/layer.tar
fi
)sh";

/// Where Kata and containerd keep what belongs to a container.
constexpr const char* kFolders =
    "/run/vc /run/kata-containers /run/containerd "
    "/var/lib/containerd/io.containerd.runtime.v2.task /dev/shm";

/// Everything on the node that bears the name of a container or its sandbox: processes, mounts,
/// files, control groups.
std::string Remains(const std::string& id) {
  return Shell("id=" + id + "; folders='" + kFolders + R"sh('
ps axo pid,args | grep -e "-name sandbox-$id" -e "-id $id" -e "sandboxes/$id" | grep -v grep || true
grep "$id" /proc/mounts || true
ctr container ls -q | grep -x "$id" || true
ctr snapshot ls | grep "^$id " || true
for folder in $folders; do
  [ ! -d $folder ] || find $folder -name "*$id*"
done
# Groups that have a process, of cgroup v2 and of each hierarchy of v1.
for group in $(find /sys/fs/cgroup -type d -name "*$id*"); do
  if [ -e $group/cgroup.events ]; then
    ! grep -qx 'populated 1' $group/cgroup.events || echo $group
  elif grep -q . $(find $group -name cgroup.procs); then
    echo $group
  fi
done
)sh");
}

/// Ends what containerd cannot end, because the shim waits for a QEMU that is gone.
void EndByForce(const std::string& id) {
  Shell("id=" + id + "; folders='" + kFolders + R"sh('
pkill -KILL -f "containerd-shim-kata-v2 .*-id $id( |$)" || true
pkill -KILL -f "(-name sandbox-$id|sandboxes/$id)" || true
timeout 20 ctr tasks delete --force $id || true
timeout 20 ctr containers delete $id || true
timeout 20 ctr snapshots delete $id || true
awk -v id=$id 'index($2, id) { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
for folder in $folders; do
  [ ! -d $folder ] || find $folder -depth -name "*$id*" -exec rm -rf {} +
done
)sh",
        Milliseconds(120000));
}

/// The call that makes a container of our image, which sleeps.
std::vector<std::string> RunCommand(const std::string& id, const std::vector<std::string>& flags) {
  std::vector<std::string> command{"ctr", "run", "--detach", "--null-io", "--runtime", kRuntime};
  command.insert(command.end(), flags.begin(), flags.end());
  command.insert(command.end(), {kImage, id});
  command.insert(command.end(), kSleep.begin(), kSleep.end());
  return command;
}

}  // namespace

void PrepareContainerd() {
  Shell("export IMAGE=" + std::string(kImage) + kImport, Milliseconds(120000));
}

KataContainer::KataContainer(const std::string& id, const std::vector<std::string>& flags,
                             const std::string& specification)
    : id_(id) {
  TempDir dir;
  std::vector<std::string> command = RunCommand(id, flags);
  if (!specification.empty()) {
    nlohmann::json json = nlohmann::json::parse(specification);
    json["root"]["path"] = kRootfs;
    json["process"]["args"] = kSleep;
    json["linux"]["cgroupsPath"] = "/default/" + id;
    WriteFile(dir / "config.json", json.dump());
    command.resize(command.size() - kSleep.size() - 2);
    command.insert(command.end(), {"--config", (dir / "config.json").string(), id});
  }
  std::string said = std::string(kRuntime) + " does not start a container: ";
  try {
    RunResult started = Run(command, kStart);
    if (started.status.Success()) return;
    // An abstract socket's name begins with a NUL, which would end the message.
    std::replace(started.err.begin(), started.err.end(), '\0', '@');
    said += started.err;
  } catch (const std::exception& error) {
    said += error.what();
  }
  try {
    End();
  } catch (const std::exception& error) {
    said += error.what();
  }
  throw std::runtime_error(said);
}

KataContainer::~KataContainer() {
  try {
    if (!ended_) End();
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

std::string KataContainer::Shell(const std::string& script) {
  return RunWell({"ctr", "tasks", "exec", "--exec-id", "exec" + std::to_string(++execs_), id_,
                  "/bin/sh", "-ec", script},
                 id_ + ": " + script, Milliseconds(60000))
      .out;
}

void KataContainer::End() {
  ended_ = true;
  // What these commands fail to remove, or do not come back from, shows in what remains.
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"ctr", "tasks", "delete", "--force", id_},
        std::vector<std::string>{"ctr", "containers", "delete", id_}}) {
    try {
      stx::Run(command, kStop);
    } catch (const std::runtime_error&) {
    }
  }
  std::string remains;
  // A process may end a moment after containerd has forgotten it.
  if (HoldsBefore(Deadline(Milliseconds(10000)), [&] { return (remains = Remains(id_)).empty(); }))
    return;
  EndByForce(id_);  // the next scenario meets none of it
  throw std::runtime_error(id_ + " has left behind:\n" + remains);
}

KataRefusal StartRefused(const std::string& id, const std::vector<std::string>& flags,
                         const std::string& expected) {
  const std::string since = Trimmed(stx::Shell("date +%s.%N"));
  const auto journal = [&] { return stx::Shell("journalctl -q -o cat --since @" + since); };
  Process ctr(RunCommand(id, flags), {});
  std::optional<ExitStatus> status;
  const bool told = HoldsBefore(
      Deadline(kStart),
      [&] {
        status = ctr.Wait(Milliseconds(0));
        return status || journal().find(expected) != std::string::npos;
      },
      Milliseconds(500));
  // If the shim does not wait, ctr's error follows QEMU's message.
  if (!status) status = ctr.Wait(Milliseconds(5000));
  KataRefusal refusal{status.has_value(), status ? ctr.Stderr() : journal(), {}};
  ctr.Kill();
  refusal.left = Remains(id);
  EndByForce(id);
  if (const std::string still = Remains(id); !still.empty())
    throw std::runtime_error("not removed of " + id + ":\n" + still);
  if (status && status->Success()) throw std::runtime_error(id + " started");
  if (!told)
    throw std::runtime_error("neither ctr nor the journal says \"" + expected + "\":\n" +
                             journal());
  return refusal;
}

std::vector<std::string> InPod(const std::string& pod, const std::string& type) {
  return {"--annotation", "io.kubernetes.cri.container-type=" + type, "--annotation",
          "io.kubernetes.cri.sandbox-id=" + pod};
}

pid_t KataContainer::Qemu() const {
  const RunResult found = Run({"pgrep", "-f", "^[^ ]*qemu[^ ]* -name sandbox-" + id_ + " "}, kStop);
  if (found.out.empty()) throw std::runtime_error("there is no QEMU of sandbox-" + id_);
  return std::stoi(found.out);
}

std::string KataContainer::QemuCommand() const {
  std::string command = ReadFile("/proc/" + std::to_string(Qemu()) + "/cmdline");
  std::replace(command.begin(), command.end(), '\0', ' ');
  return command;
}

std::vector<pid_t> KataContainer::Vcpus() const {
  const std::string pid = std::to_string(Qemu());
  std::istringstream out(stx::Shell("cat /sys/kernel/debug/kvm/" + pid + "-*/vcpu*/pid"));
  std::vector<pid_t> vcpus;
  // KVM keeps a removed vCPU until its VM ends, although its thread has ended.
  for (pid_t tid; out >> tid;)
    if (fs::exists("/proc/" + pid + "/task/" + std::to_string(tid))) vcpus.push_back(tid);
  return vcpus;
}

}  // namespace stx
