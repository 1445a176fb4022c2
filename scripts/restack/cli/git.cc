// SPDX-License-Identifier: GPL-2.0-or-later
// import and export: a series as commits, or as files in a source tree.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "restack/apply.h"
#include "restack/git_series.h"
#include "restack/semantic.h"
#include "restack/session.h"

namespace restack::cli {

void AddExport(CLI::App& app, Context& context, int& exit) {
  struct Options {
    std::string base, git, branch = "restack", tree;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("export");
  command->add_option("--base", options->base)->required();
  auto* git = command->add_option("--git", options->git);
  command->add_option("--branch", options->branch);
  auto* tree = command->add_option("--tree", options->tree);
  git->excludes(tree);
  command->callback([=, &context, &exit] {
    if (options->git.empty() && options->tree.empty()) {
      exit = Fail(Error{"export wants --git or --tree"});
      return;
    }
    Result<Series> series = context.OpenSeries(context.series);
    Result<std::shared_ptr<Tree>> base = series ? context.OpenBase(options->base) : series.error();
    if (!base) {
      exit = Fail(base.error());
      return;
    }
    if (!options->git.empty()) {
      if (auto done = ExportToGit(*series, **base, options->git, options->branch, context.progress()); !done)
        exit = Fail(done.error());
    } else {
      MemoryTree landed(*base);
      for (size_t i = 0; i < series->patches.size(); ++i) {
        Patch patch = series->reverse[i] ? Reversed(series->patches[i]) : series->patches[i];
        if (auto done = ApplyPatch(patch, series->strip[i], landed); !done) {
          exit = Fail(done.error());
          return;
        }
      }
      std::error_code error;
      if (!std::filesystem::is_directory(options->tree, error)) {
        exit = Fail(Error{options->tree + ": is not a folder"});
        return;
      }
      if (auto done = WriteLanded(options->tree, **base, landed); !done) exit = Fail(done.error());
    }
    if (context.json && exit == kClean)
      std::printf("%s\n",
                  Dump(nlohmann::json{{"patches", series->patches.size()}, {"base", (*base)->Name()}})
                      .c_str());
  });
}

void AddImport(CLI::App& app, Context& context, int& exit) {
  struct Options {
    std::string git, branch = "restack";
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("import");
  command->add_option("--git", options->git)->required();
  command->add_option("--branch", options->branch);
  command->callback([=, &context, &exit] {
    Result<std::vector<SeriesFileBytes>> files = ImportFromGit(options->git, options->branch);
    if (!files) {
      exit = Fail(files.error());
      return;
    }
    Result<std::unique_ptr<Session>> session = Session::Open(context.series);
    if (!session) {
      exit = Fail(session.error());
      return;
    }
    if ((*session)->Exists() && !(*session)->Finished()) {
      exit = Fail(Error{(*session)->folder() + ": a rebase of this folder is under way"});
      return;
    }
    nlohmann::json list = nlohmann::json::array();
    // The series file last: it names only what is there.
    for (size_t i = files->size(); i-- > 0;) {
      const SeriesFileBytes& file = (*files)[i];
      std::string path = context.series + "/" + file.name;
      Result<std::string> now = ReadFile(path);
      bool same = now && *now == file.bytes;
      if (!same)
        if (auto done = WriteBelow(context.series, file.name, file.bytes); !done) {
          exit = Fail(done.error());
          return;
        }
      if (!same && !context.json) std::printf("%s\n", path.c_str());
      if (!same) list.push_back(path);
    }
    if (context.json) std::printf("%s\n", Dump(nlohmann::json{{"written", list}}).c_str());
  });
}

}  // namespace restack::cli
