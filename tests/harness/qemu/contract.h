// SPDX-License-Identifier: GPL-2.0-or-later
// Which rows of the Kata contract a test case answers for. tests/contract.txt has the rows;
// scripts/check --table makes docs/kata-contract.md of them, with what each row's cases said.
#pragma once

#include <initializer_list>
#include <string_view>

namespace stx {

/// The running case answers for these rows: to be called before it can skip. A row that
/// tests/contract.txt lacks is an error of check.
void Covers(std::initializer_list<std::string_view> rows);

/// The step of these rows cannot be done on this machine, though the running case goes on: it does
/// not answer for them, whatever becomes of it. A case that is skipped as a whole answers for none
/// and does not need this.
void NotSeen(std::initializer_list<std::string_view> rows);

/// What Covers and NotSeen print before a row, on a line of its own.
inline constexpr std::string_view kContractMark = "[contract] ";
inline constexpr std::string_view kUnseenMark = "[contract, not seen] ";

}  // namespace stx
