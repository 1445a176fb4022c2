// SPDX-License-Identifier: GPL-2.0-or-later
// Boots real kernels with mkguest's output, and checks what guestd promises. $GUEST is the folder
// with vmlinuz, vmlinux, initrd and root.img (build/guest); $QEMU is the binary.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/throws.h"
#include "base/waiting.h"
#include "guest/guest_client.h"
#include "guest/host_tsc.h"
#include "guest/mkguest/root_image.h"
#include "harness/qemu/qemu.h"
#include "harness/vhost_user/vsock_backend.h"

namespace stx {
namespace {
namespace fs = std::filesystem;

constexpr Milliseconds kBoot{60000};

class Boot : public testing::Test {
 protected:
  void SetUp() override {
    if (EnvOr("GUEST", "").empty()) GTEST_SKIP() << "$GUEST names no folder with a guest's files";
    if (EnvOr("QEMU", "").empty()) GTEST_SKIP() << "$QEMU names no binary";
  }
  fs::path Guest(std::string_view name) { return fs::path(EnvOr("GUEST", "")) / name; }
  fs::path CopyOfImage() {
    fs::copy_file(Guest("root.img"), dir_ / "root.img");
    return dir_ / "root.img";
  }

  /// Boots with `args` after the machine's own arguments, and waits until guestd connects.
  void Start(const std::string& machine, const std::vector<std::string>& args,
             const std::string& append, const std::string& kernel = "vmlinuz") {
    Launch(machine, args, append, kernel);
    CallBack();
  }
  void Launch(const std::string& machine, std::vector<std::string> args, const std::string& append,
              const std::string& kernel) {
    const bool mmio = machine.starts_with("microvm");
    vsock_ = std::make_unique<VsockBackend>(
        VsockBackendOptions{.socket = dir_ / "vhost.sock", .guest_cid = 3, .uds = dir_ / "vsock"});
    listener_ = ListenUnix(dir_ / "vsock_1024");
    QemuOptions options;
    options.args = {
        "-machine",
        machine + ",accel=tcg,memory-backend=ram",
        "-object",
        "memory-backend-memfd,id=ram,size=256M,share=on",
        "-m",
        "256M,slots=4,maxmem=2G",
        "-smp",
        "1,sockets=2,cores=1,threads=1,maxcpus=2",
        "-cpu",
        "max",
        "-nodefaults",
        "-nographic",
        "-no-reboot",
        "-kernel",
        Guest(kernel),
        "-initrd",
        Guest("initrd"),
        "-append",
        "quiet panic=-1 reboot=t cryptomgr.notests " + MakeTcgClockParameter() + " " + append,
        "-chardev",
        "socket,id=vsock,path=" + (dir_ / "vhost.sock").string(),
        "-device",
        mmio ? "vhost-user-vsock-device,chardev=vsock" : "vhost-user-vsock-pci,chardev=vsock"};
    if (mmio)
      options.args.insert(options.args.end(), {"-global", "virtio-mmio.force-legacy=false"});
    options.args.insert(options.args.end(), args.begin(), args.end());
    qemu_ = std::make_unique<Qemu>(std::move(options));
  }
  void CallBack() {
    agent_ = std::make_unique<GuestAgent>(GuestAgent::Accept(listener_.get(), Deadline(kBoot)));
  }

  static std::vector<std::string> Nvdimm(const fs::path& image, const std::string& share) {
    return {"-object",
            "memory-backend-file,id=mem0,size=128M,readonly=on,share=" + share +
                ",mem-path=" + image.string(),
            "-device", "nvdimm,id=nv0,memdev=mem0,unarmed=on"};
  }
  static std::vector<std::string> VirtioBlk(const fs::path& image) {
    return {"-drive", "id=image,format=raw,if=none,readonly=on,file=" + image.string(), "-device",
            "virtio-blk-device,drive=image,serial=image-1"};
  }
  void ExpectPowerOff() {
    agent_->PowerOff();
    auto status = qemu_->process().Wait(Milliseconds(20000));
    ASSERT_TRUE(status) << "QEMU still runs";
    EXPECT_TRUE(status->Success()) << qemu_->Report();
  }
  std::string GetRefusal(const json& request) {
    try {
      return "accepted: " + agent_->Request(request).dump();
    } catch (const GuestError& error) {
      return error.what();
    }
  }

  TempDir dir_{"boot"};
  std::unique_ptr<VsockBackend> vsock_;
  UniqueFd listener_;
  std::unique_ptr<Qemu> qemu_;
  std::unique_ptr<GuestAgent> agent_;
};

constexpr const char* kDaxRoot =
    "root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro ro rootfstype=ext4";
constexpr const char* kBlkRoot =
    "root=/dev/vda1 rootflags=data=ordered,errors=remount-ro ro rootfstype=ext4";

TEST_F(Boot, GuestWithoutRootServesFilesAndPrograms) {
  Start("microvm", {}, "");
  EXPECT_EQ(agent_->Info()["root"]["type"], "rootfs");
  EXPECT_EQ(agent_->Info()["notes"], json::array());
  std::string bytes(300000, '\0');
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<char>(i * 7);
  agent_->Write("/tmp/bytes", bytes);
  EXPECT_TRUE(agent_->Read("/tmp/bytes") == bytes);
  EXPECT_EQ(agent_->Request({{"op", "stat"}, {"path", "/tmp/bytes"}})["bytes"], 300000);
  json piece =
      agent_->Request({{"op", "read"}, {"path", "/tmp/bytes"}, {"offset", 299998}, {"length", 9}});
  EXPECT_EQ(GetBytes(piece["data"]), bytes.substr(299998));

  RunResult run = agent_->Exec({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(run.status.code, 3);
  EXPECT_EQ(run.out, "out\n");
  EXPECT_EQ(run.err, "err\n");
  EXPECT_EQ(agent_->Exec({"sh", "-c", "kill -9 $$"}).status.signal, 9);
  json late = agent_->Request({{"op", "run"}, {"argv", {"sleep", "1000"}}, {"timeout_ms", 200}});
  EXPECT_EQ(late["signal"], 9);
  ExpectPowerOff();
}

TEST_F(Boot, RefusalsAreSentencesAndTheGuestGoesOn) {
  Start("microvm", {}, "");
  EXPECT_EQ(GetRefusal({{"op", "fly"}}), "fly: no such operation");
  EXPECT_EQ(GetRefusal({{"path", "/"}}), ": no field op");
  EXPECT_EQ(GetRefusal({{"op", "read"}}), "read: no field path");
  EXPECT_EQ(GetRefusal({{"op", "read"}, {"path", 7}}), "read: path is not text");
  EXPECT_EQ(GetRefusal({{"op", "read"}, {"path", "/none"}}),
            "read: /none: No such file or directory");
  EXPECT_EQ(GetRefusal({{"op", "read"}, {"path", "/init"}, {"offset", -1}}),
            "read: offset is not a natural number");
  EXPECT_EQ(GetRefusal({{"op", "list"}, {"path", "/init"}}), "list: /init: not a directory");
  EXPECT_EQ(GetRefusal({{"op", "run"}, {"argv", {"/none"}}}),
            "run: /none: No such file or directory");
  EXPECT_EQ(GetRefusal({{"op", "run"}, {"argv", json::array()}}), "run: argv is empty");
  EXPECT_EQ(agent_->Request({{"op", "cpus"}})["online"], json::array({0}));
  ExpectPowerOff();
}

TEST_F(Boot, GuestCallsAgainAfterTheHostHungUpOrSentGarbage) {
  Start("microvm", {}, "");
  agent_.reset();
  CallBack();
  EXPECT_EQ(agent_->Info()["ok"], true);
  agent_.reset();
  UniqueFd raw = Accept(listener_.get(), Deadline(kBoot));
  WriteAll(raw.get(), "GET / HTTP/1.1\r\n\r\n");
  CallBack();
  EXPECT_EQ(agent_->Info()["ok"], true);
  ExpectPowerOff();
}

TEST_F(Boot, GuestCallsThePortItIsTold) {
  Launch("microvm", {}, "guestd.port=5000", "vmlinuz");
  listener_ = ListenUnix(dir_ / "vsock_5000");
  CallBack();
  EXPECT_EQ(agent_->Info()["ok"], true);
  ExpectPowerOff();
}

TEST_F(Boot, SerialPortServesWhereNobodyTakesTheCall) {
  fs::path socket = dir_ / "port.sock";
  Launch("microvm",
         {"-device", "virtio-serial-device", "-chardev",
          "socket,id=port,server=on,wait=off,path=" + socket.string(), "-device",
          std::string("virtserialport,chardev=port,name=") + kGuestSerialName},
         "guestd.port=5000", "vmlinuz");
  agent_ = std::make_unique<GuestAgent>(GuestAgent::Connect(socket, Deadline(kBoot)));
  EXPECT_EQ(agent_->Info()["root"]["type"], "rootfs");
  ExpectPowerOff();
}

TEST_F(Boot, AgentServesAPortOfARunningSystemHostAfterHost) {
  fs::path socket = dir_ / "port.sock";
  Start("microvm",
        {"-device", "virtio-serial-device", "-chardev",
         "socket,id=port,server=on,wait=off,path=" + socket.string(), "-device",
         std::string("virtserialport,chardev=port,name=node")},
        "");
  const std::string port =
      agent_->Request({{"op", "list"}, {"path", "/sys/class/virtio-ports"}}).at("names").at(0);
  RunResult wrong = agent_->Exec({"/sbin/init", "agent"});
  EXPECT_EQ(wrong.status.code, 2);
  EXPECT_NE(wrong.err.find("usage"), std::string::npos);
  // It keeps the shell's output open, and nobody waits for that output.
  EXPECT_TRUE(agent_->Exec({"sh", "-c", "/sbin/init agent /dev/" + port + " &"}).status.Success());

  auto connect = [&] { return GuestAgent::Connect(socket, Deadline(kBoot)); };
  {
    GuestAgent node = connect();
    EXPECT_EQ(node.Info()["root"]["type"], "rootfs");
    // An answer that this host will not read, and a program that outlives the request.
    EXPECT_TRUE(Throws<std::runtime_error>("the guest did not answer before the deadline", [&] {
      node.Request({{"op", "run"}, {"argv", {"sleep", "1000"}}}, Milliseconds(300));
    }));
  }
  GuestAgent node = connect();
  EXPECT_EQ(node.Exec({"sh", "-c", "ps | grep -c '[s]leep 1000'"}).out, "0\n");

  RunResult big = node.Exec({"sh", "-c", "head -c 9000000 /dev/zero; echo end >&2"}, kBoot);
  EXPECT_TRUE(big.status.Success());
  EXPECT_EQ(big.err, "end\n");
  EXPECT_EQ(big.out.substr(8 << 20), "\n[guestd: 611392 more bytes are cut]\n");
  EXPECT_EQ(node.Exec({"sh", "-c", "echo so far; sleep 1000"}, Milliseconds(500)).status.signal, 9);
  ExpectPowerOff();
}

TEST_F(Boot, VirtioBlkRootIsTheImageAndCannotBeWritten) {
  fs::path image = CopyOfImage();
  Start("microvm", VirtioBlk(image), kBlkRoot);
  json info = agent_->Info();
  EXPECT_EQ(info["root"]["source"], "/dev/vda1");
  EXPECT_EQ(info["root"]["type"], "ext4");
  EXPECT_EQ(info["root"]["dax"], false);
  EXPECT_EQ(info["root"]["write_error"], "Read-only file system");
  EXPECT_NE(info["root"]["remount_error"], "");
  EXPECT_EQ(info["notes"], json::array());
  json disk = agent_->Request({{"op", "blocks"}})["blocks"][0];
  EXPECT_EQ(disk["bytes"], kImageBytes);
  EXPECT_EQ(disk["serial"], "image-1");
  EXPECT_EQ(disk["read_only"], true);
  ExpectPowerOff();
  EXPECT_TRUE(ReadFile(image) == ReadFile(Guest("root.img")));
}

TEST_F(Boot, RootThatCannotBeMountedIsSaidByALivingGuest) {
  fs::path image = CopyOfImage();
  UniqueFd fd(open(image.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(pwrite(fd.get(), std::string(8192, '\0').data(), 8192, kPartition), 8192);
  Start("microvm", VirtioBlk(image), kBlkRoot);
  json info = agent_->Info();
  EXPECT_EQ(info["root"]["type"], "rootfs");
  EXPECT_EQ(info["notes"], json::array({"cannot mount root /dev/vda1 as ext4 with "
                                        "\"data=ordered,errors=remount-ro\": Invalid argument"}));
  ExpectPowerOff();
}

class BootNvdimm : public Boot, public testing::WithParamInterface<const char*> {};

TEST_P(BootNvdimm, RootIsReadInPlace) {
  fs::path image = CopyOfImage();
  Start("q35,nvdimm=on", Nvdimm(image, GetParam()), kDaxRoot);
  json info = agent_->Info();
  EXPECT_EQ(info["root"]["source"], "/dev/pmem0p1");
  EXPECT_EQ(info["root"]["dax"], true);
  EXPECT_EQ(info["root"]["write_error"], "Read-only file system");
  EXPECT_EQ(info["notes"], json::array());
  ExpectPowerOff();
  EXPECT_TRUE(ReadFile(image) == ReadFile(Guest("root.img")));
}

INSTANTIATE_TEST_SUITE_P(Share, BootNvdimm, testing::Values("on", "off"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST_F(Boot, ImageWithoutPfnInfoIsMountedWithoutDaxAndThatIsSaid) {
  fs::path image = CopyOfImage();
  UniqueFd fd(open(image.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(pwrite(fd.get(), std::string(4096, '\0').data(), 4096, kPfnInfo), 4096);
  Start("q35,nvdimm=on", Nvdimm(image, "on"), kDaxRoot);
  json info = agent_->Info();
  EXPECT_EQ(info["root"]["source"], "/dev/pmem0p1");
  EXPECT_EQ(info["root"]["dax"], false);
  ASSERT_EQ(info["notes"].size(), 1u);
  EXPECT_NE(info["notes"][0].get<std::string>().find("dax was refused"), std::string::npos);
  ExpectPowerOff();
}

TEST_F(Boot, ElfKernelIsEnteredThroughPvh) {
  Start("microvm", {}, "", "vmlinux");
  EXPECT_EQ(agent_->Info()["root"]["type"], "rootfs");
  ExpectPowerOff();
}

TEST_F(Boot, PanicEndsTheMachine) {
  Start("microvm", {}, "");
  agent_->Request({{"op", "panic"}});
  EXPECT_TRUE(qemu_->process().Wait(Milliseconds(20000))) << "panic=-1 reboot=t and -no-reboot";
}

TEST_F(Boot, HotPluggedCpuAndMemoryComeOnline) {
  Start("q35", {}, "");
  uint64_t before = agent_->Request({{"op", "memory"}})["total_kb"];
  qemu_->qmp().Execute("device_add", {{"driver", "max-x86_64-cpu"},
                                      {"id", "cpu-1"},
                                      {"socket-id", 1},
                                      {"core-id", 0},
                                      {"thread-id", 0}});
  qemu_->qmp().Execute("object-add", {{"qom-type", "memory-backend-memfd"},
                                      {"id", "mem1"},
                                      {"size", 128 * kMiB},
                                      {"share", true}});
  qemu_->qmp().Execute("device_add", {{"driver", "pc-dimm"}, {"id", "dimm1"}, {"memdev", "mem1"}});
  // The guest's ACPI is slow; each step shows in sysfs.
  const Deadline deadline(Milliseconds(20000));
  WaitUntil("the CPU", deadline, [&] {
    return agent_->Request({{"op", "cpus"}})["present"].size() == 2;
  });
  if (agent_->Request({{"op", "cpus"}})["online"].size() == 1) {
    agent_->Request({{"op", "online"}, {"cpu", 1}});
  }
  EXPECT_EQ(agent_->Request({{"op", "cpus"}})["online"], json::array({0, 1}));
  json offline;
  WaitUntil("the memory", deadline, [&] {
    json memory = agent_->Request({{"op", "memory"}});
    offline = json::array();
    for (const json& block : memory["blocks"])
      if (block["state"] == "offline") offline.push_back(block["block"]);
    return !offline.empty() || memory["total_kb"] > before;
  });
  for (const json& block : offline) agent_->Request({{"op", "online"}, {"memory", block}});
  EXPECT_GE(agent_->Request({{"op", "memory"}})["total_kb"].get<uint64_t>(), before + 120 * 1024);
  agent_->Request({{"op", "online"}, {"cpu", 1}, {"on", false}});
  EXPECT_EQ(agent_->Request({{"op", "cpus"}})["online"], json::array({0}));
  ExpectPowerOff();
}

}  // namespace
}  // namespace stx
