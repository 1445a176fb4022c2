// SPDX-License-Identifier: GPL-2.0-or-later
/// Errors are values: librestack throws nothing to its caller, except what the C++ library throws
/// when memory runs out.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace restack {

/// A message for the user that names the file, line or patch concerned.
struct Error {
  std::string message;
};

/// A T, or the Error that is the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: both convert, as in `return value;`
  Result(Error error) : error_(std::move(error)) {}  // NOLINT
  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T value_or(T otherwise) const { return value_ ? *value_ : std::move(otherwise); }
  /// Only when there is no value.
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_;
};

/// Success, or the Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT
  explicit operator bool() const { return !error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace restack
