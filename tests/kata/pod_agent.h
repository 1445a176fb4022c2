// SPDX-License-Identifier: GPL-2.0-or-later
// What Kata's agent does in the guest after the shim has added something, performed through guestd:
// it puts CPUs and memory online, and finds disks and NICs where QEMU has placed them. Each
// function waits for the guest's kernel for at most kGuestWait, and throws with the name of what
// did not appear.
#pragma once

#include <cstdint>
#include <string>

#include "guest/guest_client.h"

namespace stx {

inline constexpr Milliseconds kGuestWait{60000};

size_t CountOnlineCpus(GuestAgent& agent);
uint64_t ReadTotalMemoryKb(GuestAgent& agent);

/// Puts offline CPUs online until the guest has `cpus` of them.
void OnlineCpus(GuestAgent& agent, size_t cpus);
/// Puts memory blocks online until the guest has at least `total_kb` of memory.
void OnlineMemory(GuestAgent& agent, uint64_t total_kb);
/// Makes the kernel put memory from virtio-mem online as it arrives. Kata's kernel does so by
/// default.
void OnlineMemoryAlways(GuestAgent& agent);

/// The name ("sda") of the block device at a SCSI address "TARGET:LUN" (for which the bus is
/// scanned) or at a PCI path "02/01".
std::string FindBlock(GuestAgent& agent, const std::string& where);
/// Returns once the guest has no block device of that name.
void WaitBlockGone(GuestAgent& agent, const std::string& name, Milliseconds timeout = kGuestWait);
/// The interface ("eth1") with that MAC address.
std::string FindNic(GuestAgent& agent, const std::string& mac);
void WaitNicGone(GuestAgent& agent, const std::string& mac);
/// The entry in guestd's `pci` list for the function at a PCI path of the guest.
json FindPciFunction(GuestAgent& agent, const std::string& path);

/// Brings the interface up with an IPv6 address (prefix length 64) and an MTU of `mtu` bytes.
void ConfigureNic6(GuestAgent& agent, const std::string& nic, const std::string& address, int mtu);
/// Throws unless the guest receives `count` answers to echo requests of `bytes` bytes.
void Ping6(GuestAgent& agent, const std::string& address, int count = 3, int bytes = 56);

}  // namespace stx
