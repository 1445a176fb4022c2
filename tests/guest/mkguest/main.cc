// SPDX-License-Identifier: GPL-2.0-or-later
// mkguest makes what a test guest boots from, using Debian's packages and guestd.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "base/os.h"
#include "guest/mkguest/guest_tree.h"
#include "guest/mkguest/kernel_image.h"
#include "guest/mkguest/output.h"
#include "guest/mkguest/root_image.h"

namespace stx {
namespace {
namespace fs = std::filesystem;

struct Arguments {
  fs::path kernel, guestd, busybox, output;
  std::string id = "stx-guest";
};

/// boot/vmlinuz-RELEASE of an unpacked kernel package, or the file itself.
fs::path FindBzImage(const fs::path& kernel) {
  if (!fs::is_directory(kernel)) return kernel;
  fs::path found;
  if (fs::is_directory(kernel / "boot"))
    for (const auto& entry : fs::directory_iterator(kernel / "boot"))
      if (entry.path().filename().string().starts_with("vmlinuz-")) found = entry.path();
  if (found.empty()) throw std::runtime_error(kernel.string() + " has no boot/vmlinuz-RELEASE");
  return found;
}

void MakeInitrd(const Arguments& arguments) {
  auto modules = ModuleTree(arguments.kernel).Closure(kGuestModules, kOptionalGuestModules);
  auto tree = MakeGuestTree(arguments.guestd, arguments.busybox, arguments.id);
  AddStageOne(modules, &tree);
  AtomicOutput output(arguments.output);
  output.Write(MakeCpio(tree));
  output.Commit();
}

void MakeVmlinux(const Arguments& arguments) {
  fs::path bzimage = FindBzImage(arguments.kernel);
  std::string elf;
  try {
    elf = ExtractVmlinux(ReadFile(bzimage));
    FindPvhEntry(elf);
  } catch (const std::exception& error) {
    throw std::runtime_error(bzimage.string() + ": " + error.what());
  }
  AtomicOutput output(arguments.output);
  output.Write(elf);
  output.Commit();
}

void MakeImage(const Arguments& arguments) {
  AtomicOutput output(arguments.output);
  WriteRootImage(MakeGuestTree(arguments.guestd, arguments.busybox, arguments.id),
                 output.temporary());
  output.Commit();
}

int Main(int argc, char** argv) {
  CLI::App app{"Makes what a test guest boots from. Outputs appear whole or not at all."};
  app.require_subcommand(1);
  Arguments arguments;
  auto add = [&](const char* name, const char* text, void (*make)(const Arguments&)) {
    CLI::App* command = app.add_subcommand(name, text);
    command->add_option("-o,--output", arguments.output, "The file to make")->required();
    command->callback([&arguments, make] { make(arguments); });
    return command;
  };
  auto add_kernel = [&](CLI::App* command, const char* text) {
    command->add_option("--kernel", arguments.kernel, text)->required()->check(CLI::ExistingPath);
  };
  auto add_tree = [&](CLI::App* command) {
    command->add_option("--guestd", arguments.guestd, "The guestd binary")
        ->required()
        ->check(CLI::ExistingFile);
    command
        ->add_option("--busybox", arguments.busybox, "A static busybox, for a shell in the guest")
        ->check(CLI::ExistingFile);
    command->add_option(
        "--id", arguments.id,
        "Text of /guest-id, which guestd's info shows: proves which file was booted");
  };
  auto* initrd =
      add("initrd",
          "An uncompressed initramfs: guestd and the modules of contract 1.1 and 1.2 in "
          "loading order. With no root= on the kernel command line it is the whole guest.",
          MakeInitrd);
  add_kernel(initrd, "An unpacked kernel package (dpkg -x): lib/modules/RELEASE");
  add_tree(initrd);
  auto* image = add("image",
                    "A root image of 128 MiB (sparse) in Kata's layout: root=/dev/pmem0p1 on an "
                    "nvdimm, with DAX, and root=/dev/vda1 on virtio-blk.",
                    MakeImage);
  add_tree(image);
  auto* vmlinux =
      add("vmlinux", "The uncompressed kernel, entered through PVH as Kata's is.", MakeVmlinux);
  add_kernel(vmlinux, "A bzImage, or an unpacked kernel package: boot/vmlinuz-RELEASE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return 0;
}

}  // namespace
}  // namespace stx

int main(int argc, char** argv) try {
  return stx::Main(argc, argv);
} catch (const std::exception& error) {
  std::fprintf(stderr, "mkguest: %s\n", error.what());
  return 1;
}
