// SPDX-License-Identifier: GPL-2.0-or-later
// qmp-fuzz SECONDS SEED QEMU FOLDER: sessions of random QMP commands, one after the other, with the
// seeds SEED, SEED + 1, ... A finding is a file FOLDER/qmp-SEED.txt, and exit code 1. scripts/fuzz
// calls it.
#include <cstdio>
#include <stdexcept>

#include "base/waiting.h"
#include "fuzz/qmp_session.h"

int main(int argc, char** argv) {
  using namespace stx;
  if (argc != 5) {
    std::fputs("usage: qmp-fuzz SECONDS SEED QEMU FOLDER\n", stderr);
    return 2;
  }
  try {
    constexpr int kCommands = 2000;
    const Deadline end(Milliseconds(std::stol(argv[1]) * 1000));
    unsigned seed = static_cast<unsigned>(std::stoul(argv[2]));
    const unsigned first = seed;
    long commands = 0, accepted = 0;
    int findings = 0;
    const std::filesystem::path qemu = std::filesystem::absolute(argv[3]), folder = argv[4];
    for (; !end.Passed(); ++seed) {
      const QmpSession session = RunQmpSession(qemu, seed, kCommands);
      commands += session.commands;
      accepted += session.accepted;
      if (session.finding.empty()) continue;
      ++findings;
      const std::filesystem::path file = folder / ("qmp-" + std::to_string(seed) + ".txt");
      WriteFile(file, session.finding);
      std::printf("FINDING %s: %s\n", file.c_str(),
                  session.finding.substr(0, session.finding.find('\n')).c_str());
      std::fflush(stdout);
    }
    std::printf("qmp: %u sessions, %ld commands, %ld accepted, %d findings\n", seed - first,
                commands, accepted, findings);
    return findings > 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qmp-fuzz: %s\n", error.what());
    return 1;
  }
}
