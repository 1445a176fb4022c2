// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/accel.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cstring>
#include <sstream>

#include "base/os.h"

namespace stx {
namespace {

bool HasCpuFlag(const std::string& wanted) {
  std::istringstream lines(ReadFile("/proc/cpuinfo"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;)
      if (word == wanted) return true;
    return false;  // all CPUs have the same flags
  }
  return false;
}

/// Runs `out 0x10, al; hlt` in real mode. Returns "" if KVM exits with that byte, otherwise what
/// failed.
std::string GuestAnswers(int kvm) {
  constexpr size_t kMemory = 4096;
  constexpr unsigned char kCode[] = {0xb0, 0x2a, 0xe6, 0x10, 0xf4};  // mov al,42; out 16,al; hlt
  UniqueFd vm(ioctl(kvm, KVM_CREATE_VM, 0));
  if (!vm) return "KVM_CREATE_VM fails";
  void* memory = mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return "mmap fails";
  std::memcpy(memory, kCode, sizeof(kCode));
  kvm_userspace_memory_region region{};
  region.guest_phys_addr = 0x1000;
  region.memory_size = kMemory;
  region.userspace_addr = reinterpret_cast<uintptr_t>(memory);
  std::string failed = "the guest does not answer";
  UniqueFd cpu;
  // Use an APIC, as QEMU does. The kernel patches KVM's code when the first vCPU without an APIC
  // appears and when the last one disappears. Other guests may run meanwhile, and a hypervisor
  // below that uses TCG before 8.1 may keep executing the old code.
  if (ioctl(vm.get(), KVM_SET_USER_MEMORY_REGION, &region) == 0 &&
      ioctl(vm.get(), KVM_CREATE_IRQCHIP, 0) == 0)
    cpu.Reset(ioctl(vm.get(), KVM_CREATE_VCPU, 0));
  int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (cpu && size > 0) {
    void* shared =
        mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, cpu.get(), 0);
    kvm_sregs system{};
    kvm_regs registers{};
    registers.rip = 0x1000;
    registers.rflags = 2;
    if (shared != MAP_FAILED && ioctl(cpu.get(), KVM_GET_SREGS, &system) == 0) {
      system.cs.base = 0;
      system.cs.selector = 0;
      auto* run = static_cast<kvm_run*>(shared);
      if (ioctl(cpu.get(), KVM_SET_SREGS, &system) == 0 &&
          ioctl(cpu.get(), KVM_SET_REGS, &registers) == 0 && ioctl(cpu.get(), KVM_RUN, 0) == 0 &&
          run->exit_reason == KVM_EXIT_IO && run->io.port == 0x10 &&
          *(static_cast<unsigned char*>(shared) + run->io.data_offset) == 42)
        failed.clear();
      munmap(shared, static_cast<size_t>(size));
    }
  }
  munmap(memory, kMemory);
  return failed;
}

}  // namespace

Accel DetectAccel() {
  if (!HasCpuFlag("vmx") && !HasCpuFlag("svm"))
    return {false, "no vmx or svm flag in /proc/cpuinfo"};
  UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm) return {false, std::string("/dev/kvm: ") + std::strerror(errno)};
  std::string failed = GuestAnswers(kvm.get());
  if (!failed.empty()) return {false, "/dev/kvm: " + failed};
  return {true, "a guest answered"};
}

bool RunsNested() { return HasCpuFlag("hypervisor"); }

}  // namespace stx
