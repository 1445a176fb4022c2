// SPDX-License-Identifier: GPL-2.0-or-later
#include "harness/qemu/acpi_tables.h"

#include <numeric>
#include <stdexcept>

#include "base/load.h"

namespace stx {
namespace {

constexpr uint64_t kBiosArea = 0xe0000, kBiosAreaSize = 0x20000;
constexpr size_t kHeader = 36;

void CheckSum(std::string_view bytes, const std::string& what) {
  const unsigned sum = std::accumulate(bytes.begin(), bytes.end(), 0u, [](unsigned all, char byte) {
    return all + static_cast<unsigned char>(byte);
  });
  if (sum & 0xff) throw std::runtime_error("ACPI: the checksum of " + what + " is wrong");
}

std::string FromQTest(QTest& qtest, uint64_t address, uint64_t size) {
  const std::vector<uint8_t> bytes = qtest.MemRead(address, size);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

AcpiTables::AcpiTables(QTest& qtest)
    : AcpiTables([&](uint64_t address, uint64_t size) { return FromQTest(qtest, address, size); }) {
}

AcpiTables::AcpiTables(const Reader& read) {
  const std::string area = read(kBiosArea, kBiosAreaSize);
  size_t root = std::string::npos;
  for (size_t at = 0; at < area.size() && root == std::string::npos; at += 16)
    if (area.compare(at, 8, "RSD PTR ") == 0) root = at;
  if (root == std::string::npos) throw std::runtime_error("ACPI: no root pointer");
  CheckSum(area.substr(root, 20), "the root pointer");
  // Revision 2 has a 64-bit pointer to an XSDT; revision 0 has a 32-bit pointer to an RSDT.
  const bool wide = area.at(root + 15) >= 2;
  const uint64_t list_at = wide ? LoadAt<uint64_t>(area, root + 24, "the root pointer")
                                : LoadAt<uint32_t>(area, root + 16, "the root pointer");
  Add(read, list_at);
  const std::string list = GetOnly(wide ? "XSDT" : "RSDT");
  for (size_t at = kHeader; at < list.size(); at += wide ? 8 : 4)
    Add(read, wide ? LoadAt<uint64_t>(list, at, "XSDT") : LoadAt<uint32_t>(list, at, "RSDT"));
  const std::string& fixed = GetOnly("FACP");
  uint64_t dsdt = LoadAt<uint32_t>(fixed, 40, "FACP");
  if (dsdt == 0) dsdt = LoadAt<uint64_t>(fixed, 140, "FACP");
  Add(read, dsdt);
}

void AcpiTables::Add(const Reader& read, uint64_t address) {
  const std::string header = read(address, kHeader);
  const auto length = LoadAt<uint32_t>(header, 4, "an ACPI table");
  if (length < kHeader || length > 4 << 20)
    throw std::runtime_error("ACPI: a table of " + std::to_string(length) + " bytes");
  std::string table = read(address, length);
  CheckSum(table, table.substr(0, 4));
  tables_[table.substr(0, 4)].push_back(std::move(table));
}

const std::vector<std::string>& AcpiTables::operator[](const std::string& signature) const {
  static const std::vector<std::string> none;
  const auto found = tables_.find(signature);
  return found == tables_.end() ? none : found->second;
}

const std::string& AcpiTables::GetOnly(const std::string& signature) const {
  const auto& all = (*this)[signature];
  if (all.size() != 1)
    throw std::runtime_error("ACPI: " + std::to_string(all.size()) + " tables " + signature +
                             "; there are: " + ListSignatures());
  return all[0];
}

std::string AcpiTables::ListSignatures() const {
  std::string text;
  for (const auto& [signature, tables] : tables_)
    for (size_t i = 0; i < tables.size(); ++i) text += (text.empty() ? "" : " ") + signature;
  return text;
}

bool AcpiTables::HasName(const std::string& name) const {
  for (const char* signature : {"DSDT", "SSDT"})
    for (const std::string& table : (*this)[signature])
      if (table.find(name, kHeader) != std::string::npos) return true;
  return false;
}

}  // namespace stx
