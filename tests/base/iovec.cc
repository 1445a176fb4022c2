// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/iovec.h"

#include <algorithm>
#include <cstring>

namespace stx {

size_t CountIovecBytes(std::span<const iovec> parts) {
  size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  return size;
}

std::vector<iovec> SliceIovec(std::span<const iovec> parts, size_t offset, size_t length) {
  std::vector<iovec> slice;
  for (const iovec& part : parts) {
    size_t skip = std::min(offset, part.iov_len);
    offset -= skip;
    size_t take = std::min(length, part.iov_len - skip);
    length -= take;
    if (take) slice.push_back({static_cast<char*>(part.iov_base) + skip, take});
  }
  return slice;
}

size_t ReadIovec(std::span<const iovec> parts, void* data, size_t length) {
  size_t done = 0;
  for (const iovec& part : SliceIovec(parts, 0, length)) {
    std::memcpy(static_cast<char*>(data) + done, part.iov_base, part.iov_len);
    done += part.iov_len;
  }
  return done;
}

size_t WriteIovec(std::span<const iovec> parts, const void* data, size_t length) {
  size_t done = 0;
  for (const iovec& part : SliceIovec(parts, 0, length)) {
    std::memcpy(part.iov_base, static_cast<const char*>(data) + done, part.iov_len);
    done += part.iov_len;
  }
  return done;
}

}  // namespace stx
