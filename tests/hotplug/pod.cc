// SPDX-License-Identifier: GPL-2.0-or-later
#include "hotplug/pod.h"

#include <gtest/gtest.h>

#include <iostream>

namespace stx {
namespace {

constexpr uint8_t kFirstBridge = 2, kFirstPort = 8;

}  // namespace

std::string HexSlot(uint8_t slot) {
  char text[4];
  std::snprintf(text, sizeof(text), "%02x", slot);
  return text;
}

HotplugPod::HotplugPod(const HotplugPodOptions& options) {
  QemuOptions qemu;
  qemu.qtest = true;
  qemu.fds = options.fds;
  qemu.args = {"-machine",
               options.machine + ",memory-backend=dimm1",
               "-m",
               "128M,slots=10,maxmem=8G",
               "-object",
               "memory-backend-memfd,id=dimm1,size=128M,share=on",
               "-device",
               "virtio-scsi-pci,id=scsi0,disable-modern=false,addr=" +
                   std::to_string(HotplugPod::kScsiSlot) + options.scsi,
               "-nodefaults"};
  qemu.args.insert(qemu.args.end(), options.smp.begin(), options.smp.end());
  const auto add = [&](const std::string& device) {
    qemu.args.insert(qemu.args.end(), {"-device", device});
  };
  for (int i = 0; i < options.bridges; ++i)
    add("pci-bridge,bus=pcie.0,id=pci-bridge-" + std::to_string(i) + ",chassis_nr=" +
        std::to_string(i + 1) + ",shpc=off,addr=" + std::to_string(kFirstBridge + i) +
        ",io-reserve=4k,mem-reserve=1m,pref64-reserve=1m");
  for (int i = 0; i < options.root_ports; ++i)
    add("pcie-root-port,id=rp" + std::to_string(i) +
        ",bus=pcie.0,chassis=0,slot=" + std::to_string(i) +
        ",multifunction=off,pref64-reserve=2097152B,mem-reserve=4194304B,addr=" +
        HexSlot(static_cast<uint8_t>(kFirstPort + i)));
  qemu.args.insert(qemu.args.end(), options.args.begin(), options.args.end());
  qemu_.emplace(std::move(qemu));
  qmp();  // before the first event
  root_.emplace(qtest());
  for (int i = 0; i < options.bridges; ++i)
    bridges_.push_back(root_->Behind(root_->At(static_cast<uint8_t>(kFirstBridge + i))));
  for (int i = 0; i < options.root_ports; ++i)
    ports_.push_back(root_->Behind(root_->At(static_cast<uint8_t>(kFirstPort + i))));
}

HotplugPod::~HotplugPod() {
  if (testing::Test::HasFailure() || std::uncaught_exceptions())
    std::cerr << qemu_->Report() << "\n";
}

void HotplugPod::Add(json device, const std::string& bridge, uint8_t slot) {
  device["bus"] = bridge;
  device["addr"] = HexSlot(slot);
  qmp().Execute("device_add", device);
}

void HotplugPod::WaitDeleted(const std::string& id) {
  qmp().WaitEvent("DEVICE_DELETED", kWait,
                  [&](const json& event) { return event["data"].value("device", "") == id; });
}

void HotplugPod::Remove(const std::string& id, const std::string& bridge, uint8_t slot) {
  qmp().Execute("device_del", {{"id", id}});
  PciHotplug registers = acpi(bridge);
  if (!(registers.Removed() >> slot & 1))
    throw std::runtime_error("the guest is not asked to eject slot " + std::to_string(slot));
  registers.Eject(slot);
  WaitDeleted(id);
}

std::string HotplugPod::Refusal(const std::string& command, const json& arguments) {
  try {
    qmp().Execute(command, arguments);
  } catch (const QmpError& error) {
    return error.desc();
  }
  return "";
}

}  // namespace stx
