// SPDX-License-Identifier: GPL-2.0-or-later
// A booted pod and what Kata's shim does to it (PodShim), observed from within the guest. $QEMU is
// the binary and $GUEST is build/guest; the daemon is found next to the binary.
#include <gtest/gtest.h>

#include "harness/qemu/contract.h"
#include "kata/pod_agent.h"
#include "kata/pod_shim.h"
#include "kata/pod_template.h"

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
    settings.virtiofsd = EnvOr("VIRTIOFSD", "");
  }
  static std::string GetError(const std::function<void()>& call) {
    try {
      call();
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  PodSettings settings;
};

TEST_F(PodTest, StopIsByThePidfileAndLeavesNothing) {
  fs::path dir, share;
  pid_t qemu = 0, daemon = 0;
  {
    Pod pod(settings);
    dir = pod.values().dir;
    share = pod.share().parent_path();
    qemu = pod.qemu().process().pid();
    daemon = pod.virtiofsd()->pid();
    PodShim shim(pod);
    EXPECT_EQ(shim.QueryStatus(), "running");
    shim.Stop();
    EXPECT_EQ(pod.qemu().process().Wait(Milliseconds(0))->signal, SIGKILL);
    EXPECT_NE(GetError([&] { shim.QueryStatus(); }), "");
  }
  EXPECT_FALSE(fs::exists(dir));
  EXPECT_FALSE(fs::exists(share));
  EXPECT_NE(kill(qemu, 0), 0);
  EXPECT_NE(kill(daemon, 0), 0);
}

TEST_F(PodTest, MicrovmPodLivesUntilItIsStopped) {
  settings.machine = MachineType::kMicrovm;
  Pod pod(settings);
  EXPECT_EQ(pod.agent().Info()["root"]["source"], "/dev/vda1");
  PodShim shim(pod);
  shim.Pause();
  EXPECT_EQ(shim.QueryStatus(), "paused");
  shim.Resume();
  EXPECT_EQ(pod.agent().Info()["root"]["source"], "/dev/vda1");
  // There, query-hotpluggable-cpus is an error.
  EXPECT_NE(GetError([&] { shim.AddVcpu(); }), "");
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
  shim.AddVcpu();
  OnlineCpus(other->agent(), 2);
  EXPECT_EQ(CountOnlineCpus(one->agent()), 1u);
}

TEST_F(PodTest, SettingsThatCannotBeAreSentences) {
  PodSettings template_settings = settings;
  template_settings.machine = MachineType::kMicrovm;
  EXPECT_NE(GetError([&] { PodTemplate{template_settings}; }).find("no microvm"),
            std::string::npos);
  settings.vfio = {"0001:02:00.0"};
  EXPECT_NE(GetError([&] { Pod{settings}; }).find("domain 0000"), std::string::npos);
}

}  // namespace
}  // namespace stx
