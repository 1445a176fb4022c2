// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/modules.h"

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "base/load.h"
#include "base/os.h"

namespace stx {
namespace fs = std::filesystem;

// In loading order: what the root needs comes first. ext4 requests crc32c by name at mount time, so
// crc32c is not a dependency in .modinfo.
const std::vector<std::string> kGuestModules{
    "virtio_pci",
    "virtio_mmio",
    "nfit",
    "nd_pmem",
    "virtio_blk",
    "crc32c_generic",
    "ext4",
    "virtio_console",
    "virtiofs",
    "virtio_net",
    "vmw_vsock_virtio_transport",
    "virtio_rng",
    "virtio_scsi",
    "sd_mod",
    "virtio_mem",
    "af_packet",
};
const std::vector<std::string> kOptionalGuestModules{"9pnet_virtio", "9p", "e1000e", "igbvf"};

namespace {

std::string Normal(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

template <typename T>
T At(std::string_view bytes, uint64_t offset) {
  return LoadAt<T>(bytes, offset, "the module");
}

std::string_view Slice(std::string_view elf, const Elf64_Shdr& section) {
  if (section.sh_offset > elf.size() || section.sh_size > elf.size() - section.sh_offset)
    throw std::runtime_error("the module is cut short");
  return elf.substr(section.sh_offset, section.sh_size);
}

std::string_view ModInfoSection(std::string_view elf) {
  auto header = At<Elf64_Ehdr>(elf, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
      header.e_type != ET_REL)
    throw std::runtime_error("not an x86-64 kernel module");
  auto section = [&](uint64_t index) {
    return At<Elf64_Shdr>(elf, header.e_shoff + index * sizeof(Elf64_Shdr));
  };
  std::string_view names = Slice(elf, section(header.e_shstrndx));
  for (uint64_t i = 0; i < header.e_shnum; i++) {
    Elf64_Shdr found = section(i);
    if (found.sh_name < names.size() &&
        names.substr(found.sh_name, std::strlen(".modinfo") + 1) == std::string_view(".modinfo", 9))
      return Slice(elf, found);
  }
  throw std::runtime_error("the module has no .modinfo");
}

}  // namespace

std::vector<std::string> ReadModuleInfo(std::string_view elf, std::string_view key) {
  std::vector<std::string> values;
  std::string_view info = ModInfoSection(elf);
  while (!info.empty()) {
    std::string_view entry = info.substr(0, info.find('\0'));
    info.remove_prefix(std::min(entry.size() + 1, info.size()));
    size_t equals = entry.find('=');
    if (equals != std::string_view::npos && entry.substr(0, equals) == key)
      values.emplace_back(entry.substr(equals + 1));
  }
  return values;
}

std::string_view StripSignature(std::string_view module) {
  // ... signature, struct module_signature (its last 4 bytes are the length of the signature,
  // big-endian), magic.
  constexpr std::string_view kMagic = "~Module signature appended~\n";
  constexpr size_t kInfo = 12, kTail = kInfo + kMagic.size();
  if (!module.ends_with(kMagic) || module.size() < kTail) return module;
  size_t length = 0;
  for (char byte : module.substr(module.size() - kMagic.size() - 4, 4))
    length = length << 8 | static_cast<uint8_t>(byte);
  if (length > module.size() - kTail) throw std::runtime_error("the module's signature is damaged");
  return module.substr(0, module.size() - kTail - length);
}

ModuleTree::ModuleTree(const fs::path& kernel) {
  fs::path root = kernel / "lib/modules";
  if (!fs::is_directory(root))
    throw std::runtime_error(root.string() +
                             ": no such folder; is this an unpacked kernel package?");
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!release_.empty())
      throw std::runtime_error(root.string() + " has more than one kernel release");
    release_ = entry.path().filename();
  }
  if (release_.empty()) throw std::runtime_error(root.string() + " is empty");
  for (const auto& entry : fs::recursive_directory_iterator(root / release_))
    if (entry.path().extension() == ".ko") modules_[Normal(entry.path().stem())] = entry.path();
  std::istringstream builtin(ReadFile(root / release_ / "modules.builtin"));
  for (std::string line; std::getline(builtin, line);)
    builtin_.insert(Normal(fs::path(line).stem()));
}

bool ModuleTree::Has(const std::string& name) const {
  return modules_.contains(name) || builtin_.contains(name);
}

void ModuleTree::Add(const std::string& name, const std::string& wanted_by,
                     std::set<std::string>* seen, std::vector<Module>* order) const {
  if (!seen->insert(name).second) return;
  auto found = modules_.find(name);
  if (found == modules_.end()) {
    if (builtin_.contains(name)) return;
    throw std::runtime_error("kernel " + release_ + " has no module " + name + wanted_by);
  }
  std::string elf = ReadFile(found->second);
  std::vector<std::string> depends;
  try {
    depends = ReadModuleInfo(elf, "depends");
  } catch (const std::exception& error) {
    throw std::runtime_error(found->second.string() + ": " + error.what());
  }
  for (const std::string& list : depends) {
    std::istringstream names(list);
    for (std::string dependency; std::getline(names, dependency, ',');)
      Add(Normal(dependency), ", which " + name + " depends on", seen, order);
  }
  order->push_back({name, found->second});
}

std::vector<Module> ModuleTree::Closure(const std::vector<std::string>& names,
                                        const std::vector<std::string>& optional) const {
  std::set<std::string> seen;
  std::vector<Module> order;
  for (const std::string& name : names) Add(Normal(name), "", &seen, &order);
  for (const std::string& name : optional)
    if (Has(Normal(name))) Add(Normal(name), "", &seen, &order);
  return order;
}

}  // namespace stx
