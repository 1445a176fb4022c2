// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/device_types.h"

#include <set>
#include <sstream>

#include "harness/qemu/qemu.h"

namespace stx {

bool HasDeviceType(const std::string& name) {
  static const std::string help = RunQemu({"-device", "help"}).out;
  return help.find("name \"" + name + "\"") != std::string::npos;
}

bool HasObjectType(const std::string& name) {
  static const std::set<std::string> types = [] {
    std::istringstream words(RunQemu({"-machine", "none", "-object", "help"}).out);
    return std::set<std::string>(std::istream_iterator<std::string>(words), {});
  }();
  return types.contains(name);
}

}  // namespace stx
