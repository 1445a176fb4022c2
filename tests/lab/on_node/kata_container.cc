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

/// Everything on the node that bears the name of a container or its sandbox: processes, mounts,
/// files, control groups.
std::string Remains(const std::string& id) {
  return Shell("id=" + id + R"sh(
ps axo pid,args | grep -e "-name sandbox-$id" -e "-id $id" -e "sandboxes/$id" | grep -v grep || true
grep "$id" /proc/mounts || true
ctr container ls -q | grep -x "$id" || true
ctr snapshot ls | grep "^$id " || true
for folder in /run/vc /run/kata-containers /run/containerd /var/lib/containerd/io.containerd.runtime.v2.task /dev/shm /sys/fs/cgroup; do
  [ ! -d $folder ] || find $folder -name "*$id*"
done
)sh");
}

}  // namespace

void PrepareContainerd() {
  Shell("export IMAGE=" + std::string(kImage) + kImport, Milliseconds(120000));
}

KataContainer::KataContainer(const std::string& id, const std::vector<std::string>& flags,
                             const std::string& specification)
    : id_(id) {
  std::vector<std::string> command{"ctr", "run", "--detach", "--null-io", "--runtime", kRuntime};
  auto add = [&](const std::vector<std::string>& more) {
    command.insert(command.end(), more.begin(), more.end());
  };
  add(flags);
  TempDir dir;
  if (specification.empty()) {
    add({kImage, id});
    add(kSleep);
  } else {
    nlohmann::json json = nlohmann::json::parse(specification);
    json["root"]["path"] = kRootfs;
    json["process"]["args"] = kSleep;
    json["linux"]["cgroupsPath"] = "/default/" + id;
    WriteFile(dir / "config.json", json.dump());
    add({"--config", (dir / "config.json").string(), id});
  }
  RunResult started = Run(command, kStart);
  if (started.status.Success()) return;
  // The name of an abstract socket begins with a NUL, which would end the message.
  std::replace(started.err.begin(), started.err.end(), '\0', '@');
  std::string said = std::string(kRuntime) + " does not start a container: " + started.err;
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
  // What these commands fail to remove shows in what remains.
  stx::Run({"ctr", "tasks", "delete", "--force", id_}, kStop);
  stx::Run({"ctr", "containers", "delete", id_}, kStop);
  std::string remains = Remains(id_);
  // A process may still exist for a moment after containerd has forgotten it.
  HoldsBefore(Deadline(Milliseconds(10000)), [&] { return (remains = Remains(id_)).empty(); });
  if (!remains.empty()) throw std::runtime_error(id_ + " has left behind:\n" + remains);
}

pid_t KataContainer::Qemu() const {
  const RunResult found = Run({"pgrep", "-f", "^[^ ]*qemu[^ ]* -name sandbox-" + id_ + " "}, kStop);
  if (found.out.empty()) throw std::runtime_error("there is no QEMU of sandbox-" + id_);
  return std::stoi(found.out);
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
