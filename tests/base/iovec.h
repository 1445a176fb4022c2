// SPDX-License-Identifier: GPL-2.0-or-later
// Scattered buffers, as virtqueue chains describe guest memory. Offsets and lengths in bytes.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <vector>

namespace stx {

/// Bytes in all parts together.
size_t IovecSize(std::span<const iovec> parts);
/// The parts without their first `offset` bytes, cut after `length` bytes.
std::vector<iovec> IovecSlice(std::span<const iovec> parts, size_t offset, size_t length);
/// Copies between the parts' start and `data`; returns the bytes copied, fewer if the parts are
/// shorter.
size_t IovecRead(std::span<const iovec> parts, void* data, size_t length);
size_t IovecWrite(std::span<const iovec> parts, const void* data, size_t length);

}  // namespace stx
