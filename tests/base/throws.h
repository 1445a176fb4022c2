// SPDX-License-Identifier: GPL-2.0-or-later
// For cases that expect an exception of a certain kind and text.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace stx {

/// Succeeds if `call` throws an E whose what() contains `part`. Does not catch other exceptions.
template <class E, class Call>
testing::AssertionResult Throws(const std::string& part, Call&& call) {
  try {
    call();
  } catch (const E& error) {
    if (std::string(error.what()).find(part) != std::string::npos)
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << "\"" << part << "\" is not in: " << error.what();
  }
  return testing::AssertionFailure() << "nothing was thrown that says \"" << part << "\"";
}

}  // namespace stx
