"""The look of a case file in light and dark, and what its page may load: nothing."""

from __future__ import annotations

from ndcore.figures.style.palette import PAGES

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_LIGHT, _DARK = (
    " ".join(f"--{name}: {colour};" for name, colour in PAGES[theme].items())
    for theme in ("light", "dark")
)
_COLOURS = f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}"""
_LAYOUT = """
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.45 Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif;
}
main { max-width: 980px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 36px 0 8px; overflow-wrap: anywhere; }
h3 { font-size: 15px; margin: 20px 0 6px; }
p { margin: 6px 0; }
a { color: inherit; }
.faint, figcaption { color: var(--faint); font-size: 13px; }
.said, pre { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; }
.said { padding: 10px 14px; overflow-wrap: anywhere; }
pre {
  padding: 10px 12px; margin: 6px 0; font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
.row { display: flex; flex-wrap: wrap; gap: 16px 24px; }
.row > div { flex: 1 1 340px; min-width: 0; }
figure { margin: 0; width: 216px; }
figcaption { margin-top: 4px; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table.data {
  border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums;
}
table.data th, table.data td {
  text-align: left; vertical-align: top; padding: 4px 10px 4px 0; white-space: nowrap;
  border-bottom: 1px solid var(--line);
}
table.data td:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 96px; }
table.data .n { text-align: right; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 16px; margin: 0; }
dl { font-size: 13px; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
"""
STYLE = _COLOURS + _LAYOUT
