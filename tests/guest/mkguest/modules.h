// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel modules a guest needs, out of an unpacked kernel package.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace stx {

/// What a guest of contract 1.1 and 1.2 drives; a kernel must have them all, as modules or built
/// in.
extern const std::vector<std::string> kGuestModules;
/// Taken where the kernel has them: Debian's cloud kernel has no 9p and no NICs to pass through.
extern const std::vector<std::string> kOptionalGuestModules;

/// Values of `key` in the .modinfo section of a module; throws when `elf` is not an x86-64 module.
std::vector<std::string> ModuleInfo(std::string_view elf, std::string_view key);

/// The module without the signature at its end (scripts/sign-file of the kernel). A kernel that
/// does not insist on signatures loads it all the same, and saves a tenth of a TCG guest's boot,
/// which goes into RSA.
std::string_view WithoutSignature(std::string_view module);

struct Module {
  std::string name;  // with _, never -
  std::filesystem::path path;
};

/// The modules below KERNEL/lib/modules/RELEASE. depmod's files are not needed.
class ModuleTree {
 public:
  /// Throws unless exactly one release is there.
  explicit ModuleTree(const std::filesystem::path& kernel);

  const std::string& release() const { return release_; }
  /// `names` and what they depend on, each after its dependencies. Throws with the name of one that
  /// is neither a module nor built in; those in `optional` are left out then.
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
