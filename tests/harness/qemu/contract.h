// SPDX-License-Identifier: GPL-2.0-or-later
// Records which rows of the Kata contract a test case answers for. tests/contract.txt lists the
// rows; scripts/check --table writes docs/kata-contract.md from them and from the results of each
// row's cases.
#pragma once

#include <initializer_list>
#include <string_view>

namespace stx {

/// The running case answers for these rows. Call it before the case can be skipped. A row that
/// tests/contract.txt does not list is an error of scripts/check.
void Covers(std::initializer_list<std::string_view> rows);

/// This machine cannot perform the step that these rows are about, although the running case
/// continues. The case then does not answer for them, whatever its result. A case that is skipped
/// as a whole answers for no row and does not need this call.
void MarkNotSeen(std::initializer_list<std::string_view> rows);

/// The text that Covers and MarkNotSeen print before a row, on a line of its own.
inline constexpr std::string_view kContractMark = "[contract] ";
inline constexpr std::string_view kUnseenMark = "[contract, not seen] ";

}  // namespace stx
