// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel modules that a guest needs, from an unpacked kernel package.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace stx {

/// The modules that a guest of contract 1.1 and 1.2 needs. A kernel must have them all, as modules
/// or built in.
extern const std::vector<std::string> kGuestModules;
/// Used if the kernel has them: Debian's cloud kernel has neither 9p nor drivers for NICs that are
/// passed through.
extern const std::vector<std::string> kOptionalGuestModules;

/// The values of `key` in the .modinfo section of a module. Throws if `elf` is not an x86-64
/// module.
std::vector<std::string> ReadModuleInfo(std::string_view elf, std::string_view key);

/// The module without the signature at its end (scripts/sign-file of the kernel). A kernel that
/// does not require signatures loads it anyway, which saves a tenth of a TCG guest's boot time,
/// because checking them takes RSA.
std::string_view StripSignature(std::string_view module);

struct Module {
  std::string name;  // with _, never -
  std::filesystem::path path;
};

/// The modules below KERNEL/lib/modules/RELEASE. It does not need depmod's files.
class ModuleTree {
 public:
  /// Throws unless there is exactly one release.
  explicit ModuleTree(const std::filesystem::path& kernel);

  const std::string& release() const { return release_; }
  /// `names` and their dependencies, each after what it depends on. Throws with the name of a
  /// module that does not exist and is not built in; names in `optional` are left out in that case.
  std::vector<Module> Closure(const std::vector<std::string>& names,
                              const std::vector<std::string>& optional = {}) const;

 private:
  void Add(const std::string& name, const std::string& wanted_by, std::set<std::string>* seen,
           std::vector<Module>* order) const;
  bool Has(const std::string& name) const;

  std::string release_;
  std::map<std::string, std::filesystem::path> modules_;
  std::set<std::string> builtin_;
};

}  // namespace stx
