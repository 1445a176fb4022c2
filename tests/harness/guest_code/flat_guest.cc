// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/guest_code/flat_guest.h"

#include <stdexcept>

#include "base/load.h"
#include "harness/guest_code/firmware.h"
#include "harness/guest_code/guest_code.h"

DECLARE_GUEST_CODE(flat_start);
extern "C" const char guest_flat_others_end[], guest_flat_no_handler[];

namespace stx {
namespace {

constexpr size_t kRam = 0x1000;  // copied to FlatGuest::kBegin
constexpr uint32_t kFirmware = 0xf0000, kNoHandlerCount = FlatGuest::kReport + 0xffc;
constexpr int kVectors = 256;
constexpr size_t kRamSize = 4 << 20;
constexpr char kRamFile[] = "ram";

}  // namespace

FlatGuest::FlatGuest(uint8_t cpus) : cpus_(cpus), image_(MakeFirmware(GUEST_CODE(flat_start))) {
  image_[static_cast<size_t>(guest_flat_others_end - guest_flat_start) - 1] =
      static_cast<char>(cpus - 1);
  const auto no_handler =
      kFirmware + static_cast<uint32_t>(guest_flat_no_handler - guest_flat_start);
  for (int vector = 0; vector < kVectors; ++vector)
    SetHandler(static_cast<uint8_t>(vector), no_handler);
}

void FlatGuest::Put(uint32_t address, std::string_view bytes) {
  if (address < kBegin || address > kEnd || bytes.size() > kEnd - address)
    throw std::runtime_error("not the guest's RAM: " + std::to_string(address));
  image_.replace(kRam + address - kBegin, bytes.size(), bytes);
}

void FlatGuest::SetHandler(uint8_t vector, uint32_t handler) {
  const struct {
    uint16_t low, selector, type, high;
  } gate{static_cast<uint16_t>(handler), kCodeSelector, 0x8e00,
         static_cast<uint16_t>(handler >> 16)};
  Put(kIdt + vector * sizeof(gate), gate);
}

QemuOptions FlatGuest::MakeOptions() {
  WriteFile(dir_ / "firmware", image_);
  WriteFile(dir_ / kRamFile, std::string(kRamSize, '\0'));
  QemuOptions options;
  options.args = {
      "-machine",
      "q35,memory-backend=ram",
      "-object",
      "memory-backend-file,id=ram,share=on,size=4M,mem-path=" + (dir_ / kRamFile).string(),
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      "max",
      "-smp",
      std::to_string(cpus_),
      "-m",
      "4",
      "-nodefaults",
      "-display",
      "none",
      "-bios",
      (dir_ / "firmware").string()};
  return options;
}

std::string FlatGuest::ReadPage() const {
  const std::string page = ReadFile(dir_ / kRamFile).substr(kReport, kReportSize);
  if (LoadAt<uint32_t>(page, kNoHandlerCount - kReport, "the report") != 0)
    throw std::runtime_error("the guest got an interrupt or exception that has no handler");
  return page;
}

}  // namespace stx
