// SPDX-License-Identifier: GPL-2.0-or-later
// The root image in Kata's layout, one file for both ways to attach it.
//
//   byte 0       MBR; its partition 1 is what virtio-blk shows as /dev/vda1
//   4 KiB        NVDIMM_PFN_INFO block: the pmem driver then takes its data from 2 MiB on, and has
//                struct pages for it, which DAX needs
//   2 MiB        MBR again; its partition 1 is /dev/pmem0p1, the same bytes as above
//   3 MiB        the partition: ext4, 4 KiB blocks (DAX wants the page size), with a journal,
//                because Kata mounts it with data=ordered
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "guest/mkguest/guest_tree.h"

namespace stx {

inline constexpr uint64_t kMiB = 1 << 20;
/// All sizes and places in bytes.
inline constexpr uint64_t kImageBytes =
    128 * kMiB;  // Kata's images are multiples of a memory block
inline constexpr uint64_t kPfnInfo = 4096;
inline constexpr uint64_t kPmemData = 2 * kMiB;
inline constexpr uint64_t kPartition = 3 * kMiB;

/// The kernel's nd_fletcher64 (drivers/nvdimm) over little-endian words.
uint64_t Fletcher64(std::string_view bytes);
/// struct nd_pfn_sb of the kernel (drivers/nvdimm/pfn.h), version 1.4, mode RAM, data at kPmemData.
std::array<char, 4096> PfnInfoBlock();
/// A sector with one Linux partition; `start` and `length` in bytes.
std::array<char, 512> MasterBootRecord(uint64_t start, uint64_t length);

/// Makes the image at `path`, an existing empty file: sparse, and byte for byte the same for the
/// same tree. Uses mke2fs and debugfs; throws with their words.
void WriteRootImage(const std::vector<Node>& tree, const std::filesystem::path& path);

}  // namespace stx
