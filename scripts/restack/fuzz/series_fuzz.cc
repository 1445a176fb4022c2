// SPDX-License-Identifier: GPL-2.0-or-later
// The series parser: any bytes are refused with a message or print as they were.
#include "fuzz.h"
#include "restack/series.h"

using namespace restack;
using fuzz::Must;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes = fuzz::Bytes(data, size);
  Result<SeriesFile> series = ParseSeries(bytes, "series");
  if (!series) {
    Must(series.error().message.starts_with("series:"), "an error names the file and line");
    return 0;
  }
  Must(Print(*series) == bytes, "printing gives the same bytes");
  for (const SeriesEntry& entry : series->entries) {
    Must(entry.strip >= 0, "as many folders as a path may have");
    Must(entry.patch.find_first_of(" \t\n") == std::string::npos, "a name is one word");
    Must(entry.raw.find(entry.patch) != std::string::npos, "the name is in its line");
  }
  return 0;
}
