// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/chart.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace stx {
namespace {

constexpr int kWidth = 820, kLeft = 250, kRight = 60, kTop = 62, kBar = 13, kGap = 14;
constexpr const char* kColours[] = {"#8a8f98", "#3b76c4", "#d9822b", "#4f9d57"};

std::string Escape(const std::string& text) {
  std::string escaped;
  for (char c : text) escaped += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
  return escaped;
}

template <typename... Args>
std::string Format(const char* format, Args... args) {
  char text[512];
  std::snprintf(text, sizeof(text), format, args...);
  return text;
}

std::string Text(double x, double y, const char* anchor, const std::string& text) {
  return Format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) + Escape(text) +
         "</text>\n";
}

}  // namespace

std::string DrawChart(const Chart& chart) {
  if (chart.groups.empty() || chart.series.size() > std::size(kColours))
    throw std::invalid_argument("a chart without groups, or of more than four series");
  double most = 0;
  for (const BarGroup& group : chart.groups)
    for (const auto& bar : group.bars)
      if (bar) most = std::max({most, bar->value, bar->high});
  const double step = most <= 1.3 ? 0.25 : most <= 2.6 ? 0.5 : most / 5;
  const double end = step * (static_cast<int>(most / step) + 1);
  const auto x = [&](double value) { return kLeft + value / end * (kWidth - kLeft - kRight); };
  const int group_height = static_cast<int>(chart.series.size()) * kBar + kGap;
  const int bottom = kTop + static_cast<int>(chart.groups.size()) * group_height;

  std::string svg = Format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"#777\">\n",
      kWidth, bottom + 30);
  svg += "<title>" + Escape(chart.title) + "</title>\n" + Text(10, 20, "start", chart.title);
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const double at = kLeft + 130.0 * static_cast<double>(i);
    svg += Format("<rect x=\"%.1f\" y=\"33\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", at,
                  kColours[i]);
    svg += Text(at + 18, 43, "start", chart.series[i]);
  }
  for (double tick = 0; tick <= end + step / 2; tick += step) {
    svg += Format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#8884\"/>\n", x(tick),
                  x(tick), kTop - 6, bottom);
    svg += Text(x(tick), bottom + 16, "middle", Format("%.4g", tick));
  }
  double y = kTop;
  for (const BarGroup& group : chart.groups) {
    svg += Text(kLeft - 8, y + (group_height - kGap) / 2.0 + 4, "end", group.name);
    for (size_t i = 0; i < group.bars.size(); ++i) {
      const auto& bar = group.bars[i];
      if (!bar) continue;
      const double top = y + static_cast<double>(i) * kBar, middle = top + kBar / 2.0;
      svg += Format("<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", kLeft,
                    top, x(bar->value) - kLeft, kBar - 2, kColours[i]);
      if (bar->high > bar->low)
        svg += Format(
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#777\" "
            "stroke-width=\"2\"/>\n",
            x(bar->low), x(bar->high), middle, middle);
      svg += Text(x(std::max(bar->value, bar->high)) + 5, middle + 3, "start",
                  Format("%.2f", bar->value));
    }
    if (group.mark)
      svg += Format(
          "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#c33\" "
          "stroke-width=\"2\"/>\n",
          x(*group.mark), x(*group.mark), y - 3, y + group_height - kGap + 1);
    y += group_height;
  }
  return svg + "</svg>\n";
}

}  // namespace stx
