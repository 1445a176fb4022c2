// SPDX-License-Identifier: GPL-2.0-or-later
// What was measured: rows of samples, one list per binary, as table and as JSON.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/callgrind.h"

namespace stx {

using json = nlohmann::json;

struct Row {
  std::string name;  ///< "start: CPU time"
  std::string unit;  ///< "ms", "MiB", "M" for millions, or empty for a plain count
  std::map<std::string, std::vector<double>> samples;  ///< by binary; in the order of the rounds
};

/// Of one binary, for the page: what its figures are made of.
struct Breakdown {
  std::vector<CallgrindFunction> functions;  ///< of a pod's start; the dearest first
  std::map<std::string, double> memory;      ///< private dirty bytes by what they are
};

class Results {
 public:
  /// The first of `binaries` is what the others are compared with.
  explicit Results(std::vector<std::string> binaries) : binaries_(std::move(binaries)) {}

  /// One more sample; a new row comes after those that are there.
  void Add(const std::string& row, const std::string& unit, const std::string& binary,
           double value);
  Breakdown& breakdown(const std::string& binary) { return breakdowns_[binary]; }
  const std::map<std::string, Breakdown>& breakdowns() const { return breakdowns_; }
  const std::vector<std::string>& binaries() const { return binaries_; }
  const std::vector<Row>& rows() const { return rows_; }
  /// nullptr when there is none of that name.
  const Row* Find(const std::string& name) const;

  /// For a terminal: median, half of the distance between the quartiles, and the ratio to the first
  /// binary with its interval.
  std::string ToText() const;
  json ToJson() const;

 private:
  std::vector<std::string> binaries_;
  std::vector<Row> rows_;
  std::map<std::string, Breakdown> breakdowns_;
};

/// Three digits that count: "0.72", "36.4", "111", "1234".
std::string FormatNumber(double value);

}  // namespace stx
