// SPDX-License-Identifier: GPL-2.0-or-later
// The ACPI tables that firmware leaves in guest memory (ACPI 6.4, section 5.2) for the guest's
// kernel.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "harness/qemu/qtest.h"

namespace stx {

class AcpiTables {
 public:
  /// Reads `size` bytes at a guest-physical address.
  using Reader = std::function<std::string(uint64_t address, uint64_t size)>;

  /// Finds the root pointer in the BIOS area and reads all tables from there. Throws if there is no
  /// root pointer or if a checksum is wrong.
  explicit AcpiTables(const Reader& read);
  /// Reads through the qtest socket of a machine that runs (QemuOptions::running).
  explicit AcpiTables(QTest& qtest);

  /// All complete tables with that signature ("FACP", "DSDT", "NFIT").
  const std::vector<std::string>& operator[](const std::string& signature) const;
  /// The only table with that signature. Throws if there are none or several.
  const std::string& GetOnly(const std::string& signature) const;
  /// "APIC DSDT FACP ...".
  std::string ListSignatures() const;
  /// Whether the byte code of the DSDT or of an SSDT contains the four-letter name.
  bool HasName(const std::string& name) const;

 private:
  void Add(const Reader& read, uint64_t address);

  std::map<std::string, std::vector<std::string>> tables_;
};

}  // namespace stx
