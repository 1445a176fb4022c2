// SPDX-License-Identifier: GPL-2.0-or-later
// The DEP-3 parser: fields and other text together are the header; a field that is set reads back.
#include <string>

#include "fuzz.h"
#include "restack/dep3.h"

using namespace restack;
using fuzz::Must;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view header = fuzz::Bytes(data, size);
  Dep3 dep3 = ParseDep3(header);
  dep3.Summary();
  size_t at = 0;
  std::string text;
  for (const Dep3Field& field : dep3.fields) {
    Must(field.begin >= at && field.end > field.begin && field.end <= header.size(), "in order");
    text += header.substr(at, field.begin - at);
    at = field.end;
    Must(dep3.Find(field.name) != nullptr, "a field is found by its name");
  }
  text += header.substr(at);
  Must(text == dep3.text, "what is in no field is the other text");
  for (const Dep3Field& field : dep3.fields) {
    std::string set = SetField(header, field.name, "one\ntwo");
    Dep3 again = ParseDep3(set);
    const Dep3Field* found = again.Find(field.name);
    Must(found && found->value == "one\ntwo", "a value that was set reads back");
    Must(again.fields.size() == dep3.fields.size(), "no other field comes or goes");
    Must(again.text == dep3.text, "nothing else changes");
  }
  Must(SetField(header, "No-Such-Field-Anywhere", "x") == header ||
           dep3.Find("No-Such-Field-Anywhere"),
       "a field that is not there is not made");
  return 0;
}
