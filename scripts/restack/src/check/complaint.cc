// SPDX-License-Identifier: GPL-2.0-or-later
#include "complaint.h"

#include <cctype>
#include <cstdlib>

#include "restack/text.h"

namespace restack {

void ReadComplaints(const std::string& output, const char* mark,
                    const std::function<std::string(const std::string&)>& in_tree,
                    std::vector<Complaint>& complaints) {
  for (std::string_view view : SplitLines(output)) {
    std::string line(Trim(view));
    size_t at = mark ? line.find(mark) : 0;
    if (at == std::string::npos || StartsWith(line, "In file included from")) continue;
    size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 1 >= line.size() ||
        !std::isdigit(static_cast<unsigned char>(line[colon + 1])))
      continue;
    std::string file = line.substr(0, colon);
    while (!file.empty() && file.rfind(' ') != std::string::npos)
      file = file.substr(file.rfind(' ') + 1);
    Complaint complaint{in_tree(file), static_cast<size_t>(std::atol(line.c_str() + colon + 1)),
                        line};
    size_t text = line.find(mark ? mark : ": ", colon);
    if (text != std::string::npos) complaint.message = line.substr(text + (mark ? 0 : 2));
    if (!complaint.file.empty()) complaints.push_back(std::move(complaint));
  }
}

std::string LastLine(const std::string& output) {
  std::string last;
  for (std::string_view line : SplitLines(output))
    if (line.find("rror") != std::string_view::npos)
      return std::string(Trim(line));
    else if (!IsBlank(line))
      last = Trim(line);
  return last;
}

}  // namespace restack
