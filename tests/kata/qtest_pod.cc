// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/qtest_pod.h"

#include <gtest/gtest.h>

#include <iostream>

#include "kata/pod_command.h"
#include "kata/pod_variants.h"
#include "kata/qmp_calls.h"

namespace stx {
namespace {

/// Not Kata's: leaves out what nobody uses, and lowers limits so that every host can satisfy them.
void KeepWhatIsTested(CommandLine& command) {
  UseInitrd("none")(command);
  DropVirtioFs(command);
  for (const char* start :
       {"-device virtio-serial", "-device virtconsole", "-chardev socket,id=charconsole0",
        "-object rng-random", "-device virtio-rng", "-device vhost-vsock", "--no-reboot", "-kernel",
        "-initrd", "-append", "-pidfile"})
    command.Drop(start);
  command.Substitute("-m ", command.GetValue("-m ", "maxmem"), "8G");
}

}  // namespace

QtestPod::QtestPod(QtestPodOptions options) {
  PodValues values;
  values.id = "qtest";
  values.accel = "";
  values.memory_mib = 128;
  values.vcpus = options.vcpus;
  values.max_vcpus = options.max_vcpus;
  CommandLine command = MakePodCommand(values);
  SetBridges(options.bridges)(command);
  AddRootPorts(options.root_ports)(command);
  KeepWhatIsTested(command);
  for (const CommandEdit& edit : options.edits) edit(command);
  options.qemu.qtest = true;
  const std::vector<std::string> kata = command.GetArguments();
  options.qemu.args.insert(options.qemu.args.begin(), kata.begin(), kata.end());
  qemu_.emplace(std::move(options.qemu));
  qmp();  // before the first event
  root_.emplace(qtest());
  for (int i = 0; i < options.bridges; ++i)
    bridges_.push_back(root_->Behind(root_->At(FindSlot("pci-bridge-" + std::to_string(i)))));
  for (unsigned i = 0; i < options.root_ports; ++i)
    ports_.push_back(root_->Behind(root_->At(FindSlot("rp" + std::to_string(i)))));
}

QtestPod::~QtestPod() {
  if (testing::Test::HasFailure() || std::uncaught_exceptions())
    std::cerr << qemu_->Report() << "\n";
}

uint8_t QtestPod::FindSlot(const std::string& id) {
  const json devfn =
      qmp().Execute("qom-get", {{"path", "/machine/peripheral/" + id}, {"property", "addr"}});
  return static_cast<uint8_t>(devfn.get<int>() >> 3);
}

void QtestPod::Add(const json& device, const std::string& bridge, uint8_t slot) {
  qmp().Execute("device_add", PlaceOnBridge(device, bridge, slot));
}

void QtestPod::WaitDeleted(const std::string& id) { WaitDeviceDeleted(qmp(), id, kWait); }

void QtestPod::Remove(const std::string& id, const std::string& bridge, uint8_t slot) {
  qmp().Execute("device_del", {{"id", id}});
  PciHotplug registers = acpi(bridge);
  if (!(registers.ReadRemoved() >> slot & 1))
    throw std::runtime_error("the guest is not asked to eject slot " + std::to_string(slot));
  registers.Eject(slot);
  WaitDeleted(id);
}

std::string QtestPod::GetRefusal(const std::string& command, const json& arguments) {
  try {
    qmp().Execute(command, arguments);
  } catch (const QmpError& error) {
    return error.desc();
  }
  return "";
}

}  // namespace stx
