// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/mkguest/guest_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <sys/stat.h>

#include <memory>
#include <stdexcept>

#include "base/os.h"

namespace stx {
namespace fs = std::filesystem;

namespace {

/// What a person types at guestd.shell; other applets can be called as "busybox NAME".
constexpr const char* kApplets[] = {
    "sh",    "cat",    "chmod", "cp",        "dd",    "df",       "dmesg", "echo", "env",
    "free",  "grep",   "head",  "hexdump",   "id",    "ifconfig", "ip",    "kill", "ls",
    "lspci", "md5sum", "mkdir", "more",      "mount", "mv",       "nc",    "ping", "ping6",
    "ps",    "rm",     "sed",   "sha256sum", "sleep", "sync",     "tail",  "time", "top",
    "true",  "umount", "uname", "uptime",    "vi",    "wc"};

bool IsStatic(const std::string& elf) {
  if (elf.size() < sizeof(Elf64_Ehdr) || elf.compare(0, SELFMAG, ELFMAG) != 0)
    throw std::runtime_error("not an ELF program");
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(elf.data());
  for (uint64_t i = 0; i < header->e_phnum; i++) {
    uint64_t at = header->e_phoff + i * sizeof(Elf64_Phdr);
    if (at + sizeof(Elf64_Phdr) > elf.size()) throw std::runtime_error("cut short");
    if (reinterpret_cast<const Elf64_Phdr*>(elf.data() + at)->p_type == PT_INTERP) return false;
  }
  return true;
}

/// A guest has no libraries, so a dynamic program could not even print a message.
std::string ReadStaticProgram(const fs::path& path) {
  std::string elf = ReadFile(path);
  try {
    if (IsStatic(elf)) return elf;
  } catch (const std::exception& error) {
    throw std::runtime_error(path.string() + ": " + error.what());
  }
  throw std::runtime_error(path.string() + " is not linked statically; the guest has no libraries");
}

}  // namespace

std::vector<GuestFile> MakeGuestTree(const fs::path& guestd, const fs::path& busybox,
                                     const std::string& id) {
  std::vector<GuestFile> tree;
  for (const char* folder :
       {"bin", "dev", "etc", "proc", "root", "run", "sbin", "share", "sys", "tmp"})
    tree.push_back({folder, GuestFile::kFolder, ""});
  tree.push_back({"sbin/init", GuestFile::kFile, ReadStaticProgram(guestd)});
  tree.push_back({"guest-id", GuestFile::kFile, id + "\n", 0644});
  tree.push_back(
      {"etc/os-release", GuestFile::kFile,
       "ID=stx-guest\nNAME=\"stx-qemu test guest\"\nPRETTY_NAME=\"stx-qemu test guest\"\n", 0644});
  if (busybox.empty()) return tree;
  tree.push_back({"bin/busybox", GuestFile::kFile, ReadStaticProgram(busybox)});
  for (const char* applet : kApplets)
    tree.push_back({"bin/" + std::string(applet), GuestFile::kLink, "busybox"});
  return tree;
}

void AddStageOne(const std::vector<Module>& modules, std::vector<GuestFile>* tree) {
  tree->push_back({"init", GuestFile::kLink, "sbin/init"});
  tree->push_back({"modules", GuestFile::kFolder, ""});
  std::string list;
  for (const Module& module : modules) {
    std::string elf = ReadFile(module.path);
    tree->push_back({"modules/" + module.name + ".ko", GuestFile::kFile,
                     std::string(StripSignature(elf)), 0644});
    list += module.name + "\n";
  }
  tree->push_back({"modules/list", GuestFile::kFile, list, 0644});
}

std::string MakeCpio(const std::vector<GuestFile>& tree) {
  size_t room = 1 << 16;
  for (const GuestFile& node : tree) room += node.content.size() + node.path.size() + 512;
  std::string bytes(room, '\0');
  size_t used = 0;
  std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), archive_write_free);
  std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                 archive_entry_free);
  auto check = [&](la_ssize_t result) {
    if (result < ARCHIVE_OK)
      throw std::runtime_error(std::string("cannot make the initramfs: ") +
                               archive_error_string(writer.get()));
  };
  check(archive_write_set_format_cpio_newc(writer.get()));
  check(archive_write_open_memory(writer.get(), bytes.data(), bytes.size(), &used));
  la_int64_t inode = 1;
  for (const GuestFile& node : tree) {
    archive_entry_clear(entry.get());
    archive_entry_set_pathname(entry.get(), node.path.c_str());
    archive_entry_set_ino64(entry.get(), inode++);
    archive_entry_set_nlink(entry.get(), 1);
    archive_entry_set_mtime(entry.get(), 0, 0);
    archive_entry_set_mode(entry.get(), node.mode | (node.kind == GuestFile::kFolder ? S_IFDIR
                                                     : node.kind == GuestFile::kLink ? S_IFLNK
                                                                                     : S_IFREG));
    if (node.kind == GuestFile::kLink) archive_entry_set_symlink(entry.get(), node.content.c_str());
    bool file = node.kind == GuestFile::kFile;
    archive_entry_set_size(entry.get(), file ? static_cast<la_int64_t>(node.content.size()) : 0);
    check(archive_write_header(writer.get(), entry.get()));
    if (file) check(archive_write_data(writer.get(), node.content.data(), node.content.size()));
  }
  check(archive_write_close(writer.get()));
  bytes.resize(used);
  return bytes;
}

}  // namespace stx
