// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/callgrind.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace stx {
namespace {

class Parser {
 public:
  CallgrindProfile Parse(std::string_view text) {
    if (!text.starts_with("# callgrind format")) Fail("not a file of callgrind");
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size() - 1);
      ++number_;
      TakeLine(text.substr(0, end + (text[end] != '\n')));
      text.remove_prefix(end + 1);
    }
    if (!total_) Fail("cut short: there is no line \"totals:\"");
    CallgrindProfile profile{*total_, {}};
    for (auto& [id, function] : functions_) profile.functions.push_back(std::move(function));
    std::ranges::stable_sort(profile.functions, std::greater(), &CallgrindFunction::inclusive);
    return profile;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw std::runtime_error("callgrind's output, line " + std::to_string(number_) + ": " + what);
  }

  uint64_t Number(std::string_view text) const {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      Fail("not a number: " + std::string(text));
    return value;
  }

  /// "(12) name", later "(12)" alone; or a name that has no number.
  CallgrindFunction& Name(std::string_view text) {
    const size_t close = text.starts_with('(') ? text.find(')') : std::string_view::npos;
    if (close == std::string_view::npos) {
      CallgrindFunction& function = functions_[std::string(text)];
      function.name = text;
      return function;
    }
    CallgrindFunction& function = functions_[std::string(text.substr(0, close + 1))];
    if (text.size() > close + 2) function.name = text.substr(close + 2);
    if (function.name.empty()) Fail("a function without its name: " + std::string(text));
    return function;
  }

  /// A position, of one number as "positions: line" says, and a cost.
  void TakeCost(std::string_view line) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) Fail("a position without a cost");
    const uint64_t cost = Number(line.substr(space + 1));
    if (!current_) Fail("a cost before any function");
    if (called_) {
      if (called_ != current_) current_->inclusive += cost;
      called_ = nullptr;
    } else {
      current_->self += cost;
      current_->inclusive += cost;
    }
  }

  void TakeLine(std::string_view line) {
    constexpr std::string_view kFn = "fn=", kCfn = "cfn=", kTotals = "totals: ";
    if (line.empty() || line[0] == '#') return;
    if (line.find_first_of("0123456789+-*") == 0) {
      TakeCost(line);
    } else if (line.starts_with(kFn)) {
      current_ = &Name(line.substr(kFn.size()));
    } else if (line.starts_with(kCfn)) {
      next_ = &Name(line.substr(kCfn.size()));
    } else if (line.starts_with("calls=")) {
      if (!next_) Fail("calls of no function");
      called_ = std::exchange(next_, nullptr);
    } else if (line.starts_with(kTotals)) {
      total_ = Number(line.substr(kTotals.size()));
    } else if (line.starts_with("positions:") && line != "positions: line") {
      Fail("positions are not lines");
    } else if (line.starts_with("events:") && line != "events: Ir") {
      Fail("events are not instructions alone");
    }
  }

  size_t number_ = 0;
  std::map<std::string, CallgrindFunction> functions_;  // by "(12)"; its elements stay in place
  CallgrindFunction *current_ = nullptr, *next_ = nullptr, *called_ = nullptr;
  std::optional<uint64_t> total_;
};

}  // namespace

CallgrindProfile ParseCallgrind(std::string_view text) { return Parser().Parse(text); }

}  // namespace stx
