// SPDX-License-Identifier: GPL-2.0-or-later
// The root image in Kata's layout, in one file for both ways to attach it.
//
//   byte 0       MBR; virtio-blk shows its partition 1 as /dev/vda1
//   4 KiB        NVDIMM_PFN_INFO block: it makes the pmem driver use the data from 2 MiB on, and
//                gives it struct pages for them, which DAX needs
//   2 MiB        MBR again; its partition 1 is /dev/pmem0p1, the same bytes as above
//   3 MiB        the partition: ext4, 4 KiB blocks (DAX needs the page size), with a journal,
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
/// All sizes and offsets are in bytes.
inline constexpr uint64_t kImageBytes =
    128 * kMiB;  // Kata's images are multiples of a memory block
inline constexpr uint64_t kPfnInfo = 4096;
inline constexpr uint64_t kPmemData = 2 * kMiB;
inline constexpr uint64_t kPartition = 3 * kMiB;

/// The kernel's nd_fletcher64 (drivers/nvdimm) over little-endian words.
uint64_t ComputeFletcher64(std::string_view bytes);
/// struct nd_pfn_sb of the kernel (drivers/nvdimm/pfn.h), version 1.4, mode RAM, data at kPmemData.
std::array<char, 4096> MakePfnInfoBlock();
/// A sector with one Linux partition. `start` and `length` are in bytes.
std::array<char, 512> MakeMasterBootRecord(uint64_t start, uint64_t length);

/// Writes the image to `path`, an existing empty file. The image is sparse, and the same tree gives
/// the same bytes. Uses mke2fs and debugfs; throws with their messages.
void WriteRootImage(const std::vector<GuestFile>& tree, const std::filesystem::path& path);

}  // namespace stx
