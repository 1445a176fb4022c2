// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/modules.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/os.h"

namespace stx {
namespace {
namespace fs = std::filesystem;

template <typename T>
std::string Raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// A minimal module: an ELF header, .modinfo, .shstrtab, three section headers.
std::string MakeFakeModule(const std::string& modinfo) {
  const std::string names("\0.modinfo\0.shstrtab\0", 20);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_type = ET_REL;
  header.e_machine = EM_X86_64;
  header.e_shoff = sizeof(header) + modinfo.size() + names.size();
  header.e_shnum = 3;
  header.e_shstrndx = 2;
  Elf64_Shdr none{}, info{}, strings{};
  info.sh_name = 1;
  info.sh_offset = sizeof(header);
  info.sh_size = modinfo.size();
  strings.sh_name = 10;
  strings.sh_offset = sizeof(header) + modinfo.size();
  strings.sh_size = names.size();
  return Raw(header) + modinfo + names + Raw(none) + Raw(info) + Raw(strings);
}

std::string Depends(const std::string& list) {
  std::string text = "license=GPL depends=" + list + " alias=x:y alias=z ";
  for (char& c : text)
    if (c == ' ') c = '\0';
  return MakeFakeModule(text);
}

class Modules : public testing::Test {
 protected:
  Modules() {
    fs::create_directories(root_ / "kernel/sub");
    WriteFile(root_ / "modules.builtin", "kernel/fs/ext4.ko\nkernel/lib/crc-16.ko\n");
    Add("top", "mid-b,mid_a");
    Add("mid_a", "base,ext4");
    Add("mid-b", "base");
    Add("base", "");
  }
  void Add(const std::string& name, const std::string& depends) {
    WriteFile(root_ / "kernel/sub" / (name + ".ko"), Depends(depends));
  }
  std::vector<std::string> Names(const std::vector<std::string>& wanted,
                                 const std::vector<std::string>& optional = {}) {
    std::vector<std::string> names;
    for (const Module& module : ModuleTree(dir_.path()).Closure(wanted, optional))
      names.push_back(module.name);
    return names;
  }
  std::string GetRefusal(const std::vector<std::string>& wanted) {
    try {
      Names(wanted);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "";
  }

  TempDir dir_;
  fs::path root_ = dir_ / "lib/modules/6.1.0-test";
};

TEST_F(Modules, ModuleInfoHasEveryValueOfAKey) {
  EXPECT_EQ(ReadModuleInfo(Depends("a,b"), "alias"), (std::vector<std::string>{"x:y", "z"}));
  EXPECT_EQ(ReadModuleInfo(Depends("a,b"), "depends"), std::vector<std::string>{"a,b"});
}

TEST_F(Modules, EachComesOnceAndAfterItsDependencies) {
  EXPECT_EQ(Names({"top", "base"}), (std::vector<std::string>{"base", "mid_b", "mid_a", "top"}));
}

TEST_F(Modules, BuiltInOnesNeedNoFile) {
  EXPECT_EQ(Names({"ext4", "crc_16"}), std::vector<std::string>{});
}

TEST_F(Modules, OptionalOnesAreTakenWhereTheyAre) {
  EXPECT_EQ(Names({}, {"nothere", "base"}), std::vector<std::string>{"base"});
}

TEST_F(Modules, MissingModuleIsNamed) {
  EXPECT_EQ(GetRefusal({"virtiofs"}), "kernel 6.1.0-test has no module virtiofs");
}

TEST_F(Modules, MissingDependencyIsNamedWithTheOneThatWantsIt) {
  fs::remove(root_ / "kernel/sub/base.ko");
  EXPECT_EQ(GetRefusal({"mid_a"}), "kernel 6.1.0-test has no module base, which mid_a depends on");
}

TEST_F(Modules, DamagedModuleIsNamed) {
  std::string whole = Depends("");
  for (const std::string& bytes : {whole.substr(0, whole.size() - 1), whole.substr(0, 70),
                                   std::string("text"), std::string()}) {
    WriteFile(root_ / "kernel/sub/base.ko", bytes);
    EXPECT_NE(GetRefusal({"top"}).find("sub/base.ko: "), std::string::npos) << bytes.size();
  }
}

TEST_F(Modules, SignatureIsTakenOff) {
  const std::string magic = "~Module signature appended~\n";
  const std::string info("\0\0\2\0\0\0\0\0\0\0\1\5", 12);
  EXPECT_EQ(StripSignature("module" + std::string(0x105, 's') + info + magic), "module");
  EXPECT_EQ(StripSignature("unsigned"), "unsigned");
  EXPECT_THROW(StripSignature("module" + info + magic), std::runtime_error);
}

TEST_F(Modules, TwoReleasesAreRefused) {
  fs::create_directories(dir_ / "lib/modules/6.2");
  EXPECT_NE(GetRefusal({}).find("more than one kernel release"), std::string::npos);
}

TEST_F(Modules, FolderWithoutKernelIsRefused) {
  EXPECT_THROW(ModuleTree(dir_ / "lib"), std::runtime_error);
}

}  // namespace
}  // namespace stx
