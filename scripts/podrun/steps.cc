// SPDX-License-Identifier: GPL-2.0-or-later
#include "podrun/steps.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>

#include "kata/pod_agent.h"
#include "kata/pod_checks.h"
#include "kata/pod_shim.h"
#include "kata/pod_template.h"

namespace stx {

namespace fs = std::filesystem;

void Steps::PrintFact(const std::string& name, const std::string& value) {
  std::printf("%s: %s\n", name.c_str(), value.c_str());
  std::fflush(stdout);
}

bool Steps::Do(const std::string& name, const std::function<std::string()>& step) {
  const auto start = Clock::now();
  const auto time = [&] {
    return std::to_string(std::chrono::duration_cast<Milliseconds>(Clock::now() - start).count()) +
           " ms";
  };
  try {
    const std::string seen = step();
    PrintFact(name, "ok" + (seen.empty() ? "" : " (" + seen + ")") + ", " + time());
    ++ok_;
    return true;
  } catch (const std::exception& error) {
    PrintFact(name, std::string("FAILED: ") + error.what() + ", " + time());
    ++failed_;
    return false;
  }
}

void Steps::NotHere(const std::string& name, const std::string& what_is_missing) {
  PrintFact(name, "not here: " + what_is_missing);
  ++not_here_;
}

std::string Steps::Total() const {
  return std::to_string(ok_) + " ok, " + std::to_string(failed_) + " failed, " +
         std::to_string(not_here_) + " not here";
}

void Expect(bool right, const std::string& otherwise) {
  if (!right) throw std::runtime_error(otherwise);
}

std::string Count(size_t n, const std::string& what) { return std::to_string(n) + " " + what; }

std::string SpeakOver(GuestAgent& guest, const Tap& tap, const std::string& mac, int mtu,
                      int subnet) {
  const std::string net = std::to_string(subnet);
  const std::string host_address = "fd00:6b61:" + net + "::1";
  const std::string nic = FindNic(guest, mac);
  tap.AddAddress6(host_address, 64);
  ConfigureNic6(guest, nic, "fd00:6b61:" + net + "::2", mtu);
  Ping6(guest, host_address);
  // The largest packet: IPv6 and ICMPv6 headers take 48 bytes.
  Ping6(guest, host_address, 1, mtu - 48);
  return nic + ", IPv6 at MTU " + std::to_string(mtu);
}

namespace {

/// Ends the pods as Kata does. Nothing may be left behind.
void StopAll(std::vector<std::unique_ptr<Pod>>* pods, Steps* steps) {
  steps->Do("stop", [&] {
    std::vector<fs::path> folders;
    for (auto& pod : *pods) {
      PodShim(*pod).Stop();
      folders.push_back(pod->values().dir);
      folders.push_back(pod->share().parent_path());
      pod.reset();
    }
    for (const fs::path& folder : folders)
      Expect(!fs::exists(folder), folder.string() + " is left");
    const std::string text = Count(pods->size(), "stopped");
    pods->clear();
    return text;
  });
}

}  // namespace

void RunTemplate(const PodSettings& settings, unsigned clones, Steps* steps) {
  std::optional<PodTemplate> origin;
  if (!steps->Do("template", [&] {
        origin.emplace(settings);
        return "saved in " + std::to_string(origin->to_save().count()) + " ms, state of " +
               Count(fs::file_size(origin->state()) >> 10, "KiB");
      }))
    return;
  std::vector<std::unique_ptr<Pod>> pods;
  for (unsigned i = 0; i < clones; ++i)
    steps->Do("clone " + std::to_string(i + 1), [&] {
      pods.push_back(origin->Clone());
      // The memory is private: what the clone has written is still there after the others have
      // written.
      pods.back()->agent().Write("/tmp/clone", std::to_string(i));
      return "over " + pods.back()->VsockKind();
    });
  steps->Do("apart", [&] {
    for (size_t i = 0; i < pods.size(); ++i)
      Expect(pods[i]->agent().Read("/tmp/clone") == std::to_string(i),
             "clone " + std::to_string(i + 1) + " has the memory of another");
    return "each has its own memory";
  });
  std::string why_not;
  auto tap = Tap::Make("tap1_kata", 1, &why_not);
  if (!tap)
    steps->NotHere("net-add to a clone", why_not);
  else if (!pods.empty())
    steps->Do("net-add to a clone", [&] {
      Pod& pod = *pods.back();
      const std::string mac = "02:00:ca:fe:00:03";
      PodShim(pod).AddNic(*tap, mac);
      return SpeakOver(pod.agent(), *tap, mac, 1500, 3);
    });
  StopAll(&pods, steps);
}

void RunMany(const PodSettings& settings, unsigned count, unsigned at_once, Steps* steps) {
  for (unsigned done = 0; done < count;) {
    std::vector<std::unique_ptr<Pod>> pods;
    for (; pods.size() < at_once && done < count; ++done)
      if (!steps->Do("create " + std::to_string(done + 1), [&] {
            pods.push_back(std::make_unique<Pod>(settings));
            return "QMP after " + std::to_string(pods.back()->to_qmp().count()) + " ms";
          }))
        break;
    steps->Do("guests up", [&] {
      std::string times;
      for (auto& pod : pods) {
        pod->agent().Info();
        const std::string failure = CheckShare(*pod);
        Expect(failure.empty(), failure);
        PodShim(*pod).QueryStatus();
        times += (times.empty() ? "" : " ") + std::to_string(pod->to_guest().count());
      }
      return times + " ms after QEMU's start";
    });
    StopAll(&pods, steps);
    if (!steps->all_ok()) return;
  }
}

}  // namespace stx
