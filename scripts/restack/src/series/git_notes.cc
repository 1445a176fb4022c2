// SPDX-License-Identifier: GPL-2.0-or-later
#include "git_notes.h"

#include <algorithm>
#include <ctime>

#include "restack/dep3.h"
#include "restack/text.h"

namespace restack {
namespace {

constexpr const char* kNotes = "refs/notes/restack";
constexpr std::string_view kNameLine = "Restack-Patch: ";

}  // namespace

GitSignature Signature(const std::string& from, const std::string& date) {
  std::string name = "restack", mail = "restack@localhost";
  size_t open = from.find('<'), close = from.find('>');
  if (open != std::string::npos && close != std::string::npos && open < close) {
    std::string_view who = Trim(std::string_view(from).substr(0, open));
    if (!who.empty()) name = who;
    mail = from.substr(open + 1, close - open - 1);
  }
  std::tm day = {};
  git_time_t time = 0;
  if (strptime(date.c_str(), "%Y-%m-%d", &day))
    time = timegm(&day);  // the same series gives the same commits
  git_signature* raw = nullptr;
  if (git_signature_new(&raw, name.c_str(), mail.c_str(), time, 0) != 0)
    git_signature_new(&raw, "restack", "restack@localhost", time, 0);
  return GitSignature(raw);
}

std::string Note(git_repository* repository, const git_oid& id) {
  git_note* raw = nullptr;
  if (git_note_read(&raw, repository, kNotes, &id) != 0) return {};
  GitOwner<git_note, git_note_free> note(raw);
  return git_note_message(raw);
}

std::string PackNote(const std::string& kind, const std::string& name, std::string_view bytes) {
  std::string text = kind + " " + name + "\n";
  constexpr char kDigits[] = "0123456789abcdef";
  for (unsigned char c : bytes) text += kDigits[c >> 4], text += kDigits[c & 15];
  return text + "\n";
}

std::vector<NoteRecord> UnpackNotes(const std::string& note) {
  std::vector<NoteRecord> records;
  Lines lines = SplitLines(note);
  for (size_t i = 0; i + 1 < lines.size(); i += 2) {
    std::string_view head = lines[i].substr(0, lines[i].size() - 1);
    size_t space = head.find(' ');
    if (space == std::string_view::npos) return records;
    NoteRecord record{std::string(head.substr(0, space)), std::string(head.substr(space + 1)), {}};
    auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string_view digits = lines[i + 1];
    for (size_t at = 0; at + 1 < digits.size() && digits[at] != '\n'; at += 2)
      record.bytes += static_cast<char>(digit(digits[at]) * 16 + digit(digits[at + 1]));
    records.push_back(std::move(record));
  }
  return records;
}

std::string Message(const Patch& patch) {
  std::string summary = ParseDep3(patch.header).Summary();
  std::string message = (summary.empty() ? patch.name : summary) + "\n\n" + patch.header;
  std::replace(message.begin(), message.end(), '\0', ' ');  // git's messages end at one
  if (!EndsWith(message, "\n")) message += "\n";
  return message + std::string(kNameLine) + patch.name + "\n";
}

std::string WithoutName(const std::string& message, std::string& name) {
  std::string rest;
  for (std::string_view line : SplitLines(message)) {
    if (StartsWith(line, kNameLine))
      name = Trim(line.substr(kNameLine.size()));
    else
      rest += line;
  }
  return rest;
}

Result<void> WriteNote(git_repository* repository, const git_oid& id, const std::string& text) {
  GitSignature who = Signature("", "");
  git_oid note;
  if (git_note_create(&note, repository, kNotes, who.get(), who.get(), &id, text.c_str(), 1) != 0)
    return NotWritten(repository);
  return {};
}

Result<GitRepository> OpenGitRepository(const std::string& path, bool make) {
  git_repository* raw = nullptr;
  if (git_repository_open(&raw, path.c_str()) == 0) return GitRepository(raw);
  if (!make || git_repository_init(&raw, path.c_str(), 0) != 0) return GitError(path);
  return GitRepository(raw);
}

}  // namespace restack
