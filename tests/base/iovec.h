// SPDX-License-Identifier: GPL-2.0-or-later
// Scattered buffers, as virtqueue chains describe guest memory. Offsets and lengths are in bytes.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <vector>

namespace stx {

/// The number of bytes in all parts together.
size_t CountIovecBytes(std::span<const iovec> parts);
/// The parts without their first `offset` bytes, and at most `length` bytes of the rest.
std::vector<iovec> SliceIovec(std::span<const iovec> parts, size_t offset, size_t length);
/// Copy between the start of the parts and `data`. They return the number of bytes copied, which is
/// smaller than `length` if the parts are shorter.
size_t ReadIovec(std::span<const iovec> parts, void* data, size_t length);
size_t WriteIovec(std::span<const iovec> parts, const void* data, size_t length);

}  // namespace stx
