// SPDX-License-Identifier: GPL-2.0-or-later
#include "kata/command_line.h"

#include <algorithm>
#include <stdexcept>

namespace stx {

std::vector<std::string>::const_iterator CommandLine::Find(const std::string& start) const {
  const auto starts = [&](const std::string& option) { return option.starts_with(start); };
  const auto found = std::find_if(options_.begin(), options_.end(), starts);
  if (found == options_.end() || std::find_if(found + 1, options_.end(), starts) != options_.end())
    throw std::logic_error("not exactly one option starts with: " + start);
  return found;
}

std::string& CommandLine::At(const std::string& start) {
  return options_[static_cast<size_t>(Find(start) - options_.cbegin())];
}

bool CommandLine::Has(const std::string& start) const {
  return std::ranges::any_of(options_,
                             [&](const std::string& option) { return option.starts_with(start); });
}

std::string CommandLine::GetValue(const std::string& start, const std::string& key) const {
  const std::string& option = *Find(start);
  size_t at = option.find("," + key + "=");
  if (at == std::string::npos) throw std::logic_error(option + " has no " + key);
  at += key.size() + 2;
  return option.substr(at, option.find(',', at) - at);
}

void CommandLine::Drop(const std::string& start) { options_.erase(Find(start)); }
void CommandLine::Replace(const std::string& start, const std::string& option) {
  At(start) = option;
}
void CommandLine::InsertBefore(const std::string& start, const std::string& option) {
  options_.insert(Find(start), option);
}
void CommandLine::InsertAfter(const std::string& start, const std::string& option) {
  options_.insert(Find(start) + 1, option);
}

void CommandLine::Substitute(const std::string& start, const std::string& from,
                             const std::string& to) {
  std::string& option = At(start);
  const size_t at = option.find(from);
  if (at == std::string::npos) throw std::logic_error(option + " has no " + from);
  option.replace(at, from.size(), to);
}

void CommandLine::Transform(const std::function<void(std::string&)>& change) {
  for (std::string& option : options_) change(option);
}

std::vector<std::string> CommandLine::GetArguments() const {
  std::vector<std::string> arguments;
  for (const std::string& option : options_) {
    const size_t space = option.find(' ');
    arguments.push_back(option.substr(0, space));
    if (space != std::string::npos) arguments.push_back(option.substr(space + 1));
  }
  return arguments;
}

CommandEdit Drop(std::string start) {
  return [=](CommandLine& command) { command.Drop(start); };
}
CommandEdit Replace(std::string start, std::string option) {
  return [=](CommandLine& command) { command.Replace(start, option); };
}
CommandEdit Substitute(std::string start, std::string from, std::string to) {
  return [=](CommandLine& command) { command.Substitute(start, from, to); };
}
CommandEdit InsertBefore(std::string start, std::string option) {
  return [=](CommandLine& command) { command.InsertBefore(start, option); };
}
CommandEdit InsertAfter(std::string start, std::string option) {
  return [=](CommandLine& command) { command.InsertAfter(start, option); };
}
CommandEdit Add(std::string option) {
  return [=](CommandLine& command) { command.Add(option); };
}

}  // namespace stx
