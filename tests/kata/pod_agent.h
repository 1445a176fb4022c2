// SPDX-License-Identifier: GPL-2.0-or-later
// What Kata's agent does in the guest when the shim has added something, by guestd: CPUs and memory
// are put online, disks and NICs are found where QEMU has put them. Each waits for the guest's
// kernel, at most kGuestWait, and throws with what did not come.
#pragma once

#include <string>

#include "guest/guest_client.h"

namespace stx {

inline constexpr Milliseconds kGuestWait{60000};

size_t CountOnlineCpus(GuestAgent& agent);
uint64_t ReadTotalMemoryKb(GuestAgent& agent);

/// Puts online what is not, until the guest has `cpus` of them.
void OnlineCpus(GuestAgent& agent, size_t cpus);
/// Puts memory blocks online until the guest has at least `total_kb` in all.
void OnlineMemory(GuestAgent& agent, uint64_t total_kb);
/// Has virtio-mem's memory put online by the kernel as it comes, which Kata's kernel does by
/// itself.
void OnlineMemoryAlways(GuestAgent& agent);

/// The block device ("sda") at a SCSI address "TARGET:LUN", for which the bus is scanned, or at a
/// PCI path "02/01".
std::string FindBlock(GuestAgent& agent, const std::string& where);
/// Returns when the guest has no block device of that name.
void WaitBlockGone(GuestAgent& agent, const std::string& name, Milliseconds timeout = kGuestWait);
/// The interface ("eth1") with that MAC address.
std::string FindNic(GuestAgent& agent, const std::string& mac);
void WaitNicGone(GuestAgent& agent, const std::string& mac);
/// The entry of guestd's `pci` for the function at a PCI path of the guest.
json FindPciFunction(GuestAgent& agent, const std::string& path);

/// Brings the interface up with an IPv6 address (of prefix 64) and frames of `mtu` bytes.
void ConfigureNic6(GuestAgent& agent, const std::string& nic, const std::string& address, int mtu);
/// Throws unless the guest gets `count` answers to echo requests of `bytes` bytes.
void Ping6(GuestAgent& agent, const std::string& address, int count = 3, int bytes = 56);

}  // namespace stx
