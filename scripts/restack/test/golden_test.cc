// SPDX-License-Identifier: GPL-2.0-or-later
// Every case of cases/ through the engine.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "golden_case.h"
#include "landing/function_index.h"
#include "restack/dep3.h"
#include "restack/folder.h"
#include "restack/graph.h"
#include "restack/maps.h"
#include "restack/rebase.h"
#include "restack/semantic.h"

namespace restack::golden {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(RESTACK_CASES))
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

/// A folder that is gone with the test.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "restack-golden-XXXXXX").string();
    path_ = mkdtemp(name.data()) ? name : "";
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A tree that knows where functions are defined, as the store's trees do.
class IndexedTree : public MemoryTree {
 public:
  using MemoryTree::MemoryTree;
  std::vector<std::string> FilesDefining(const std::string& function) const override {
    std::vector<std::string> entries, found;
    for (const std::string& path : Paths())
      IndexFunctions(path, (*Read(path))->text.bytes(), entries);
    for (const std::string& entry : entries)
      if (StartsWith(entry, function + "\t"))
        found.push_back(entry.substr(function.size() + 1, entry.size() - function.size() - 2));
    return found;
  }
};

std::shared_ptr<MemoryTree> TreeOf(const Case& it, const std::string& word) {
  auto tree = std::make_shared<IndexedTree>(nullptr, word);
  for (const Section* section : it.All(word))
    tree->Write(section->arguments.at(0), FileOf(*section));
  return tree;
}

Result<Series> SeriesOf(const Case& it) {
  MemoryTree tree(nullptr, "patches");
  std::string list;
  for (const Section* patch : it.All("patch")) {
    list += patch->arguments.at(0) + "\n";
    tree.Write(patch->arguments[0], {FileOf(*patch).text});
  }
  if (const Section* section = it.One("series")) list = section->text;
  tree.Write("series", {Text(list)});
  Result<Series> series = ReadSeries(tree);
  if (!series) return series.error();
  EXPECT_EQ(Print(series->file), list);
  for (size_t i = 0; i < series->patches.size(); ++i)
    EXPECT_EQ(Print(series->patches[i]), series->originals[i].view())
        << "parse and print: the same bytes";
  return series;
}

/// A build folder for the target whose commands are the compiler's own.
Result<void> Compile(const Case& it, const Tree& target, RebaseOutcome& outcome) {
  Folder folder;
  BuildTree build{folder.path() + "/tree", folder.path() + "/build", ""};
  for (const std::string& path : target.Paths())
    if (auto done = WriteFile(build.tree + "/" + path, (*target.Read(path))->text.bytes()); !done)
      return done;
  nlohmann::json commands = nlohmann::json::array();
  for (std::string_view line : SplitLines(it.One("compile")->text)) {
    std::string file = build.tree + "/" + std::string(Trim(line));
    commands.push_back({{"directory", build.build},
                        {"file", file},
                        {"command", "cc -Wall -Werror -I" + build.tree + " -I" + build.tree +
                                        "/include -I. -o out.o -c " + file}});
  }
  std::string rule = "rule CUSTOM_COMMAND\n  command = true\nbuild build.ninja: phony\n";
  if (const Section* generator = it.One("generator")) {
    if (auto done = WriteFile(build.build + "/generate", generator->text); !done) return done;
    rule =
        "rule CUSTOM_COMMAND\n  command = sh generate $in >$out\nbuild build.ninja: phony\nbuild " +
        generator->arguments.at(1) + ": CUSTOM_COMMAND " + build.tree + "/" +
        generator->arguments.at(0) + "\n";
  }
  if (auto done = WriteFile(build.build + "/build.ninja", rule); !done) return done;
  if (auto done = WriteFile(build.build + "/compile_commands.json", commands.dump()); !done)
    return done;
  return CheckLanded(build, target, outcome, {});
}

void JudgeHunk(const HunkVerdict& hunk, const Expected& expected) {
  EXPECT_EQ(hunk.file, expected.file);
  EXPECT_EQ(hunk.number, expected.number);
  EXPECT_EQ(Name(hunk.grade), expected.grade);
  if (!expected.check.empty()) {
    EXPECT_EQ(Name(hunk.check), expected.check);
  }
  std::string place = hunk.line == 0 ? "" : hunk.target + ":" + std::to_string(hunk.line);
  EXPECT_EQ(place, expected.place);
  std::string said = hunk.reason + " | " + hunk.check_says;
  for (const std::string& words : expected.words)
    EXPECT_NE(said.find(words), std::string::npos) << "the reason lacks \"" << words << "\"";
}

void JudgeVerdict(const Case& it, const SeriesVerdict& verdict) {
  std::vector<std::pair<std::string, const HunkVerdict*>> hunks;
  for (const PatchVerdict& patch : verdict.patches)
    for (const HunkVerdict& hunk : patch.hunks) hunks.push_back({patch.name, &hunk});
  const Section* section = it.One("verdict");
  ASSERT_TRUE(section) << "a case that is landed has one verdict section";
  size_t at = 0;
  for (std::string_view line : SplitLines(section->text)) {
    if (IsBlank(line)) continue;
    Result<Expected> expected = ReadExpected(std::string(Trim(line)));
    ASSERT_TRUE(expected) << expected.error().message;
    ASSERT_LT(at, hunks.size()) << "no verdict is left for: " << line;
    SCOPED_TRACE(hunks[at].first + " " + hunks[at].second->file + " #" +
                 std::to_string(hunks[at].second->number) + ": " + hunks[at].second->reason +
                 " | " + hunks[at].second->check_says);
    EXPECT_EQ(hunks[at].first, expected->patch);
    JudgeHunk(*hunks[at].second, *expected);
    ++at;
  }
  EXPECT_EQ(at, hunks.size()) << "a hunk has no line in the verdict section";
  for (const Section* note : it.All("note")) {
    bool found = false;
    std::string all;
    for (const PatchVerdict& patch : verdict.patches)
      for (const std::string& text : patch.notes) {
        all += text + "\n";
        found = found || text.find(Trim(note->text)) != std::string::npos;
      }
    EXPECT_TRUE(found) << "no note says: " << note->text << "they say: " << all;
  }
}

void JudgeMap(const Case& it, const SeriesVerdict& verdict) {
  const Section* section = it.One("map");
  if (!section) return;
  std::string found;
  for (const FileMapping& file : verdict.files) found += file.from + " -> " + file.to + "\n";
  for (const FunctionMapping& function : verdict.functions)
    found += function.function + ": " + function.from + " -> " + function.to + "\n";
  EXPECT_EQ(found, section->text);
}

void JudgeFields(const Case& it) {
  for (const Section* section : it.All("fields")) {
    auto patches = it.All("patch");
    auto at = std::find_if(patches.begin(), patches.end(), [&](const Section* patch) {
      return patch->arguments[0] == section->arguments.at(0);
    });
    ASSERT_NE(at, patches.end());
    Result<Patch> patch = ParsePatch((*at)->text, "x");
    ASSERT_TRUE(patch);
    std::string found;
    Dep3 dep3 = ParseDep3(patch->header);
    for (const Dep3Field& field : dep3.fields) {
      found += field.name + ": ";
      for (char c : field.value) found += c == '\n' ? "\\n" : std::string(1, c);
      found += "\n";
    }
    EXPECT_EQ(found, section->text);
  }
}

void JudgeNeeds(const Case& it, const Series& series) {
  const Section* section = it.One("needs");
  if (!section) return;
  Result<std::vector<Dependency>> found = Dependencies(series, TreeOf(it, "base"));
  ASSERT_TRUE(found) << found.error().message;
  std::string said;
  for (const Dependency& dependency : *found) {
    said += series.patches[dependency.patch].name + " needs " +
            series.patches[dependency.needs].name +
            (dependency.textual ? " (text):" : " (symbol):");
    for (const std::string& evidence : dependency.evidence) said += " " + evidence;
    said += "\n";
  }
  EXPECT_EQ(said, section->text);
}

void JudgeResults(const Case& it, const RebaseOutcome& outcome) {
  for (const Section* section : it.All("result")) {
    const std::string& path = section->arguments.at(0);
    SCOPED_TRACE(path);
    Result<std::optional<TreeFile>> file = outcome.landed->Read(path);
    ASSERT_TRUE(file);
    EXPECT_EQ(file->has_value(), !section->Has("gone"));
    if (!*file || section->Has("gone")) continue;
    TreeFile wanted = FileOf(*section);
    EXPECT_EQ((*file)->text.bytes(), wanted.text.bytes());
    EXPECT_EQ((*file)->mode, wanted.mode);
  }
  for (const Section* section : it.All("text")) {
    const std::string& name = section->arguments.at(0);
    auto at = std::find_if(outcome.verdict.patches.begin(), outcome.verdict.patches.end(),
                           [&](const PatchVerdict& patch) { return patch.name == name; });
    ASSERT_NE(at, outcome.verdict.patches.end()) << name;
    EXPECT_EQ(at->unchanged, section->Has("same")) << at->text.view();
    if (!section->Has("same")) {
      EXPECT_EQ(at->text, section->text);
    }
  }
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, IsAsItSays) {
  Result<std::string> bytes = ReadFile(std::string(RESTACK_CASES) + "/" + GetParam() + ".txt");
  ASSERT_TRUE(bytes) << bytes.error().message;
  Result<Case> read = ReadCase(*bytes, GetParam());
  ASSERT_TRUE(read) << read.error().message;
  const Case& it = *read;
  SCOPED_TRACE(it.shows);

  Result<Series> series = SeriesOf(it);
  const Section* error = it.One("error");
  if (error && !series) {
    EXPECT_EQ(series.error().message + "\n", error->text);
    return;
  }
  ASSERT_TRUE(series) << series.error().message;
  JudgeFields(it);
  JudgeNeeds(it, *series);

  RebaseInput input;
  input.series = &*series;
  input.target = TreeOf(it, "target");
  input.bases = {TreeOf(it, "base")};
  if (!it.All("other").empty()) input.bases.push_back(TreeOf(it, "other"));
  input.blob = [&](const std::string& id) -> std::optional<Text> {
    for (const Section* blob : it.All("blob"))
      if (StartsWith(BlobId(blob->text), id)) return Text(blob->text);
    return std::nullopt;
  };
  if (const Section* maps = it.One("maps")) {
    Result<Maps> given = ParseMaps(maps->text, "maps");
    ASSERT_TRUE(given) << given.error().message;
    input.maps = *given;
  }
  for (const Section* section : it.All("resolution")) {
    Result<Patch> edit = ParsePatch(section->text, section->arguments.at(0));
    ASSERT_TRUE(edit) << edit.error().message;
    input.resolutions[section->arguments.at(0)] = *edit;
  }
  Result<RebaseOutcome> outcome = Rebase(input);
  if (error) {
    ASSERT_FALSE(outcome) << "it is to be refused";
    EXPECT_EQ(outcome.error().message + "\n", error->text);
    return;
  }
  ASSERT_TRUE(outcome) << outcome.error().message;
  if (it.One("compile")) {
    Result<void> checked = Compile(it, *input.target, *outcome);
    ASSERT_TRUE(checked) << checked.error().message;
  }
  JudgeVerdict(it, outcome->verdict);
  JudgeMap(it, outcome->verdict);
  JudgeResults(it, *outcome);
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(Names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace restack::golden
