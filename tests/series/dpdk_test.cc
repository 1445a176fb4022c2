// SPDX-License-Identifier: GPL-2.0-or-later
// dpdk.patch: QEMU as a secondary process of a real DPDK primary process on real hugepages.
//
// There are two binaries: $QEMU_DPDK, built with the profile dpdk, joins the primary; $QEMU, built
// without DPDK, reports that it cannot. The test reserves hugepages and mounts hugetlbfs itself,
// and undoes both.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <optional>

#include "harness/qemu/qemu.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr Milliseconds kTimeout{20000};
constexpr char kNrHugepages[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

// 2 MiB pages: one for the primary's heap, two for the memzone by which it grows, and some spare.
constexpr int kPages = 8;

/// Reserves kPages additional hugepages during its life.
class Hugepages {
 public:
  Hugepages() : before_(std::stoi(ReadFile(kNrHugepages))) {
    WriteFile(kNrHugepages, std::to_string(before_ + kPages));
  }
  ~Hugepages() { std::ofstream(kNrHugepages) << before_; }
  bool Enough() const { return std::stoi(ReadFile(kNrHugepages)) >= before_ + kPages; }

 private:
  int before_;
};

/// Where the primary put a memzone. The address is the same in every process that has joined.
struct Memzone {
  uint64_t address = 0;
  size_t length = 0;
};

/// tests/series/dpdk_primary.cc.
class Primary {
 public:
  Primary(const fs::path& program, const std::vector<std::string>& eal, SpawnOptions spawn) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) ThrowErrno("socketpair");
    control_.Reset(pair[0]);
    UniqueFd theirs(pair[1]);
    spawn.Inherit(theirs.get());  // 3, where the program expects it
    std::vector<std::string> argv{program};
    argv.insert(argv.end(), eal.begin(), eal.end());
    process_ = Process(argv, spawn);
    theirs.Reset();
    first_ = Read();
  }

  Process& process() { return process_; }
  const Memzone& first() const { return first_; }
  /// Reserves memory in new hugepages. That succeeds only if all secondary processes map them.
  Memzone Grow() {
    WriteAll(control_.get(), "grow\n");
    return Read();
  }
  /// Tells it to exit by itself.
  std::optional<ExitStatus> Finish() {
    control_.Reset();
    return process_.Wait(kTimeout);
  }

 private:
  Memzone Read() {
    std::string line;
    Deadline deadline(kTimeout);
    for (char c = 0; c != '\n'; line += c)
      if (!WaitFor(control_.get(), POLLIN, deadline) || read(control_.get(), &c, 1) != 1)
        throw std::runtime_error("the primary process says nothing; stderr: " + process_.Stderr());
    Memzone zone;
    auto end = std::from_chars(line.data(), line.data() + line.size(), zone.address, 16);
    if (end.ec != std::errc()) throw std::runtime_error("the primary process says: " + line);
    std::from_chars(end.ptr + 1, line.data() + line.size(), zone.length);
    return zone;
  }

  UniqueFd control_;
  Process process_;
  Memzone first_;
};

/// The bytes of `zone` in the memory of process `pid`; unset if nothing is mapped there.
std::optional<std::string> ReadMemory(pid_t pid, const Memzone& zone) {
  UniqueFd memory(open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  std::string bytes(zone.length, '\0');
  if (pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(zone.address)) !=
      static_cast<ssize_t>(bytes.size()))
    return std::nullopt;
  return bytes;
}

/// What the primary writes into a memzone.
std::string Pattern(size_t length) {
  std::string bytes(length, '\0');
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<char>(i);
  return bytes;
}

/// "Cpus_allowed_list" of a thread.
std::string Affinity(pid_t pid, int64_t thread) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/task/" + std::to_string(thread) +
                       "/status");
  const std::string key = "Cpus_allowed_list:\t";
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return line.substr(key.size());
  throw std::runtime_error("thread " + std::to_string(thread) + " has no affinity");
}

/// The mount point of hugetlbfs, for the child that must not see it.
fs::path hidden_mount;
bool HideHugepages() {
  return unshare(CLONE_NEWNS) == 0 && umount2(hidden_mount.c_str(), MNT_DETACH) == 0;
}

testing::AssertionResult Says(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << part << "\" is missing in: " << text;
}

class DpdkTest : public testing::Test {
 protected:
  void SetUp() override {
    binary_ = EnvOr("QEMU_DPDK", "");
    // Read only once: in a chroot, the link names another path after the unshare below.
    static const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
    program_ = folder / "dpdk_primary";
    if (binary_.empty()) GTEST_SKIP() << "QEMU_DPDK names no QEMU built with the profile dpdk";
    if (!fs::exists(program_)) GTEST_SKIP() << "dpdk_primary was not built: libdpdk was missing";
    if (geteuid() != 0 || !fs::exists(kNrHugepages))
      GTEST_SKIP() << "cannot reserve hugepages of 2 MiB: not root, or the kernel has none";
    hugepages_.emplace();
    if (!hugepages_->Enough())
      GTEST_SKIP() << "cannot reserve " << kPages << " hugepages more than there are";
    // Mounts of a private namespace end with the processes in it.
    static const bool private_mounts =
        unshare(CLONE_NEWNS) == 0 &&
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (!private_mounts) GTEST_SKIP() << "no mount namespace: " << strerror(errno);
    fs::create_directory(huge());
    fs::create_directory(dir_ / "run");
    if (mount("none", huge().c_str(), "hugetlbfs", 0, "pagesize=2M") < 0)
      GTEST_SKIP() << "no hugetlbfs: " << strerror(errno);
    mounted_ = true;
    hidden_mount = huge();
    // Where the EAL keeps its sockets and files, instead of /var/run.
    spawn_.environment = {"RUNTIME_DIRECTORY=" + (dir_ / "run").string()};
    // A guest that never runs needs no real firmware.
    WriteFile(dir_ / "bios", std::string(65536, '\0'));
  }

  void TearDown() override {
    primary_.reset();
    if (mounted_) umount2(huge().c_str(), MNT_DETACH);
  }

  fs::path huge() const { return dir_ / "huge"; }

  void StartPrimary(std::vector<std::string> extra = {}) {
    std::vector<std::string> eal{"-c", "0x1", "--no-pci", "--file-prefix=stx"};
    if (extra.empty()) extra = {"--huge-dir=" + huge().string()};
    eal.insert(eal.end(), extra.begin(), extra.end());
    primary_ = std::make_unique<Primary>(program_, eal, spawn_);
  }

  /// What libvirt passes, with our prefix and, as DPDK requires, the devices of the primary, of
  /// which there are none.
  std::vector<std::string> Eal(std::vector<std::string> extra = {}) const {
    std::vector<std::string> args{
        "-c", "0x1", "-n", "4", "--proc-type=secondary", "--file-prefix=stx", "--no-pci"};
    args.insert(args.end(), extra.begin(), extra.end());
    args.push_back("--");
    return args;
  }

  Qemu Start(std::vector<std::string> extra = {}) {
    QemuOptions options;
    options.binary = binary_;
    options.args = {"-nodefaults", "-display", "none", "-S", "-machine", "q35",
                    "-accel",      "tcg",      "-m",   "64", "-bios",    dir_ / "bios"};
    // A binary without the option is judged by its behaviour: it does not join.
    if (KnowsDpdk()) {
      options.first_args = Eal();
      options.args.insert(options.args.begin(), "-enable-dpdk");
    }
    options.args.insert(options.args.end(), extra.begin(), extra.end());
    options.spawn = spawn_;
    return Qemu(std::move(options));
  }

  bool KnowsDpdk() const {
    return stx::Run({binary_, "-help"}, kTimeout).out.find("-enable-dpdk") != std::string::npos;
  }

  /// Starts a QEMU that must not start, and returns its messages.
  std::string Fails(std::vector<std::string> eal, std::vector<std::string> extra = {},
                    bool (*before_exec)() = nullptr) {
    std::vector<std::string> argv{binary_};
    argv.insert(argv.end(), eal.begin(), eal.end());
    argv.insert(argv.end(), {"-enable-dpdk", "-machine", "none", "-display", "none"});
    argv.insert(argv.end(), extra.begin(), extra.end());
    SpawnOptions spawn = spawn_;
    spawn.before_exec = before_exec;
    RunResult result = stx::Run(argv, kTimeout, spawn);
    EXPECT_EQ(result.status.ToString(), "exit code 1") << result.err;
    return result.err;
  }

  /// The sockets over which DPDK processes communicate: mp_socket of the primary, mp_socket_PID_...
  int Sockets(const std::string& name) const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(dir_ / "run/dpdk/stx"))
      count += entry.path().filename().string().starts_with(name);
    return count;
  }

  TempDir dir_{"dpdk"};
  fs::path binary_, program_;
  std::optional<Hugepages> hugepages_;
  bool mounted_ = false;
  SpawnOptions spawn_;
  std::unique_ptr<Primary> primary_;
};

TEST_F(DpdkTest, SharesThePrimarysMemoryNowAndLater) {
  StartPrimary();
  // The sandbox that libvirt requests forbids what the EAL does when it starts.
  Qemu qemu = Start(
      {"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"});
  ASSERT_EQ(qemu.qmp().Execute("query-status")["status"], "prelaunch") << qemu.Report();
  const pid_t pid = qemu.process().pid();
  const std::string socket = "mp_socket_" + std::to_string(pid) + "_";

  EXPECT_EQ(ReadMemory(pid, primary_->first()), Pattern(primary_->first().length));
  EXPECT_EQ(Sockets(socket), 1);

  // New hugepages: each secondary process is asked to map them and has to answer.
  const Memzone grown = primary_->Grow();
  EXPECT_EQ(ReadMemory(pid, grown), Pattern(grown.length));

  qemu.qmp().Execute("quit");
  auto status = qemu.process().Wait(kTimeout);
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->Success()) << qemu.Report();
  EXPECT_EQ(Sockets(socket), 0) << "QEMU has left without telling";
  auto primary_status = primary_->Finish();
  ASSERT_TRUE(primary_status);
  EXPECT_TRUE(primary_status->Success()) << primary_->process().Stderr();
}

TEST_F(DpdkTest, TheEalsCoreMaskIsNotTheVcpus) {
  const std::string ours = Affinity(getpid(), gettid());
  if (ours == "0") GTEST_SKIP() << "this machine has no CPU outside the EAL's mask";
  StartPrimary();
  Qemu qemu = Start({"-smp", "2", "-object", "iothread,id=io0"});
  const pid_t pid = qemu.process().pid();
  const json vcpus = qemu.qmp().Execute("query-cpus-fast");
  ASSERT_EQ(vcpus.size(), 2u);
  for (const json& vcpu : vcpus) EXPECT_EQ(Affinity(pid, vcpu["thread-id"]), ours);
  EXPECT_EQ(Affinity(pid, qemu.qmp().Execute("query-iothreads")[0]["thread-id"]), ours);
  EXPECT_EQ(Affinity(pid, pid), ours);
}

TEST_F(DpdkTest, TheGuestOutlivesThePrimary) {
  StartPrimary();
  Qemu qemu = Start();
  qemu.qmp().Execute("query-status");
  primary_->process().Kill();
  EXPECT_EQ(ReadMemory(qemu.process().pid(), primary_->first()), Pattern(primary_->first().length));
  qemu.qmp().Execute("quit");
  auto status = qemu.process().Wait(kTimeout);
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->Success()) << qemu.Report();
}

TEST_F(DpdkTest, VirtioNetHasNoReceiveFilterUnlessAskedFor) {
  StartPrimary();
  Qemu qemu = Start({"-netdev", "hubport,id=h0,hubid=0", "-netdev", "hubport,id=h1,hubid=0",
                     "-device", "virtio-net-pci,id=n0,netdev=h0,romfile=", "-device",
                     "virtio-net-pci,id=n1,netdev=h1,romfile=,rx-filter=on"});
  auto filter = [&](const char* id) {
    return qemu.qmp().Execute(
        "qom-get", {{"path", std::string("/machine/peripheral/") + id}, {"property", "rx-filter"}});
  };
  EXPECT_EQ(filter("n0"), false);
  EXPECT_EQ(filter("n1"), true);

  Qemu global = Start(
      {"-global", "virtio-net-device.rx-filter=on", "-device", "virtio-net-pci,id=n0,romfile="});
  EXPECT_EQ(global.qmp().Execute("qom-get",
                                 {{"path", "/machine/peripheral/n0"}, {"property", "rx-filter"}}),
            true);
}

TEST_F(DpdkTest, WithoutAPrimaryItDoesNotStart) {
  const std::string err = Fails(Eal());
  EXPECT_TRUE(Says(err, "-enable-dpdk: DPDK's EAL cannot start"));
  EXPECT_TRUE(Says(err, "Is the primary process of this --file-prefix running"));
}

TEST_F(DpdkTest, ADeadPrimarysFilesAreNotJoined) {
  StartPrimary();
  primary_->process().Kill();
  EXPECT_TRUE(Says(Fails(Eal()), "-enable-dpdk: the primary process in "));
}

TEST_F(DpdkTest, WithoutAWayToTheHugepagesItDoesNotStart) {
  StartPrimary();
  EXPECT_TRUE(Says(Fails(Eal(), {}, HideHugepages), "-enable-dpdk: DPDK's EAL cannot start"));
  Primary* living = primary_.get();
  EXPECT_TRUE(living->process().Running());
}

TEST_F(DpdkTest, APrimaryWithoutHugepagesIsNotJoined) {
  StartPrimary({"--no-huge", "-m", "16"});
  EXPECT_TRUE(Says(Fails(Eal()), "-enable-dpdk: DPDK's EAL cannot start"));
}

TEST_F(DpdkTest, ItNeverBecomesThePrimary) {
  EXPECT_TRUE(Says(Fails({"-c", "0x1", "--no-pci", "--proc-type=auto", "--file-prefix=stx",
                          "--huge-dir=" + huge().string(), "--"}),
                   "can only be a secondary process"));
  StartPrimary();  // its place is free again
}

TEST_F(DpdkTest, APanicOfTheEalIsAnErrorAndNotACrash) {
  StartPrimary();
  // A port that the primary does not have: the driver panics in a secondary process.
  const std::string err = Fails(Eal({"--vdev=net_null0"}));
  EXPECT_TRUE(Says(err, "PANIC"));
  EXPECT_TRUE(Says(err, "-enable-dpdk: DPDK's EAL cannot start"));
}

TEST_F(DpdkTest, WhatTheEalDoesNotKnowIsAnError) {
  StartPrimary();
  EXPECT_TRUE(Says(Fails(Eal({"disk.img"})), "'disk.img' is not an option of DPDK's EAL"));
  EXPECT_TRUE(Says(Fails(Eal({"--smp=2"})), "DPDK's EAL cannot start: Invalid argument"));
  EXPECT_TRUE(Says(Fails({}), "options of DPDK's EAL are missing"));
  EXPECT_TRUE(Says(Fails({"--"}), "options of DPDK's EAL are missing"));
}

TEST_F(DpdkTest, DaemonizingIsRefused) {
  StartPrimary();
  EXPECT_TRUE(Says(Fails(Eal(), {"-daemonize"}), "cannot be used with -daemonize"));
}

TEST(DpdkCommandLineTest, EalOptionsNeedEnableDpdk) {
  RunResult result = RunQemu({"-c", "0x1", "-n", "4", "--", "-machine", "none"});
  EXPECT_EQ(result.status.ToString(), "exit code 1");
  EXPECT_TRUE(Says(result.err, "need -enable-dpdk"));
}

TEST(DpdkCommandLineTest, ABuildWithoutDpdkSaysSo) {
  if (QemuBinary() == EnvOr("QEMU_DPDK", ""))
    GTEST_SKIP() << "QEMU and QEMU_DPDK are the same binary";
  RunResult result = RunQemu({"-c", "0x1", "--", "-enable-dpdk", "-machine", "none"});
  EXPECT_EQ(result.status.ToString(), "exit code 1");
  EXPECT_TRUE(Says(result.err, "this QEMU was built without DPDK"));
}

TEST(DpdkCommandLineTest, DashesThatAreAValueStayOne) {
  QemuOptions options;
  options.args = {"-machine", "none", "-display", "none", "-name", "--", "-S"};
  Qemu qemu(std::move(options));
  EXPECT_EQ(qemu.qmp().Execute("query-name")["name"], "--");
}

}  // namespace
}  // namespace stx
