// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab/on_node/kubernetes.h"

#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "base/process.h"
#include "base/waiting.h"
#include "base/yaml_of_page.h"
#include "harness/host/threads.h"
#include "lab/on_node/on_node.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

// An API server under TCG takes minutes to start, and a pod about one.
constexpr Milliseconds kCluster{600000}, kPod{420000}, kCommand{120000};

/// $K is the cluster's folder, on tmpfs: nothing of it is kept.
constexpr const char* kFolder = "/run/lab-kubernetes";

constexpr const char* kControlPlane = R"sh(
mkdir -p $K
cd $K
exec 2>&1
if ! systemctl -q is-active lab-apiserver; then
  ip link add lab-kube type dummy
  ip address add 10.78.0.1/24 dev lab-kube
  ip -6 address add fd00:78::1/64 dev lab-kube nodad
  ip link set lab-kube up
  openssl genrsa -out accounts.key 2048
  echo lab,admin,admin,system:masters >tokens
  cat >config <<END
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://10.78.0.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: lab}}]
contexts: [{name: lab, context: {cluster: lab, user: admin}}]
current-context: lab
END
  systemd-run -q --unit=lab-etcd etcd --data-dir=$K/etcd --unsafe-no-fsync \
    --heartbeat-interval=1000 --election-timeout=10000
  systemd-run -q --unit=lab-apiserver /lab/kubernetes/kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --bind-address=10.78.0.1 --advertise-address=10.78.0.1 --cert-dir=$K/certificates \
    --service-cluster-ip-range=10.96.0.0/16,fd00:96::/108 --token-auth-file=$K/tokens \
    --authorization-mode=AlwaysAllow --disable-admission-plugins=ServiceAccount --allow-privileged \
    --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://lab --service-account-key-file=$K/accounts.key \
    --service-account-signing-key-file=$K/accounts.key
  until $KUBECTL get --raw /readyz >ready 2>&1; do
    systemctl -q is-active lab-etcd lab-apiserver || {
      journalctl -q --no-pager -n 40 -o cat -u lab-etcd -u lab-apiserver
      exit 1
    }
    sleep 2
  done
  for name in controller-manager scheduler; do
    systemd-run -q --unit=lab-$name /lab/kubernetes/kube-$name --kubeconfig=$K/config --leader-elect=false
  done
  $KUBECTL create -f /usr/share/kata-containers/runtimeclass.yaml
fi
)sh";

/// The images, in the namespace of containerd's CRI plugin: the one of docs/pods.md, and the one
/// that keeps a pod's sandbox, which sleeps as well.
constexpr const char* kImages = R"sh(
mkdir -p /etc/cni/net.d
cat >/etc/cni/net.d/10-lab.conflist <<END
{"cniVersion": "0.4.0", "name": "lab", "plugins": [{"type": "bridge", "bridge": "lab-pods",
 "isGateway": true, "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
 "ranges": [[{"subnet": "10.79.0.0/24"}], [{"subnet": "fd00:79::/64"}]]}}]}
END
systemctl start containerd
until ctr version >/dev/null 2>&1; do sleep 0.2; done
if [ -z "$(ctr -n k8s.io image ls -q)" ]; then
  work=$K/image
  for folder in bin dev etc proc run sys tmp; do mkdir -p $work/root/$folder; done
  cp /lab/busybox $work/root/bin/
  chroot $work/root /bin/busybox --install -s /bin
  tar -C $work/root -cf $work/layer.tar .
  sum=$(sha256sum <$work/layer.tar | cut -d' ' -f1)
  sandbox=$(containerd config dump | sed -n 's/.*sandbox_image = "\(.*\)"/\1/p')
  printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sleep","infinity"],"Env":["PATH=/bin"]},' \
    >$work/config.json
  printf '"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $sum >>$work/config.json
  printf '[{"Config":"config.json","RepoTags":["registry.local:9001/docker.io/busybox:1.36","%s"],' $sandbox \
    >$work/manifest.json
  printf '"Layers":["layer.tar"]}]' >>$work/manifest.json
  tar -C $work -cf $work/image.tar manifest.json config.json layer.tar
  ctr -n k8s.io image import $work/image.tar
  rm -r $work
fi
)sh";

constexpr const char* kKubelet = R"sh(
exec 2>&1
systemctl stop lab-kubelet || true
rm -f /var/lib/kubelet/cpu_manager_state /var/lib/kubelet/memory_manager_state
cat >$K/kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cpuManagerPolicy: $CPU_MANAGER
cpuCFSQuota: $CFS_QUOTA
reservedSystemCPUs: "0"
resolvConf: ""
makeIPTablesUtilChains: false
runtimeRequestTimeout: 10m
evictionHard: {memory.available: 50Mi}
END
systemd-run -q --unit=lab-kubelet /lab/kubernetes/kubelet --config=$K/kubelet.yaml --kubeconfig=$K/config \
  --container-runtime-endpoint=unix:///run/containerd/containerd.sock --hostname-override=node \
  --node-ip=10.78.0.1,fd00:78::1
# Until this kubelet says that it is Ready, and not the one before it.
since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
until [ "$($KUBECTL get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ] &&
  ! [ "$($KUBECTL get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].lastHeartbeatTime}')" '<' $since ] &&
  [ -z "$($KUBECTL get node node -o 'jsonpath={.spec.taints}')" ]; do
  systemctl -q is-active lab-kubelet || {
    journalctl -q --no-pager -n 40 -o cat -u lab-kubelet
    exit 1
  }
  sleep 2
done
)sh";

std::string Exports() {
  const std::string folder = kFolder;
  return "export K=" + folder + " KUBECTL='/lab/kubernetes/kubectl --kubeconfig=" + folder +
         "/config'\n";
}

}  // namespace

void StartKubernetes(const KubeletSettings& settings) {
  Shell(Exports() + kControlPlane, kCluster);
  Shell(Exports() + kImages, kCommand);
  Shell(Exports() + "CPU_MANAGER=" + settings.cpu_manager +
            " CFS_QUOTA=" + (settings.cfs_quota ? "true" : "false") + "\n" + kKubelet,
        kCluster);
}

std::string Kubectl(const std::vector<std::string>& arguments, Milliseconds timeout) {
  std::vector<std::string> command{"/lab/kubernetes/kubectl",
                                   std::string("--kubeconfig=") + kFolder + "/config"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunWell(command, "kubectl " + (arguments.empty() ? "" : arguments[0]), timeout).out;
}

std::string ObjectOfPage(const std::string& kind, const std::string& name) {
  const std::string begin = "kind: " + kind + "\nmetadata:\n  name: " + name + "\n";
  for (const YamlDocument& document : YamlOfPage(ReadFile("/lab/pods.md")))
    if (document.text.find(begin) != std::string::npos) return document.text;
  throw std::runtime_error("docs/pods.md has no " + kind + " " + name);
}

KubePod::KubePod(const std::string& yaml) {
  const std::string mark = "\n  name: ";
  const size_t at = yaml.find(mark) + mark.size();
  name_ = yaml.substr(at, yaml.find('\n', at) - at);
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line);) ReportFact("| " + line);
  TempDir dir;
  WriteFile(dir / "pod.yaml", yaml);
  const Clock::time_point start = Clock::now();
  Kubectl({"create", "-f", (dir / "pod.yaml").string()});
  try {
    Kubectl({"wait", "--for=condition=Ready", "pod/" + name_,
             "--timeout=" + std::to_string(kPod.count() / 1000) + "s"},
            kPod + kCommand);
  } catch (const std::exception& error) {
    std::string said = error.what();
    try {
      said += Kubectl({"describe", "pod", name_});
      Delete();
    } catch (const std::exception& another) {
      said += another.what();
    }
    throw std::runtime_error(said);
  }
  to_ready_ = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  sandbox_ = Trimmed(
      stx::Shell("ctr -n k8s.io container ls -q 'labels.\"io.kubernetes.pod.name\"==" + name_ +
                 ",labels.\"io.cri-containerd.kind\"==sandbox'"));
}

void KubePod::Delete() {
  Kubectl({"delete", "pod", name_, "--grace-period=1", "--timeout=180s"}, kPod);
}

KubePod::~KubePod() {
  try {
    Delete();
    std::string left;
    // Kata does not wait for the QEMU that it has killed.
    HoldsBefore(Deadline(Milliseconds(20000)), [&] {
      return (left = stx::Shell("pgrep -af '[/]qemu[^ ]* -name sandbox-" + sandbox_ +
                                "|[s]him.* -id " + sandbox_ + "' || true"))
          .empty();
    });
    EXPECT_EQ(left, "") << "after the deletion of pod " << name_;
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

std::string KubePod::Shell(const std::string& script) {
  return Kubectl({"exec", name_, "--", "/bin/sh", "-ec", script});
}

std::string KubePod::Field(const std::string& path) {
  return Kubectl({"get", "pod", name_, "-o", "jsonpath={" + path + "}"});
}

pid_t KubePod::Qemu() {
  const RunResult found =
      Run({"pgrep", "-f", "^[^ ]*qemu[^ ]* -name sandbox-" + sandbox_ + " "}, kCommand);
  if (found.out.empty()) throw std::runtime_error("pod " + name_ + " has no QEMU");
  return std::stoi(found.out);
}

std::vector<std::string> KubePod::VcpuCpus() {
  const pid_t qemu = Qemu();
  std::istringstream out(
      stx::Shell("cat /sys/kernel/debug/kvm/" + std::to_string(qemu) + "-*/vcpu*/pid"));
  std::vector<std::string> cpus;
  for (pid_t vcpu; out >> vcpu;)
    for (const ThreadInfo& thread : ReadThreads(qemu))
      if (thread.tid == vcpu) cpus.push_back(thread.cpus);
  return cpus;
}

}  // namespace stx
