// SPDX-License-Identifier: GPL-2.0-or-later
// What an exported series keeps beside its commits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "restack/patch.h"
#include "restack/result.h"
#include "trees/git_library.h"

namespace restack {

/// An author from "Name <mail>" and a day "YYYY-MM-DD"; restack's own without them.
GitSignature Signature(const std::string& from, const std::string& date);

/// The note of a commit, "" without one.
std::string Note(git_repository* repository, const git_oid& id);
Result<void> WriteNote(git_repository* repository, const git_oid& id, const std::string& text);

struct NoteRecord {
  std::string kind, name, bytes;  ///< kind: "series" or "patch"
};
/// A record as text of a note. Notes end in a newline and lose bytes of other kinds: the bytes are
/// kept as hexadecimal digits.
std::string PackNote(const std::string& kind, const std::string& name, std::string_view bytes);
std::vector<NoteRecord> UnpackNotes(const std::string& note);

/// A patch's head as the message of its commit, with a line that names the patch file: that line
/// stays when the commit is amended.
std::string Message(const Patch& patch);
/// The message without the line that names the patch, which goes to `name`.
std::string WithoutName(const std::string& message, std::string& name);

Result<GitRepository> OpenGitRepository(const std::string& path, bool make);

}  // namespace restack
