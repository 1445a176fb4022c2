// SPDX-License-Identifier: GPL-2.0-or-later
#include "compile_commands.h"

#include <nlohmann/json.hpp>

#include "restack/folder.h"

namespace restack {
namespace {

/// What C compilers only warn about, and what is wrong all the same.
constexpr const char* kErrors[] = {"-Werror=implicit-function-declaration",
                                   "-Werror=implicit-int",
                                   "-Werror=int-conversion",
                                   "-Werror=incompatible-pointer-types",
                                   "-Werror=return-type",
                                   "-Werror=format",
                                   "-Werror=redundant-decls",
                                   "-Werror=unused-variable",
                                   "-Werror=unused-function",
                                   "-Werror=unused-but-set-variable",
                                   "-Werror=uninitialized",
                                   "-Werror=missing-prototypes",
                                   "-Werror=discarded-qualifiers"};

/// Words of a compile command: quotes and backslashes as a shell reads them.
std::vector<std::string> Words(const std::string& command) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool open = false;
  for (size_t i = 0; i < command.size(); ++i) {
    char c = command[i];
    if (quote) {
      if (c == quote)
        quote = 0;
      else if (c == '\\' && quote == '"' && i + 1 < command.size())
        word += command[++i];
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      quote = c, open = true;
    } else if (c == '\\' && i + 1 < command.size()) {
      word += command[++i], open = true;
    } else if (c == ' ') {
      if (open) words.push_back(std::move(word)), word.clear(), open = false;
    } else {
      word += c, open = true;
    }
  }
  if (open) words.push_back(word);
  return words;
}

}  // namespace

Result<CompileCommands> ReadCompileCommands(
    const std::string& folder, const std::function<std::string(const std::string&)>& in_tree) {
  CompileCommands commands;
  Result<std::string> bytes = ReadFile(folder + "/compile_commands.json");
  if (!bytes) return bytes.error();
  nlohmann::json list = nlohmann::json::parse(*bytes, nullptr, false);
  if (!list.is_array()) return Error{folder + "/compile_commands.json: cannot be read"};
  for (const auto& entry : list) {
    std::string file = in_tree(entry.value("file", ""));
    if (file.empty() || commands.count(file)) continue;
    CompileCommand command{Words(entry.value("command", "")), entry.value("directory", folder)};
    // Only what the compiler needs to read the file: no output, no dependency file.
    std::vector<std::string> kept;
    for (size_t i = 0; i < command.arguments.size(); ++i) {
      const std::string& word = command.arguments[i];
      if (word == "-o" || word == "-MF" || word == "-MQ" || word == "-MT")
        ++i;
      else if (word != "-c" && word != "-MD" && word != "-MMD" && word != "ccache")
        kept.push_back(word);
    }
    // Compiled to nowhere: with -fsyntax-only GCC does not see what is unused or uninitialized.
    kept.insert(kept.end(), {"-S", "-o", "/dev/null", "-fdiagnostics-color=never"});
    kept.insert(kept.end(), std::begin(kErrors), std::end(kErrors));
    command.arguments = std::move(kept);
    commands[file] = std::move(command);
  }
  return commands;
}

}  // namespace restack
