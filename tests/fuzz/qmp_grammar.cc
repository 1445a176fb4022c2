// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz/qmp_grammar.h"

#include <cstdint>
#include <cstring>
#include <limits>

namespace stx {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxTexts = 400, kMaxText = 80;

/// These end QEMU, take a line that no schema describes, write as many bytes or send as many frames
/// as they are told.
const std::set<std::string> kNever = {"quit", "human-monitor-command", "memsave", "pmemsave",
                                      "announce-self"};

/// Sizes that fail at once or are small: nothing between 64 MiB and 1 PiB is really allocated.
constexpr int64_t kIntegers[] = {0,
                                 1,
                                 2,
                                 3,
                                 7,
                                 255,
                                 512,
                                 4096,
                                 65536,
                                 1 << 20,
                                 1 << 26,
                                 -1,
                                 -4096,
                                 int64_t{1} << 50,
                                 std::numeric_limits<int64_t>::max(),
                                 std::numeric_limits<int64_t>::min()};

}  // namespace

QmpGrammar::QmpGrammar(const json& schema, unsigned seed)
    : texts_{"", "a", "b", "none", "on", "auto", "0", "1", "-1", "4096", "unix:s", "file", "raw"},
      known_(texts_.begin(), texts_.end()),
      random_(seed) {
  for (const json& entry : schema) {
    const std::string name = entry["name"];
    types_[name] = entry;
    if (entry["meta-type"] == "command" && !kNever.contains(name)) commands_.push_back(name);
  }
}

json QmpGrammar::MakeCommand() {
  const std::string name = commands_[Pick(commands_.size())];
  json command{{"execute", name}};
  json arguments = MakeValue(types_.at(name)["arg-type"], 0);
  if (!arguments.empty()) command["arguments"] = std::move(arguments);
  return command;
}

json QmpGrammar::MakeProperty(const std::string& type) {
  if (OneIn(8)) return MakeText();
  if (type == "bool") return OneIn(2);
  if (type.find("int") != std::string::npos || type == "size" || type == "number")
    return MakeInteger();
  if (type == "OnOffAuto") return OneIn(2) ? "on" : "auto";
  return MakeText();
}

void QmpGrammar::Learn(const json& reply) {
  if (reply.is_structured()) {
    for (const auto& [key, value] : reply.items()) {
      if (reply.is_object()) Learn(key);
      Learn(value);
    }
  } else if (reply.is_string()) {
    const std::string text = reply;
    const bool path = text.find('/') != std::string::npos || text.find(':') != std::string::npos;
    if (text.size() > kMaxText || (path && !text.starts_with("/machine"))) return;
    if (!known_.insert(text).second) return;
    if (texts_.size() < kMaxTexts) {
      texts_.push_back(text);
    } else {
      std::string& old = texts_[Pick(kMaxTexts)];
      known_.erase(old);
      old = text;
    }
  }
}

std::string QmpGrammar::MakeText() { return texts_[Pick(texts_.size())]; }

int64_t QmpGrammar::MakeInteger() { return kIntegers[Pick(std::size(kIntegers))]; }

json QmpGrammar::MakeObject(const json& type, int depth) {
  json object = json::object();
  std::string tag;
  for (const json& member : type["members"]) {
    const bool optional = member.contains("default");
    if (optional && (depth >= kMaxDepth || !OneIn(3))) continue;
    object[member["name"]] = MakeValue(member["type"], depth + 1);
  }
  if (type.contains("tag")) {
    tag = type["tag"];
    for (const json& variant : type["variants"])
      if (object.contains(tag) && object[tag] == variant["case"])
        object.update(MakeObject(types_.at(variant["type"]), depth));
  }
  return object;
}

json QmpGrammar::MakeValue(const std::string& name, int depth) {
  const json& type = types_.at(name);
  const std::string meta = type["meta-type"];
  if (meta == "object") return MakeObject(type, depth);
  if (meta == "enum") {
    const json& values = type["values"];
    return values[Pick(values.size())];
  }
  if (meta == "alternate") {
    const json& members = type["members"];
    return MakeValue(members[Pick(members.size())]["type"], depth + 1);
  }
  if (meta == "array") {
    json array = json::array();
    for (size_t left = depth >= kMaxDepth ? 0 : Pick(4); left > 0; --left)
      array.push_back(MakeValue(type["element-type"], depth + 1));
    return array;
  }
  const std::string kind = type["json-type"];
  if (kind == "boolean") return OneIn(2);
  if (kind == "int") return MakeInteger();
  if (kind == "number") return OneIn(2) ? json(MakeInteger()) : json(0.5);
  if (kind == "null") return nullptr;
  return MakeText();
}

}  // namespace stx
