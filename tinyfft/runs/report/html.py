"""HTML elements. Every text is escaped, except instances of Html, which are markup.

page("title", [section("Curves", figure(svg, "what it shows")), section("Result", table(("a",), [(1,)]))])
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

CSS = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --faint: #666666; --rule: #d4d4d4 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #dedede; --paper: #17191c; --faint: #9a9a9a; --rule: #3a3d42 }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top }
th { font-weight: 600 } .numbers :is(td, th:not(:first-child)) { text-align: right }
.wide { overflow-x: auto } .cells td { text-align: right; border: 0 }
.cells th { border: 0; white-space: nowrap }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--rule); font-size: 13px }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1rem 2rem }
figure { margin: 0 0 .5rem }
figcaption, .note { color: var(--faint); font-size: 13px }
.chart { width: 100%; height: auto; display: block } .chart text { font-family: inherit !important }
.swatch { width: 1.7rem; height: .65rem; margin-right: .4rem } .legend { margin: 0 0 .4rem }
.legend span { margin-right: 1.4rem; white-space: nowrap }
.pixels { image-rendering: pixelated; width: 100% }
.examples { display: flex; flex-wrap: wrap; gap: .7rem } .examples figure { width: 80px; overflow-wrap: anywhere }
.examples img { image-rendering: pixelated; width: 80px }
.examples figcaption { line-height: 1.25 }
"""


class Html(str):
    """Markup."""


class Cell(Html):
    """An element <td>."""


def text(value: object) -> Html:
    """Return a value as markup, escaped unless it is Html; "-" for None."""
    return value if isinstance(value, Html) else Html("-" if value is None else escape(str(value)))


def join(parts: Iterable[object], between: str = "") -> Html:
    return Html(between.join(map(text, parts)))


def tag(name: str, content: object, **attributes: object) -> Html:
    """Return an element. The attribute `class` is the argument class_."""
    return Html(f"<{name}{_attributes(attributes)}>{text(content)}</{name}>")


def image(uri: str, alt: str, **attributes: object) -> Html:
    return Html(f"<img{_attributes({'src': uri, 'alt': alt, **attributes})}>")


def figure(content: Html, caption: object = "") -> Html:
    return tag("figure", join([content, tag("figcaption", caption)]) if caption else content)


def table(head: Sequence[object], rows: Iterable[Sequence[object]], class_: str = "") -> Html:
    """Return a table whose first column is a heading. Without `head` it has no heading row."""
    lines = [tag("tr", join(tag("th", cell, scope="col") for cell in head))] if head else []
    for first, *rest in rows:
        cells = (cell if isinstance(cell, Cell) else tag("td", cell) for cell in rest)
        lines.append(tag("tr", join([tag("th", first, scope="row"), *cells])))
    return tag("div", tag("table", join(lines, "\n"), **({"class_": class_} if class_ else {})), class_="wide")


def section(title: str, *parts: object) -> Html:
    """Return a section with a heading. Its id is the title in lower case with hyphens."""
    return tag("section", join([tag("h2", title), *parts], "\n"), id=title.lower().replace(" ", "-"))


def page(title: str, parts: Iterable[object]) -> str:
    """Return a whole HTML file."""
    whole = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{tag('title', title)}\n<style>{CSS}</style>\n</head>\n<body>\n"
        f"{join([tag('h1', title), *parts], chr(10))}\n</body>\n</html>\n"
    )
    return whole.encode("utf-8", "replace").decode("utf-8")  # file names may contain invalid UTF-8


def _attributes(attributes: Mapping[str, object]) -> str:
    return "".join(f' {name.rstrip("_")}="{escape(str(value))}"' for name, value in attributes.items())
