// SPDX-License-Identifier: GPL-2.0-or-later
// The style of the report's page.
#pragma once

namespace restack {

constexpr const char* kHtmlStyle = R"css(
:root{color-scheme:light dark;--bg:#fcfcfb;--fg:#1c2024;--dim:#60646c;--line:#dcdde2;--card:#fff;
--exact:#2f7d4f;--moved:#3d63dd;--merged:#5b5bd6;--reanchored:#8e4ec6;--resolved:#107d98;--upstream:#80838d;--partly:#a87c0d;
--conflict:#c62a2f;--add:#e6f6eb;--del:#fdebec;--mark:#f5a623;--ink:#fff}
@media(prefers-color-scheme:dark){:root{--bg:#121316;--fg:#e6e7ea;--dim:#9a9ea7;--line:#2e3036;--card:#191a1e;
--exact:#3f9e66;--moved:#6b8cf5;--merged:#8787f0;--reanchored:#b07be0;--resolved:#3aa7c2;--upstream:#7c7f88;--partly:#c9a227;
--conflict:#e5484d;--add:#143523;--del:#3b1a1d;--mark:#b3760f;--ink:#0d0e10}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:84rem;padding:1rem 1.5rem 4rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.5rem 0 0}h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:.5rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
a{color:inherit}a:focus-visible,summary:focus-visible,input:focus-visible{outline:2px solid var(--moved);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
.dim{color:var(--dim)}code,pre,.diff{font:13px/1.45 ui-monospace,monospace}
.scroll{overflow-x:auto}
table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem;border-bottom:1px solid var(--line)}
thead th{white-space:nowrap}tbody th{font-weight:600}tbody th small{display:block;font-weight:400;color:var(--dim);max-width:26rem}
.squares{display:flex;flex-wrap:wrap;gap:2px;max-width:16rem;margin-bottom:.15rem}
.squares a{width:1.15rem;height:1.15rem;border-radius:3px;font:700 .7rem/1.15rem system-ui;text-align:center;
text-decoration:none;color:var(--ink);background:var(--c)}
.squares a.broken{background:repeating-linear-gradient(45deg,var(--conflict) 0 4px,var(--partly) 4px 8px)}
.exact{--c:var(--exact)}.moved{--c:var(--moved)}.merged{--c:var(--merged)}.reanchored{--c:var(--reanchored)}
.resolved{--c:var(--resolved)}.upstream{--c:var(--upstream)}.partly{--c:var(--partly)}.conflict,.broken{--c:var(--conflict)}
.badge{display:inline-block;padding:0 .5rem;border-radius:1rem;font-size:.8rem;font-weight:600;color:var(--ink);background:var(--c)}
.check{display:inline-block;padding:0 .5rem;border-radius:1rem;font-size:.8rem;border:1px solid var(--c,var(--line))}
details.patch{background:var(--card);border:1px solid var(--line);border-radius:8px;margin:.5rem 0;padding:.2rem .9rem}
summary{cursor:pointer;padding:.3rem 0}details.patch>summary{font-weight:600}summary .dim{font-weight:400}
.hunk{border-left:4px solid var(--c);padding:.2rem 0 .2rem .8rem;margin:.7rem 0}.hunk:target{background:var(--add)}
.hunk p{margin:.2rem 0}.says{color:var(--conflict);font-family:ui-monospace,monospace;font-size:13px;overflow-wrap:anywhere}
.diff{width:100%;table-layout:fixed;margin:.4rem 0;border:1px solid var(--line)}
.diff td{padding:0 .5rem;border:0;white-space:pre-wrap;overflow-wrap:anywhere}
.diff td+td{border-left:1px solid var(--line)}.diff th{padding:.1rem .5rem;font-weight:400;color:var(--dim)}
.add{background:var(--add)}.del{background:var(--del)}.diff tr.other td{box-shadow:inset 3px 0 var(--mark)}
.filter{display:inline-block;margin:.6rem 0}body:has(#open:checked) .fine{display:none}
.legend{display:flex;flex-wrap:wrap;gap:.4rem 1rem;margin:.6rem 0;padding:0;list-style:none}
@media print{.filter,.skip{display:none}}
)css";

}  // namespace restack
