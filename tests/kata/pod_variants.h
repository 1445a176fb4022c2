// SPDX-License-Identifier: GPL-2.0-or-later
// Settings of Kata's configuration as edits of a pod's command line (contract 1.2), and, marked
// "Not Kata's", what our guests need in addition. UseMicrovm must be applied last.
#pragma once

#include <filesystem>
#include <string>

#include "kata/command_line.h"

namespace stx {

inline constexpr const char* kVhostUserNicMac = "02:00:ca:fe:00:02";

enum class MachineType { kQ35, kMicrovm };

/// Virtio devices on MMIO, and the image on virtio-blk.
void UseMicrovm(CommandLine& command);

/// disable_image_nvdimm: the image on virtio-blk, without DAX.
void UseBlockImage(CommandLine& command);
/// An initrd instead of the image.
CommandEdit UseInitrd(const std::filesystem::path& initrd);
void DropVirtioFs(CommandLine& command);
/// shared_fs="virtio-9p": shares the folder; RAM is private.
CommandEdit UseVirtio9p(const std::filesystem::path& folder);

/// default_bridges, 1 to 5.
CommandEdit SetBridges(int count);
/// pcie_root_port.
CommandEdit AddRootPorts(unsigned count);
/// A physical NIC with the address "02:10.0". `port` is the number of its root port, or -1 for
/// none.
CommandEdit AddColdVfio(const std::string& address, int port);
/// A vhost-user NIC; its back-end, such as a virtual switch, listens at `socket`.
CommandEdit AddVhostUserNic(const std::filesystem::path& socket);

/// enable_hugepages with virtio-fs.
void UseHugepages(CommandLine& command);
/// The RAM of a template is the file `memory`. A clone maps that file privately, and waits for the
/// saved state. Both have an initrd, no virtio-fs and no NIC.
CommandEdit UseTemplateMemory(const std::filesystem::path& memory);
CommandEdit UseCloneMemory(const std::filesystem::path& memory);

/// seccompsandbox with Kata's three denials.
void UseSandbox(CommandLine& command);

/// Not Kata's: a vhost-user-vsock back-end at `socket` instead of the host's vhost-vsock.
CommandEdit UseVhostUserVsock(const std::filesystem::path& socket);
/// Not Kata's: no vsock; the guest's agent is reached through a serial port at `socket`.
CommandEdit UseSerialAgent(const std::filesystem::path& socket, const std::string& port_name);
/// Not Kata's: an initrd in addition to the image. The drivers of Debian's kernel are modules, and
/// have to be loaded before the image can be mounted.
CommandEdit AddInitrd(const std::filesystem::path& initrd);
/// Not Kata's: `file` receives a copy of what the guest prints.
CommandEdit LogConsole(const std::filesystem::path& file);

}  // namespace stx
