// SPDX-License-Identifier: GPL-2.0-or-later
// A booted pod and what Kata's shim does to it (PodShim), as seen by the guest; and podrun, which
// does all of it. $QEMU and $GUEST name the binary and build/guest; the daemon is found beside it.
#include <gtest/gtest.h>

#include "guest/pod_agent.h"
#include "guest/pod_shim.h"
#include "guest/pod_template.h"
#include "harness/qemu/contract.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

class PodTest : public testing::Test {
 protected:
  void SetUp() override {
    if (EnvOr("GUEST", "").empty()) GTEST_SKIP() << "$GUEST names no folder with a guest's files";
    if (EnvOr("QEMU", "").empty()) GTEST_SKIP() << "$QEMU names no binary";
    settings.memory_mib = 256;
    settings.max_vcpus = 2;
    settings.qemu = EnvOr("QEMU", "");
    settings.guest = EnvOr("GUEST", "");
    settings.virtiofsd = settings.guest.parent_path() / "tools/tools/virtiofsd/virtiofsd";
  }
  RunResult Podrun(const std::vector<std::string>& args) {
    std::vector<std::string> argv{EnvOr("PODRUN", ""),
                                  "--qemu",
                                  settings.qemu,
                                  "--guest",
                                  settings.guest,
                                  "--virtiofsd",
                                  settings.virtiofsd.string()};
    argv.insert(argv.end(), args.begin(), args.end());
    return stx::Run(argv, Milliseconds(200000));
  }
  static std::string Refusal(const std::function<void()>& call) {
    try {
      call();
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  PodSettings settings;
};

/// Each step of podrun asks the guest; the steps that this host cannot do are counted apart.
TEST_F(PodTest, PodrunDoesAllOfTheShimsSteps) {
  RunResult result = Podrun({"--memory", "256", "--max-vcpus", "2"});
  EXPECT_TRUE(result.status.Success()) << result.out << result.err;
  for (const char* step :
       {"create", "guest up", "virtio-fs", "query-status", "vCPU threads", "cpu-add", "memory-add",
        "pause", "resume", "stop", "nothing left behind"})
    EXPECT_NE(result.out.find("\n" + std::string(step) + ": ok"), std::string::npos) << step << "\n"
                                                                                     << result.out;
  EXPECT_NE(result.out.find(" 0 failed"), std::string::npos) << result.out;
  // A step that was "not here" answers for no row.
  for (const auto& [step, row] : std::initializer_list<std::pair<std::string, std::string_view>>{
           {"query-status", "2.2 query-status"},
           {"vCPU threads", "2.2 query-cpus-fast"},
           {"pause", "2.2 stop-cont"},
           {"cpu-add", "2.2 vcpu-add"},
           {"memory-add", "2.2 memory-add"},
           {"block-add virtio-scsi", "2.2 block-scsi"},
           {"block-add virtio-blk", "2.2 block-virtio"},
           {"block-remove virtio-blk", "2.2 block-remove"},
           {"net-add", "2.2 nic-add"},
           {"net-remove", "2.2 nic-remove"}}) {
    const auto has = [&, name = "\n" + step](const char* verdict) {
      return result.out.find(name + verdict) != std::string::npos;
    };
    if (has(": ok") || has(": FAILED"))
      Covers({row});
    else
      NotSeen({row});
  }
}

TEST_F(PodTest, PodrunSaysWhatFailed) {
  RunResult result = Podrun({"--append", "root=/dev/zero", "--memory", "256"});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.out.find("guest up: FAILED: the root is"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("nothing left behind: ok"), std::string::npos) << result.out;
  settings.virtiofsd = "/bin/false";
  result = Podrun({});
  EXPECT_EQ(result.status.code, 1);
  EXPECT_NE(result.out.find("create: FAILED: virtiofsd did not start"), std::string::npos)
      << result.out;
}

TEST_F(PodTest, StopIsByThePidfileAndLeavesNothing) {
  fs::path dir, share;
  pid_t qemu = 0, daemon = 0;
  {
    Pod pod(settings);
    dir = pod.command().dir;
    share = pod.share().parent_path();
    qemu = pod.qemu().process().pid();
    daemon = pod.virtiofsd()->pid();
    PodShim shim(pod);
    EXPECT_EQ(shim.QueryStatus(), "running");
    shim.Stop();
    EXPECT_EQ(pod.qemu().process().Wait(Milliseconds(0))->signal, SIGKILL);
    EXPECT_NE(Refusal([&] { shim.QueryStatus(); }), "");
  }
  EXPECT_FALSE(fs::exists(dir));
  EXPECT_FALSE(fs::exists(share));
  EXPECT_NE(kill(qemu, 0), 0);
  EXPECT_NE(kill(daemon, 0), 0);
}

TEST_F(PodTest, MicrovmPodLivesUntilItIsStopped) {
  settings.machine = PodMachine::kMicrovm;
  Pod pod(settings);
  EXPECT_EQ(pod.agent().Info()["root"]["source"], "/dev/vda1");
  PodShim shim(pod);
  shim.Pause();
  EXPECT_EQ(shim.QueryStatus(), "paused");
  shim.Resume();
  EXPECT_EQ(pod.agent().Info()["root"]["source"], "/dev/vda1");
  // "query-hotpluggable-cpus is an error" there.
  EXPECT_NE(Refusal([&] { shim.CpuAdd(); }), "");
}

TEST_F(PodTest, ClonesGoOnApart) {
  Covers({"1.2 template-create", "1.2 template-clone", "2.2 template-save", "2.2 template-clone"});
  PodTemplate origin(settings);
  EXPECT_EQ(fs::file_size(origin.memory()), 256u << 20);
  EXPECT_LT(fs::file_size(origin.state()), 4u << 20) << "the RAM is in the state";
  auto one = origin.Clone(), other = origin.Clone();
  EXPECT_EQ(one->agent().Info()["root"]["type"], "rootfs");
  one->agent().Write("/tmp/mine", "one");
  other->agent().Write("/tmp/mine", "other");
  EXPECT_EQ(one->agent().Read("/tmp/mine"), "one");
  EXPECT_EQ(other->agent().Read("/tmp/mine"), "other");
  PodShim shim(*other);
  shim.CpuAdd();
  OnlineCpus(other->agent(), 2);
  EXPECT_EQ(OnlineCpus(one->agent()), 1u);
}

TEST_F(PodTest, SettingsThatCannotBeAreSentences) {
  PodSettings template_settings = settings;
  template_settings.machine = PodMachine::kMicrovm;
  EXPECT_NE(Refusal([&] { PodTemplate{template_settings}; }).find("no microvm"), std::string::npos);
  settings.vfio = {"0001:02:00.0"};
  EXPECT_NE(Refusal([&] { Pod{settings}; }).find("domain 0000"), std::string::npos);
}

}  // namespace
}  // namespace stx
