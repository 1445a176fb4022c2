// SPDX-License-Identifier: GPL-2.0-or-later
#include "restack/html_report.h"

#include <algorithm>
#include <map>

#include "html_style.h"
#include "restack/merge.h"

namespace restack {
namespace {

/// The size of the UTF-8 character at `at`; 0 for bytes that are none and for control characters.
size_t CharacterSize(std::string_view text, size_t at) {
  unsigned char first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return first >= 0x20 || first == '\n' || first == '\t' ? 1 : 0;
  size_t size = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (first >= 0xf5 || size == 0 || at + size > text.size()) return 0;
  unsigned value = first & (0xff >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    unsigned char next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xc0) != 0x80) return 0;
    value = value << 6 | (next & 0x3f);
  }
  static constexpr unsigned kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = value >= 0xd800 && value < 0xe000;
  return value < kLeast[size] || value > 0x10ffff || surrogate ? 0 : size;
}

std::string Escape(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    size_t size = CharacterSize(text, at);
    switch (size == 1 ? text[at] : 0) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        if (size > 0)
          result += text.substr(at, size);
        else if (text[at] != '\r')
          result += "\xef\xbf\xbd";
    }
    at += std::max<size_t>(size, 1);
  }
  return result;
}

struct Look {
  const char *style, *letter;
};

Look LookOf(Grade grade) {
  switch (grade) {
    case Grade::kExact:
      return {"exact", "="};
    case Grade::kMoved:
      return {"moved", "&#8594;"};
    case Grade::kMerged:
      return {"merged", "M"};
    case Grade::kReanchored:
      return {"reanchored", "A"};
    case Grade::kResolved:
      return {"resolved", "R"};
    case Grade::kUpstream:
      return {"upstream", "U"};
    case Grade::kPartlyUpstream:
      return {"partly", "&#189;"};
    case Grade::kConflict:
      return {"conflict", "!"};
  }
  return {"conflict", "?"};
}

Look LookOf(const HunkVerdict& hunk) {
  return hunk.check == Check::kFailed ? Look{"broken", "&#10007;"} : LookOf(hunk.grade);
}

constexpr Grade kGrades[] = {Grade::kExact,          Grade::kMoved,    Grade::kMerged,
                             Grade::kReanchored,     Grade::kResolved, Grade::kUpstream,
                             Grade::kPartlyUpstream, Grade::kConflict};

std::string Counts(const PatchVerdict& patch) {
  std::string text;
  for (Grade grade : kGrades)
    if (size_t count = patch.Count(grade))
      text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + Name(grade);
  size_t broken = static_cast<size_t>(
      std::count_if(patch.hunks.begin(), patch.hunks.end(),
                    [](const HunkVerdict& hunk) { return hunk.check == Check::kFailed; }));
  if (broken > 0) text += ", " + std::to_string(broken) + " of them broken";
  if (patch.Upstream()) return "upstream: dropped";
  return text + (patch.unchanged ? "; byte-identical" : "");
}

std::string Where(const HunkVerdict& hunk) {
  std::string text = "<code>" + Escape(hunk.file) + "</code>";
  if (hunk.number > 0) text += " hunk " + std::to_string(hunk.number);
  if (hunk.Landed() && hunk.line > 0)
    text += " &#8594; <code>" + Escape(hunk.target) + ":" + std::to_string(hunk.line) + "</code>";
  if (!hunk.scope.empty()) text += " in <code>" + Escape(hunk.scope) + "</code>";
  return text;
}

std::string Cell(const Lines& lines, size_t at, bool there) {
  if (!there) return "<td></td>";
  std::string_view line = lines[at];
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  const char* style = StartsWith(line, "+")   ? " class=\"add\""
                      : StartsWith(line, "-") ? " class=\"del\""
                                              : "";
  return std::string("<td") + style + ">" + Escape(line) + "</td>";
}

/// Without its @@ line, which differs always.
std::string_view Body(std::string_view hunk) {
  size_t end = hunk.find('\n');
  return StartsWith(hunk, "@@") && end != std::string_view::npos ? hunk.substr(end + 1) : hunk;
}

/// Two columns: equal lines stand on one row, rows where the sides differ are marked.
std::string SideBySide(std::string_view before, std::string_view after) {
  std::string_view a_bytes = Body(before), b_bytes = Body(after);
  Lines a = SplitLines(a_bytes), b = SplitLines(b_bytes);
  std::string html =
      "<table class=\"diff\"><thead><tr><th>as it was</th><th>as it is "
      "landed</th></tr></thead><tbody>\n";
  size_t i = 0, j = 0;
  auto row = [&](bool left, bool right) {
    bool equal = left && right && a[i] == b[j];
    html += std::string("<tr") + (equal ? "" : " class=\"other\"") + ">" + Cell(a, i, left) +
            Cell(b, j, right) + "</tr>\n";
    i += left;
    j += right;
  };
  auto until = [&](size_t a_end, size_t b_end) {
    while (i < a_end || j < b_end) row(i < a_end, j < b_end);
  };
  for (const Change& change : Diff(a_bytes, b_bytes)) {
    until(change.a_begin, change.b_begin);
    until(change.a_end, change.b_end);
  }
  until(a.size(), b.size());
  return html + "</tbody></table>\n";
}

std::string OneSide(std::string_view before) {
  std::string_view bytes = Body(before);
  std::string html = "<table class=\"diff\"><tbody>\n";
  Lines lines = SplitLines(bytes);
  for (size_t i = 0; i < lines.size(); ++i) html += "<tr>" + Cell(lines, i, true) + "</tr>\n";
  return html + "</tbody></table>\n";
}

class Page {
 public:
  explicit Page(const std::vector<SeriesVerdict>& verdicts) : verdicts_(verdicts) {}

  std::string Print() {
    html_ =
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>restack "
        "report</title>\n<style>";
    html_ += kHtmlStyle;
    html_ +=
        "</style></head>\n<body>\n<a class=\"skip\" href=\"#t0\">To the first "
        "target</a>\n<h1>restack report</h1>\n";
    Glance();
    for (size_t t = 0; t < verdicts_.size(); ++t) Target(t);
    return html_ + "</body>\n</html>\n";
  }

 private:
  static std::string Id(size_t target, size_t patch) {
    return "t" + std::to_string(target) + "p" + std::to_string(patch);
  }
  static std::string Id(size_t target, size_t patch, size_t hunk) {
    return Id(target, patch) + "h" + std::to_string(hunk);
  }

  /// Each patch of any verdict once, in the order of the series.
  std::vector<const PatchVerdict*> Rows() const {
    std::vector<const PatchVerdict*> rows;
    for (const SeriesVerdict& verdict : verdicts_)
      for (const PatchVerdict& patch : verdict.patches)
        if (std::none_of(rows.begin(), rows.end(),
                         [&](const PatchVerdict* row) { return row->name == patch.name; }))
          rows.push_back(&patch);
    return rows;
  }

  void Glance() {
    html_ += "<ul class=\"legend\">";
    for (Grade grade : kGrades)
      html_ += std::string("<li><span class=\"badge ") + LookOf(grade).style + "\">" +
               LookOf(grade).letter + "</span> " + Name(grade) + "</li>";
    html_ +=
        "<li><span class=\"badge broken\">&#10007;</span> landed, but broken</li></ul>\n<div "
        "class=\"scroll\"><table>"
        "<thead><tr><th>patch</th>";
    for (size_t t = 0; t < verdicts_.size(); ++t)
      html_ += "<th><a href=\"#t" + std::to_string(t) + "\">" + Escape(verdicts_[t].target) +
               "</a></th>";
    html_ += "</tr></thead>\n<tbody>\n";
    for (const PatchVerdict* row : Rows()) {
      html_ += "<tr><th>" + Escape(row->name) + "<small>" + Escape(row->summary) + "</small></th>";
      for (size_t t = 0; t < verdicts_.size(); ++t) GlanceCell(t, row->name);
      html_ += "</tr>\n";
    }
    html_ += "<tr><th>all</th>";
    for (const SeriesVerdict& verdict : verdicts_) html_ += "<td>" + Sum(verdict) + "</td>";
    html_ +=
        "</tr></tbody></table></div>\n<label class=\"filter\"><input type=\"checkbox\" "
        "id=\"open\"> "
        "only what needs a person</label>\n";
  }

  void GlanceCell(size_t t, const std::string& name) {
    const auto& patches = verdicts_[t].patches;
    auto at = std::find_if(patches.begin(), patches.end(),
                           [&](const PatchVerdict& patch) { return patch.name == name; });
    if (at == patches.end()) {
      html_ += "<td class=\"dim\">not in it</td>";
      return;
    }
    size_t p = static_cast<size_t>(at - patches.begin());
    html_ += "<td><div class=\"squares\">";
    for (size_t h = 0; h < at->hunks.size(); ++h) {
      const HunkVerdict& hunk = at->hunks[h];
      std::string title = hunk.file + " hunk " + std::to_string(hunk.number) + ": " +
                          Name(hunk.grade) + ", " + Name(hunk.check);
      html_ += std::string("<a class=\"") + LookOf(hunk).style + "\" href=\"#" + Id(t, p, h) +
               "\" title=\"" + Escape(title) + "\" aria-label=\"" + Escape(title) + "\">" +
               LookOf(hunk).letter + "</a>";
    }
    html_ += "</div><small class=\"dim\">" + Counts(*at) + "</small></td>";
  }

  static std::string Sum(const SeriesVerdict& verdict) {
    size_t landed = 0, open = 0;
    for (const PatchVerdict& patch : verdict.patches)
      for (const HunkVerdict& hunk : patch.hunks)
        landed += hunk.Landed() && !hunk.Open(), open += hunk.Open();
    return std::to_string(verdict.Hunks()) + " hunks: " + std::to_string(landed) + " landed, " +
           std::to_string(verdict.Count(Grade::kUpstream)) + " upstream, <strong>" +
           std::to_string(open) + " for a person</strong>" +
           (verdict.Broken() > 0 ? " (" + std::to_string(verdict.Broken()) + " landed but broken)"
                                 : "");
  }

  void Target(size_t t) {
    const SeriesVerdict& verdict = verdicts_[t];
    html_ += "<h2 id=\"t" + std::to_string(t) + "\">" + Escape(verdict.base) + " &#8594; " +
             Escape(verdict.target) + "</h2>\n<p>" + Sum(verdict) + "</p>\n";
    Map(verdict);
    for (size_t p = 0; p < verdict.patches.size(); ++p) PatchOf(t, p, verdict.patches[p]);
  }

  void Map(const SeriesVerdict& verdict) {
    if (verdict.files.empty() && verdict.functions.empty()) return;
    html_ += "<details><summary>What moved: " + std::to_string(verdict.files.size()) + " files, " +
             std::to_string(verdict.functions.size()) +
             " functions</summary><div class=\"scroll\"><table><thead><tr>"
             "<th>here</th><th>there</th><th>evidence</th></tr></thead><tbody>\n";
    for (const FileMapping& file : verdict.files)
      html_ += "<tr><td><code>" + Escape(file.from) + "</code></td><td>" +
               (file.to.empty() ? "<em>nowhere</em>" : "<code>" + Escape(file.to) + "</code>") +
               "</td><td>" + Escape(file.evidence) + "</td></tr>\n";
    for (const FunctionMapping& function : verdict.functions)
      html_ += "<tr><td><code>" + Escape(function.function) + "()</code> of <code>" +
               Escape(function.from) + "</code></td><td><code>" + Escape(function.to) +
               "</code></td><td>the only definition</td></tr>\n";
    html_ += "</tbody></table></div></details>\n";
  }

  void PatchOf(size_t t, size_t p, const PatchVerdict& patch) {
    html_ += std::string("<details class=\"patch") + (patch.Open() ? "\" open" : " fine\"") +
             " id=\"" + Id(t, p) + "\"><summary>" + Escape(patch.name) + " <span class=\"dim\">" +
             Counts(patch) + "</span></summary>\n";
    if (!patch.summary.empty()) html_ += "<p>" + Escape(patch.summary) + "</p>\n";
    for (const std::string& note : patch.notes) html_ += "<p>Note: " + Escape(note) + "</p>\n";
    for (size_t h = 0; h < patch.hunks.size(); ++h) HunkOf(Id(t, p, h), patch.hunks[h]);
    html_ += "</details>\n";
  }

  void HunkOf(const std::string& id, const HunkVerdict& hunk) {
    html_ += std::string("<div class=\"hunk ") + LookOf(hunk).style + (hunk.Open() ? "" : " fine") +
             "\" id=\"" + id + "\"><p><span class=\"badge " + LookOf(hunk.grade).style + "\">" +
             Name(hunk.grade) + "</span> ";
    if (hunk.Landed())
      html_ += std::string("<span class=\"check ") +
               (hunk.check == Check::kFailed ? "broken" : "") + "\">" + Name(hunk.check) +
               "</span> ";
    html_ += Where(hunk) + "</p>\n";
    if (!hunk.reason.empty()) html_ += "<p>" + Escape(hunk.reason) + "</p>\n";
    if (!hunk.check_says.empty())
      html_ += std::string("<p class=\"") + (hunk.check == Check::kFailed ? "says" : "dim") +
               "\">" + Escape(hunk.check_says) + "</p>\n";
    // An exact hunk is as it was: its text is in the patch.
    if (!hunk.after.empty() && Body(hunk.after) != Body(hunk.before))
      html_ += SideBySide(hunk.before, hunk.after);
    else if (hunk.Open() && !hunk.before.empty())
      html_ += OneSide(hunk.before);
    html_ += "</div>\n";
  }

  const std::vector<SeriesVerdict>& verdicts_;
  std::string html_;
};

}  // namespace

std::string HtmlReport(const std::vector<SeriesVerdict>& verdicts) {
  return Page(verdicts).Print();
}

}  // namespace restack
