// SPDX-License-Identifier: GPL-2.0-or-later
// A control plane of Kubernetes and a kubelet on this node, and pods that kubectl creates there.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/os.h"

namespace stx {

/// How kubelet is configured. Its CPU 0 is reserved for the platform in any case.
struct KubeletSettings {
  std::string cpu_manager = "none";  ///< or "static"
  bool cfs_quota = true;
};

/// Starts etcd, the API server, the controller manager, the scheduler and containerd, unless they
/// run, then a kubelet with `settings` and an empty state, and waits until the node is Ready. The
/// network of the pods is one bridge with an IPv4 and an IPv6 subnet. Throws with what the
/// component's journal says.
void StartKubernetes(const KubeletSettings& settings);

/// Runs kubectl and returns its output; throws with the output if it fails.
std::string Kubectl(const std::vector<std::string>& arguments,
                    Milliseconds timeout = Milliseconds(120000));

/// The object of docs/pods.md that has this kind and name, as it is there.
std::string ObjectOfPage(const std::string& kind, const std::string& name);

class KubePod {
 public:
  /// Creates the pod, reports its YAML as a fact, and waits until it is Ready. Throws with the
  /// pod's events if it is not in time.
  explicit KubePod(const std::string& yaml);
  /// Deletes the pod and waits until kubelet has removed it; a failure fails the test.
  ~KubePod();
  KubePod(const KubePod&) = delete;
  KubePod& operator=(const KubePod&) = delete;

  /// Runs a shell script in the pod's container (`kubectl exec`).
  std::string Shell(const std::string& script);
  /// What kubectl prints for a JSON path of the pod.
  std::string Field(const std::string& path);

  /// The QEMU of the pod's sandbox. Throws if there is none.
  pid_t Qemu();
  /// The CPUs on which its vCPU threads may run, one entry per thread.
  std::vector<std::string> VcpuCpus();
  Milliseconds to_ready() const { return to_ready_; }

 private:
  void Delete();

  std::string name_, sandbox_;
  Milliseconds to_ready_{0};
};

}  // namespace stx
