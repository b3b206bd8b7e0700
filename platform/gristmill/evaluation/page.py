"""The frame of our report pages: one HTML file, no script, nothing fetched."""

from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5c6776; --line: #dfe4ea; --paper: #fff;
  --shade: #f5f7f9; --good: #2f7d4f; --bad: #b3403a; --one: #3b6fb6; --two: #d08a2e; --three: #2f8f83;
  --four: #8457a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #333c48;
  --paper: #161b22; --shade: #1e252e; --good: #6cc28d; --bad: #e5837d; --one: #7aa7e6; --two: #e0a95c;
  --three: #63c1b4; --four: #b892d8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 4rem; color: var(--ink);
  background: var(--paper); font: 15px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { max-width: 46rem; } .soft { color: var(--soft); } small { font-size: .85em; color: var(--soft); }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .85em; }
td, th { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.chosen td { background: var(--shade); font-weight: 600; }
code, pre { font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre { background: var(--shade); border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0;
  padding: .7rem .9rem; overflow-x: auto; white-space: pre-wrap; word-break: break-word; }
figure { margin: 1rem 0; } figure img { max-width: 100%; background: #fff; border-radius: 6px; }
.right { color: var(--good); } .wrong { color: var(--bad); }
.item table { table-layout: fixed; }
.item { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: 1rem 0; }
mark { background: color-mix(in srgb, var(--two) 35%, transparent); color: inherit; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
svg .axis { stroke: var(--line); } svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
"""


def document(title: str, body: str) -> str:
    """Return a whole page around `body`, which is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def table(heads: list[str], rows: list[list[str]], chosen: int | None = None) -> str:
    """Return a table; cells are HTML, and all but the first column of numbers stand right."""

    def cell(tag: str, text: str, number: bool) -> str:
        return f"<{tag}{' class=number' if number else ''}>{text}</{tag}>"

    numeric = [
        bool(rows) and all(_is_number(row[at]) for row in rows if at < len(row))
        for at in range(len(heads))
    ]
    head = "".join(cell("th", text, numeric[at]) for at, text in enumerate(heads))
    lines = [
        f"<tr{' class=chosen' if number == chosen else ''}>"
        + "".join(cell("td", text, numeric[at]) for at, text in enumerate(row))
        + "</tr>"
        for number, row in enumerate(rows)
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _is_number(text: str) -> bool:
    return bool(text) and (text[0].isdigit() or text[0] in "+-.\u2212\u2013")
