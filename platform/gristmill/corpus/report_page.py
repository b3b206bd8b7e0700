"""The frame of the corpus report: one HTML file with its style, light and dark, wide and narrow."""

from collections.abc import Sequence
from html import escape

_COLOURS = ("#2f6f8f", "#d08c3f", "#5b8c5a", "#8a5a83", "#b5544d", "#4f6d7a", "#a3a847", "#7a6f9b")
_STYLE = """
:root { --ink: #1f2933; --soft: #616e7c; --line: #e4e7eb; --page: #f5f7fa; --card: #fff; COLOURS }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e4e7eb; --soft: #9aa5b1; --line: #323f4b; --page: #12181f; --card: #1b232c } }
* { box-sizing: border-box }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 }
main { max-width: 980px; margin: 0 auto; padding: 32px 20px 80px }
h1 { font-size: 26px; margin: 0 0 4px } h2 { font-size: 17px; margin: 0 0 12px }
h3 { font-size: 13.5px; font-weight: 600; margin: 14px 0 6px }
nav { display: flex; flex-wrap: wrap; gap: 0 16px; font-size: 13px; margin: 0 0 18px }
nav a { color: var(--soft); text-decoration: none } nav a:hover { text-decoration: underline }
p, em { color: var(--soft); font-size: 13px; font-style: normal }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px;
  margin: 18px 0; overflow-wrap: anywhere }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px }
.figures b { display: block; font-size: 21px } .figures span { color: var(--soft); font-size: 13px }
.bar { display: grid; grid-template-columns: 230px 1fr; gap: 0 12px; align-items: center; padding: 2px 0;
  font-size: 13px; grid-template-areas: "label track" }
.bar span { text-align: right } .bar i { grid-area: track; width: calc(var(--w) * .72); height: 15px;
  background: var(--c); border-radius: 3px }
.bar em { grid-area: track; margin-left: calc(var(--w) * .72 + 8px); white-space: nowrap }
.columns { display: flex; gap: 6px; align-items: flex-end; height: 190px; margin: 4px 0 10px }
.columns div { flex: 1; display: flex; flex-direction: column; justify-content: flex-end; height: 100%;
  text-align: center; font-size: 11px; min-width: 0 }
.columns i { height: calc(var(--h) * .72); min-height: 1px; background: var(--c); border-radius: 3px 3px 0 0 }
.columns span { color: var(--soft); min-height: 2.9em; line-height: 1.3; padding-top: 4px } .columns em { font-size: 11px }
.stacked { display: flex; height: 26px; border-radius: 4px; overflow: hidden } .stacked i { background: var(--c) }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin-top: 8px; font-size: 13px }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; background: var(--c); margin-right: 6px }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 13px; width: 100% }
th, td { text-align: left; white-space: nowrap; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600 }
.graph { display: block; width: 100%; min-width: 640px; fill: var(--ink) } .graph g { fill: none }
details { margin: 6px 0 } summary { cursor: pointer; font-size: 13px } ul { margin: 6px 0; font-size: 13px }
summary mark { background: var(--line); color: var(--ink); border-radius: 4px; padding: 1px 6px; margin: 0 4px }
pre { background: var(--page); border-radius: 6px; padding: 10px 12px; overflow-x: auto; font-size: 12px;
  overflow-wrap: normal }
@media (max-width: 600px) {
  main { padding: 20px 12px 60px } section { padding: 16px 14px }
  .bar { grid-template-columns: 1fr; grid-template-areas: "label" "track"; padding: 4px 0 }
  .bar span { text-align: left }
  .bar i { width: calc(var(--w) * .58) } .bar em { margin-left: calc(var(--w) * .58 + 8px) }
  .columns { gap: 3px } .columns div, .columns em { font-size: 10px }
}
"""


def page(title: str, figures: str, sections: Sequence[tuple[str, str]]) -> str:
    """Return the page: the figures, then each (heading, HTML)."""
    colours = " ".join(f"--c{number}: {value};" for number, value in enumerate(_COLOURS))
    style = _STYLE.replace("COLOURS", colours)
    links = "".join(
        f'<a href="#s{number}">{escape(heading)}</a>'
        for number, (heading, _) in enumerate(sections)
    )
    body = "".join(
        f'<section id="s{number}"><h2>{escape(heading)}</h2>{html}</section>'
        for number, (heading, html) in enumerate(sections)
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style>'
        f"</head><body><main><h1>{escape(title)}</h1><nav>{links}</nav>{figures}{body}</main></body>"
        "</html>\n"
    )
