// SPDX-License-Identifier: GPL-2.0-or-later
// The corpus and mutations of it, the same in every run, without libFuzzer: for the normal tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz.h"

namespace fs = std::filesystem;

namespace {

std::string Mutated(const std::string& from, const std::string& other, std::mt19937& random) {
  auto below = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  std::string text = from;
  for (size_t times = 1 + below(4); times > 0; --times) {
    size_t at = below(text.size() + 1), size = below(std::min<size_t>(40, text.size() - at) + 1);
    switch (below(5)) {
      case 0:
        text.erase(at, size);
        break;
      case 1:
        text.insert(at, text.substr(at, size));
        break;
      case 2:
        text.insert(at, other.substr(below(other.size()), below(80)));
        break;
      case 3:
        text.insert(at, 1, "\n -+@\\\r\t0"[below(9)]);
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(random());
    }
  }
  return text;
}

void Judge(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

}  // namespace

TEST(Replay, TheCorpusAndMutationsOfIt) {
  const char* folder = std::getenv("CORPUS");
  const char* mutations = std::getenv("MUTATIONS");
  ASSERT_TRUE(folder && mutations) << "$CORPUS is a folder, $MUTATIONS a number";
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const fs::path& path : paths) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  ASSERT_FALSE(corpus.empty()) << folder;
  // A finding ends the program.
  for (const std::string& text : corpus) Judge(text);
  std::mt19937 random(1);
  for (long i = std::atol(mutations); i > 0; --i) {
    const std::string& from = corpus[random() % corpus.size()];
    Judge(Mutated(from, corpus[random() % corpus.size()], random));
  }
}
