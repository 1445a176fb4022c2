// SPDX-License-Identifier: GPL-2.0-or-later
// The objects of Kubernetes on docs/pods.md and in debian/kata/runtimeclass.yaml. $REPOSITORY is
// where they are.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <set>
#include <sstream>

#include "base/process.h"
#include "base/yaml_of_page.h"

namespace stx {
namespace {

namespace fs = std::filesystem;

fs::path Repository() { return EnvOr("REPOSITORY", "."); }

/// An object, and the line of its file where its block begins.
struct Object {
  YAML::Node node;
  std::string text, where;
};

std::vector<Object> All() {
  std::vector<Object> objects;
  const auto add = [&](const std::vector<YamlDocument>& documents, const std::string& file) {
    for (const YamlDocument& document : documents)
      objects.push_back(
          {YAML::Load(document.text), document.text, file + ":" + std::to_string(document.line)});
  };
  const std::string page = "docs/pods.md", classes = "debian/kata/runtimeclass.yaml";
  add(YamlOfPage(ReadFile(Repository() / page)), page);
  add(YamlDocuments(ReadFile(Repository() / classes)), classes);
  return objects;
}

std::string Kind(const Object& object) { return object.node["kind"].as<std::string>(""); }

TEST(KubernetesObjects, HaveWhatTheirKindNeeds) {
  // Fields without which the API server refuses the object, by kind.
  const std::map<std::string, std::vector<std::vector<std::string>>> needed = {
      {"Pod", {{"spec", "containers"}}},
      {"RuntimeClass", {{"handler"}}},
      {"Service", {{"spec", "ports"}, {"spec", "selector"}}},
      {"PersistentVolumeClaim", {{"spec", "accessModes"}, {"spec", "resources"}}},
  };
  std::map<std::string, int> seen;
  for (const Object& object : All()) {
    SCOPED_TRACE(object.where);
    ++seen[Kind(object)];
    EXPECT_NE(object.node["apiVersion"].as<std::string>(""), "");
    EXPECT_NE(object.node["metadata"]["name"].as<std::string>(""), "");
    ASSERT_TRUE(needed.count(Kind(object))) << Kind(object);
    for (const auto& path : needed.at(Kind(object))) {
      YAML::Node node = YAML::Clone(object.node);
      for (const std::string& name : path) {
        ASSERT_TRUE(node[name]) << name;
        node.reset(node[name]);
      }
    }
  }
  EXPECT_GE(seen["Pod"], 7);
  EXPECT_GE(seen["RuntimeClass"], 3);
}

/// Names of a list of maps.
std::set<std::string> Names(const YAML::Node& list) {
  std::set<std::string> names;
  for (const YAML::Node& entry : list) names.insert(entry["name"].as<std::string>());
  return names;
}

TEST(KubernetesObjects, PodsAskForKataAndHoldTogether) {
  const std::string changes = ReadFile(Repository() / "debian/kata/configuration-changes.toml");
  const size_t begin = changes.find("key = \"enable_annotations\"");
  const std::string allowed = changes.substr(begin, changes.find(']', begin) - begin);
  const std::string prefix = "io.katacontainers.config.hypervisor.";
  std::set<std::string> claims, classes, pods;
  for (const Object& object : All()) {
    if (Kind(object) == "PersistentVolumeClaim")
      claims.insert(object.node["metadata"]["name"].as<std::string>());
    if (Kind(object) == "RuntimeClass")
      classes.insert(object.node["metadata"]["name"].as<std::string>());
  }
  for (const Object& object : All()) {
    if (Kind(object) != "Pod") continue;
    SCOPED_TRACE(object.where);
    const YAML::Node spec = object.node["spec"];
    EXPECT_TRUE(pods.insert(object.node["metadata"]["name"].as<std::string>()).second);
    EXPECT_TRUE(classes.count(spec["runtimeClassName"].as<std::string>("")));
    const std::set<std::string> volumes = Names(spec["volumes"]);
    for (const YAML::Node& container : spec["containers"]) {
      for (const char* list : {"volumeMounts", "volumeDevices"})
        for (const std::string& name : Names(container[list])) EXPECT_TRUE(volumes.count(name));
      // What is not overcommitted, and a Guaranteed pod, has requests equal to limits.
      const YAML::Node resources = container["resources"];
      EXPECT_TRUE(!resources || !resources["requests"] ||
                  YAML::Dump(resources["requests"]) == YAML::Dump(resources["limits"]));
    }
    for (const YAML::Node& volume : spec["volumes"]) {
      const YAML::Node claim = volume["persistentVolumeClaim"];
      EXPECT_TRUE(!claim || claims.count(claim["claimName"].as<std::string>()));
    }
    for (const auto& annotation : object.node["metadata"]["annotations"]) {
      const std::string name = annotation.first.as<std::string>();
      if (!name.starts_with(prefix)) continue;
      EXPECT_NE(allowed.find('"' + name.substr(prefix.size()) + '"'), std::string::npos)
          << name << ": enable_annotations does not list it";
      EXPECT_EQ(annotation.second.Tag(), "!") << name << ": its value must be a quoted string";
    }
  }
}

TEST(KubernetesObjects, RuntimeClassesHaveTheOverheadThatThePageComputes) {
  // The table of docs/pods.md: parts, their sum, and the sum and a tenth as a multiple of 32 MiB.
  std::istringstream lines(ReadFile(Repository() / "docs/pods.md"));
  int parts = 0, sum = 0, overhead = 0;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "| part | MiB |") inside = true;
    if (!inside || !line.starts_with("| ") || line == "| part | MiB |") continue;
    const std::string cell = line.substr(line.rfind('|', line.size() - 2) + 1);
    const int figure = std::stoi(cell.substr(cell.find_first_of("0123456789")));
    if (line.starts_with("| sum")) {
      sum = figure;
    } else if (sum != 0) {
      overhead = figure;
      break;
    } else {
      parts += figure;
    }
  }
  EXPECT_EQ(parts, sum);
  EXPECT_EQ((sum * 11 / 10 + 31) / 32 * 32, overhead);
  for (const Object& object : All()) {
    if (Kind(object) != "RuntimeClass") continue;
    EXPECT_EQ(object.node["overhead"]["podFixed"]["memory"].as<std::string>(""),
              std::to_string(overhead) + "Mi")
        << object.where;
  }
}

TEST(KubernetesObjects, AreOfTheSchemaOfTheApi) {
  // A tool of PyPI with the API's own OpenAPI schemas; Debian has none of its kind.
  const std::string validate = EnvOr("KUBERNETES_VALIDATE", "/usr/local/bin/kubernetes-validate");
  if (!fs::exists(validate))
    GTEST_SKIP()
        << "no kubernetes-validate ($KUBERNETES_VALIDATE; pip install kubernetes-validate)";
  TempDir dir("objects");
  for (const char* version : {"1.26.0", "1.29.0", "1.34.0"}) {
    int number = 0;
    std::vector<std::string> command = {validate, "--strict", "--no-warn", "-k", version};
    for (const Object& object : All()) {
      const fs::path file = dir / (std::to_string(number++) + ".yaml");
      WriteFile(file, object.text);
      command.push_back(file);
    }
    const RunResult result = stx::Run(command, Milliseconds(300000));
    EXPECT_TRUE(result.status.Success()) << version << ": " << result.out << result.err;
    // It sees what is not in the schema.
    WriteFile(dir / "wrong.yaml",
              "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
              "spec: {containers: [{name: a, image: b, comand: [c]}]}\n");
    EXPECT_FALSE(stx::Run({validate, "--strict", "-k", version, (dir / "wrong.yaml").string()},
                          Milliseconds(100000))
                     .status.Success());
  }
}

}  // namespace
}  // namespace stx
