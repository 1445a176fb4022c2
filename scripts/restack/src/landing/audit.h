// SPDX-License-Identifier: GPL-2.0-or-later
// What a careful reviewer asks of landed hunks: the file as it was made and as the patch makes it,
// beside the target's file as it is and as it would be.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "side.h"

namespace restack {

/// One hunk that is landed in the file.
struct AuditedHunk {
  size_t index;  ///< of its verdict
  const PlacedHunk* hunk;
  std::vector<const Replacement*> parts;  ///< those in this file
  bool whole = true;                      ///< no part of it is in another file
  bool conflict = false;                  ///< the landed part of a conflict
};

/// A line that a hunk which is not landed would add to a file of the target.
struct OpenLine {
  std::string_view line;
  const Side* target;
};

/// All hunks of a patch that are landed in one file of the target.
struct AuditedFile {
  const Side* base;  ///< as the hunks were made on
  Text after;        ///< with all of the patch
  const Side* target;
  std::vector<AuditedHunk> hunks;
  std::set<std::string> open;  ///< words that conflicts of the patch would add to the file
  /// Words of all hunks of the patch that are not landed, without those that only need an edit.
  std::set<std::string> patch_open;
  std::vector<OpenLine> open_lines;  ///< of all hunks of the patch
  std::set<std::string> used;  ///< words that a landed hunk of the patch adds and does not define
  bool others_open = false;    ///< some hunk of the patch in the base's file is not landed
  bool others_need_edit = false;  ///< one of these only needs an edit
};

/// What a tree defines; for names that a hunk uses.
struct Names {
  std::function<bool(const std::string&function)> in_base, in_target;
  /// Files of the target that define it.
  std::function<std::vector<std::string>(const std::string& function)> files;
};

struct Finding {
  bool upstream = false;  ///< the target has all of the hunk; else it is a conflict
  std::string reason;
  bool needs_edit = false;  ///< of a conflict, as in Landing
};

/// By the index of the hunk's verdict; hunks against which nothing speaks have no entry.
std::map<size_t, Finding> Audit(const AuditedFile& file, const Names& names);

}  // namespace restack
