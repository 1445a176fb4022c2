// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>

#include "base/pattern.h"
#include "base/waiting.h"
#include "guest/terminal.h"
#include "harness/host/loop_device.h"
#include "harness/host/memory_map.h"
#include "kata/pod_agent.h"
#include "kata/pod_checks.h"
#include "kata/pod_shim.h"
#include "podrun/steps.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kDimmMib = 128;
constexpr size_t kBlockBytes = 1 << 20;

/// The first bytes of the host's device, read without the page cache.
std::string ReadDevice(const fs::path& path, size_t bytes) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) ThrowErrno(path.string());
  std::string text(bytes, '\0');
  Expect(pread(fd.get(), text.data(), bytes, 0) == static_cast<ssize_t>(bytes),
         path.string() + " cannot be read");
  return text;
}

void WriteDevice(const fs::path& path, const std::string& bytes) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) ThrowErrno(path.string());
  WriteAll(fd.get(), bytes);
  if (fsync(fd.get()) != 0) ThrowErrno(path.string());
}

uint64_t FreeHugePages() {
  const std::string info = ReadFile("/proc/meminfo");
  const size_t at = info.find("HugePages_Free:");
  return at == std::string::npos ? 0 : std::stoull(info.substr(at + 15));
}

class PodRun {
 public:
  PodRun(const PodSettings& settings, const PodrunOptions& options, Steps* steps)
      : settings_(settings), options_(options), steps_(*steps) {}

  void DoAll() {
    const uint64_t huge_before = FreeHugePages();
    if (!steps_.Do("create", [&] { return Create(); })) return;
    const fs::path dir = pod_->values().dir, share = pod_->share().parent_path();
    if (steps_.Do("guest up", [&] { return BootGuest(); })) Use();
    steps_.Do("stop", [&] { return Stop(); });
    pod_.reset();
    steps_.Do("nothing left behind", [&] {
      Expect(!fs::exists(dir) && !fs::exists(share), "folders of the pod are still there");
      if (settings_.hugepages)
        Expect(FreeHugePages() >= huge_before, "hugepages are not given back");
      return "";
    });
  }

  void BootOnly() {
    if (!steps_.Do("create", [&] { return Create(); })) return;
    if (!steps_.Do("guest up", [&] { return BootGuest(); })) return;
    CheckVirtioFs();
    if (pod_->tap())
      steps_.Do("network", [&] { return FindNic(guest(), pod_->mac()) + ", " + pod_->network(); });
    else
      steps_.NotHere("network", pod_->network());
    const bool ended = options_.shell && JoinConsole(pod_->console());
    steps_.Do("power off", [&] {
      if (!ended) guest().PowerOff();
      const auto status = pod_->qemu().process().Wait(Milliseconds(30000));
      Expect(status.has_value(), "QEMU still runs after 30 s");
      Expect(status->Success(), status->ToString());
      CheckStderr(pod_->qemu().process().Stderr());
      return "";
    });
  }

 private:
  bool q35() const { return settings_.machine == MachineType::kQ35; }
  GuestAgent& guest() { return pod_->agent(); }
  PodShim& shim() { return *shim_; }

  std::string Create() {
    pod_ = std::make_unique<Pod>(settings_);
    shim_.emplace(*pod_);
    if (options_.virtio_mem_mib) shim().SetUpVirtioMem(options_.virtio_mem_mib);
    return "QMP after " + std::to_string(pod_->to_qmp().count()) + " ms";
  }

  std::string BootGuest() {
    const json info = guest().Info();
    const std::string root = q35() ? "/dev/pmem0p1" : "/dev/vda1";
    const std::string failure = CheckRoot(info, root, ReadGuestId(settings_.guest));
    Expect(failure.empty(), failure);
    return "kernel " + info["release"].get<std::string>() + ", root " + root +
           (info["root"].value("dax", false) ? " with dax" : "") + ", over " + pod_->VsockKind();
  }

  void CheckVirtioFs() {
    steps_.Do("virtio-fs", [&] {
      const std::string failure = CheckShare(*pod_);
      Expect(failure.empty(), failure);
      return "1 MiB each way";
    });
  }

  void Use() {
    CheckVirtioFs();
    steps_.Do("query-status", [&] { return Running(); });
    steps_.Do("vCPU threads", [&] { return Threads(settings_.vcpus); });
    if (settings_.hugepages) steps_.Do("hugepages", [&] { return HugePages(); });
    if (pod_->tap())
      steps_.Do("network", [&] {
        return pod_->network() + ", " +
               SpeakOver(guest(), *pod_->tap(), pod_->mac(), settings_.mtu, 1);
      });
    else
      steps_.NotHere("network", pod_->network());
    for (const std::string& address : settings_.vfio)
      steps_.Do("vfio " + address, [&] { return ColdVfio(address); });
    if (q35()) {
      HotPlug();
    } else {
      steps_.NotHere("hot-plug", "microvm has none");
    }
    steps_.Do("pause", [&] {
      shim().Pause();
      const std::string status = shim().QueryStatus();
      Expect(status == "paused", "the status is " + status);
      return status;
    });
    steps_.Do("resume", [&] {
      shim().Resume();
      guest().Info();
      return Running();
    });
    if (q35()) Remove();
  }

  void HotPlug() {
    // TCG's APIC, unlike KVM's, looks for the targets of an IPI only up to the first gap in the
    // APIC ids, and Kata takes the highest free id.
    const unsigned free = pod_->values().MaxVcpus() - settings_.vcpus;
    if (free == 0)
      steps_.NotHere("cpu-add", "all vCPUs are there from the start: see --max-vcpus");
    else if (!pod_->accel().kvm && free > 1)
      steps_.NotHere("cpu-add", "without KVM only the last free vCPU works: see --max-vcpus");
    else
      cpu_added_ = steps_.Do("cpu-add", [&] { return AddCpu(); });
    steps_.Do("memory-add", [&] {
      const uint64_t before = ReadTotalMemoryKb(guest());
      const int slot = shim().AddMemory(kDimmMib);
      // Leaves room for the kernel's page structures.
      OnlineMemory(guest(), before + kDimmMib * 1024 * 15 / 16);
      return "slot " + std::to_string(slot) + ", " +
             Count((ReadTotalMemoryKb(guest()) - before) / 1024, "MiB more");
    });
    if (options_.virtio_mem_mib) steps_.Do("virtio-mem", [&] { return GrowAndShrink(); });
    std::string why_not;
    block_ = options_.block;
    if (block_.empty()) {
      WriteFile(dir_ / "disk", "");
      fs::resize_file(dir_ / "disk", 16 << 20);
      if (auto loop = LoopDevice::Make(dir_ / "disk", &why_not))
        block_ = loop_.emplace(std::move(*loop)).path();
    }
    for (const auto& [name, driver] :
         {std::pair("scsi", BlockDriver::kScsi), std::pair("blk", BlockDriver::kVirtioBlk)}) {
      if (block_.empty())
        steps_.NotHere("block-add virtio-" + std::string(name), why_not);
      else if (steps_.Do("block-add virtio-" + std::string(name),
                         [&] { return UseBlock(name, driver); }))
        blocks_.push_back(name);
    }
    tap_ = Tap::Make("tap1_kata", static_cast<int>(settings_.vcpus), &why_not, settings_.mtu);
    if (!tap_)
      steps_.NotHere("net-add", why_not);
    else
      nic_added_ = steps_.Do("net-add", [&] {
        const std::string path = shim().AddNic(*tap_, kMac);
        return "at " + path + ", " + SpeakOver(guest(), *tap_, kMac, settings_.mtu, 2);
      });
    for (const std::string& address : options_.vfio)
      for (int round : {1, 2}) HotVfio(address, round);
  }

  std::string AddCpu() {
    const size_t before = CountOnlineCpus(guest());
    const std::string id = shim().AddVcpu();
    OnlineCpus(guest(), before + 1);
    Threads(before + 1);
    return id + ", " + Count(before + 1, "online");
  }

  void Remove() {
    if (nic_added_)
      steps_.Do("net-remove", [&] {
        shim().RemoveNic(tap_->name());
        WaitNicGone(guest(), kMac);
        return "";
      });
    for (const std::string& name : blocks_)
      steps_.Do("block-remove virtio-" + name, [&] {
        shim().RemoveBlock(name);
        WaitBlockGone(guest(), block_names_.at(name));
        return block_names_.at(name) + " is gone";
      });
    if (!cpu_added_) return;
    if (pod_->accel().kvm)
      steps_.Do("cpu-remove", [&] {
        const size_t before = CountOnlineCpus(guest());
        shim().RemoveVcpu();
        WaitUntil(Count(before - 1, "CPUs"), Deadline(kGuestWait),
                  [&] { return CountOnlineCpus(guest()) == before - 1; });
        Threads(before - 1);
        return Count(before - 1, "online");
      });
    else
      steps_.NotHere("cpu-remove", "without KVM QEMU 7.2 never reports a vCPU's end");
  }

  std::string Running() {
    const std::string status = shim().QueryStatus();
    Expect(status == "running", "the status is " + status);
    return status;
  }

  std::string Threads(size_t expected) {
    const std::vector<pid_t> threads = shim().GetVcpuThreads();
    Expect(threads.size() == expected,
           Count(threads.size(), "vCPUs instead of ") + std::to_string(expected));
    const fs::path tasks = "/proc/" + std::to_string(pod_->qemu().process().pid()) + "/task";
    std::string text;
    for (pid_t thread : threads) {
      const std::string id = std::to_string(thread);
      Expect(fs::exists(tasks / id), "QEMU has no thread " + id);
      text += (text.empty() ? "" : " ") + id;
    }
    return text;
  }

  std::string HugePages() {
    uint64_t bytes = 0;
    for (const Mapping& mapping : ReadMappings(pod_->qemu().process().pid()))
      bytes += mapping.hugetlb;
    Expect(bytes >= uint64_t{settings_.memory_mib} << 20,
           Count(bytes >> 20, "MiB of huge pages are mapped"));
    return Count(bytes >> 20, "MiB");
  }

  /// A number from sysfs about the host's function.
  static unsigned long SysfsNumber(const std::string& address, const char* file) {
    return std::stoul(ReadFile(fs::path("/sys/bus/pci/devices") / address / file), nullptr, 16);
  }
  // The device id register of a VF is not reliable; vfio shows the correct id to the guest.
  static bool IsSame(const json& pci, const std::string& address) {
    return pci["vendor"] == SysfsNumber(address, "vendor") &&
           pci["device"] == SysfsNumber(address, "device");
  }
  static std::string Where(const json& pci) {
    const std::string driver = pci["driver"];
    return pci["address"].get<std::string>() + ", driver " + (driver.empty() ? "none" : driver);
  }

  std::string ColdVfio(const std::string& address) {
    const json functions = guest().Request({{"op", "pci"}}).at("pci");
    for (const json& pci : functions)
      if (IsSame(pci, address)) return Where(pci);
    throw std::runtime_error("the guest has no such function");
  }

  void HotVfio(const std::string& address, int round) {
    const auto on = [&](const std::string& where, std::optional<unsigned> port) {
      const std::string name = " " + address + " on " + where + ", round " + std::to_string(round);
      if (!steps_.Do("vfio-add" + name, [&] {
            const json pci = FindPciFunction(guest(), shim().AddVfio(address, port));
            Expect(IsSame(pci, address), "the guest has another device: " + pci.dump());
            return Where(pci);
          }))
        return;
      steps_.Do("vfio-remove" + name, [&] {
        shim().RemoveVfio(address);
        return "";
      });
    };
    on("the bridge", std::nullopt);
    if (settings_.root_ports) on("a root port", settings_.root_ports - 1);
  }

  std::string GrowAndShrink() {
    OnlineMemoryAlways(guest());
    const uint64_t before = ReadTotalMemoryKb(guest());
    constexpr uint64_t kBytes = 128 << 20;
    shim().ResizeVirtioMem(kBytes);
    WaitUntil("virtio-mem's 128 MiB", Deadline(kGuestWait),
              [&] { return shim().GetVirtioMemSize() == kBytes; });
    WaitUntil("that memory", Deadline(kGuestWait),
              [&] { return ReadTotalMemoryKb(guest()) > before; });
    shim().ResizeVirtioMem(0);
    WaitUntil("the end of virtio-mem's memory", Deadline(kGuestWait),
              [&] { return shim().GetVirtioMemSize() == 0; });
    return "128 MiB plugged and unplugged";
  }

  std::string UseBlock(const std::string& id, BlockDriver driver) {
    const std::string from_host = MakePattern(kBlockBytes, std::random_device{}()),
                      from_guest = MakePattern(kBlockBytes, std::random_device{}());
    WriteDevice(block_, from_host);
    const std::string where = shim().AddBlock(id, block_, driver, false, options_.aio);
    const std::string name = block_names_[id] = FindBlock(guest(), where);
    const std::string device = "/dev/" + name;
    const json read{{"op", "read"}, {"path", device}, {"length", kBlockBytes}};
    Expect(GetBytes(guest().Request(read)["data"]) == from_host, "the guest reads other bytes");
    guest().Request(
        {{"op", "write"}, {"path", device}, {"data", MakeBytes(from_guest)}, {"offset", 0u}});
    Expect(ReadDevice(block_, kBlockBytes) == from_guest, "the host reads other bytes");
    return where + " is " + name + ", 1 MiB each way";
  }

  std::string Stop() {
    const std::string stderr_before = pod_->qemu().process().Stderr();
    shim().Stop();
    CheckStderr(stderr_before);
    return "SIGKILL";
  }

  /// Kata logs every line that is not a warning as an error.
  static void CheckStderr(const std::string& text) {
    const auto lines = SplitStderr(text);
    Expect(lines.errors.empty(), "QEMU said: " + (lines.errors.empty() ? "" : lines.errors[0]));
  }

  static constexpr const char* kMac = "02:00:ca:fe:00:02";

  const PodSettings& settings_;
  const PodrunOptions& options_;
  Steps& steps_;
  TempDir dir_{"podrun"};
  std::unique_ptr<Pod> pod_;
  std::optional<PodShim> shim_;
  std::optional<LoopDevice> loop_;
  fs::path block_;
  std::vector<std::string> blocks_;
  std::map<std::string, std::string> block_names_;  // the guest's names, by id
  std::optional<Tap> tap_;
  bool nic_added_ = false, cpu_added_ = false;
};

}  // namespace

void RunPod(const PodSettings& settings, const PodrunOptions& options, Steps* steps) {
  PodRun(settings, options, steps).DoAll();
}

void BootPod(const PodSettings& settings, const PodrunOptions& options, Steps* steps) {
  PodRun(settings, options, steps).BootOnly();
}

}  // namespace stx
