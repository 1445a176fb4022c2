// SPDX-License-Identifier: GPL-2.0-or-later
// The ACPI tables as firmware leaves them in guest memory (ACPI 6.4, section 5.2): what the guest's
// kernel will read.
#pragma once

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

  /// Finds the root pointer in the BIOS area and reads everything from there. Throws when there is
  /// none, or a checksum is wrong.
  explicit AcpiTables(const Reader& read);
  /// Through the socket of a machine that runs (QemuOptions::running).
  explicit AcpiTables(QTest& qtest);

  /// All tables with that signature ("FACP", "DSDT", "NFIT"), whole.
  const std::vector<std::string>& operator[](const std::string& signature) const;
  /// The only one; throws when there are more or fewer.
  const std::string& One(const std::string& signature) const;
  /// "APIC DSDT FACP ...".
  std::string Signatures() const;
  /// True when the byte code of the DSDT or of an SSDT has the four-letter name.
  bool Names(const std::string& name) const;

 private:
  void Add(const Reader& read, uint64_t address);

  std::map<std::string, std::vector<std::string>> tables_;
};

}  // namespace stx
