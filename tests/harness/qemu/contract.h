// SPDX-License-Identifier: GPL-2.0-or-later
// Records which rows of the Kata contract, and which requirements of virtio, a test case answers
// for. tests/contract.txt and tests/virtio/requirements.txt list the rows; scripts/check --table and
// --virtio write docs/kata-contract.md and docs/virtio-requirements.md from them and from the
// results of each row's cases.
#pragma once

#include <initializer_list>
#include <string_view>

namespace stx {

// Records which rows of the Kata contract, and which requirements of virtio, a test case answers
// for. tests/contract.txt and tests/virtio/requirements.txt list the rows; scripts/check --table and
// --virtio write docs/kata-contract.md and docs/virtio-requirements.md from them and from the
// results of each row's cases.
void Covers(std::initializer_list<std::string_view> rows);

/// This machine cannot perform the step that these rows are about, although the running case
/// continues. The case then does not answer for them, whatever its result. A case that is skipped
/// as a whole answers for no row and does not need this call.
void MarkNotSeen(std::initializer_list<std::string_view> rows);

/// The text that Covers and MarkNotSeen print before a row, on a line of its own.
inline constexpr std::string_view kContractMark = "[contract] ";
inline constexpr std::string_view kUnseenMark = "[contract, not seen] ";

}  // namespace stx
