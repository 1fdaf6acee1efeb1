"""Sphinx extension: navigation, pages from outside docs/, and links to files outside docs/."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]

INCLUDED = {"bench/README.md": "reference/measurements.md", "CHANGELOG.md": "changelog.md"}
"""Files outside docs/, by the page that shows them."""

_TARGETS = INCLUDED | {"README.md": "index.md"}

_SECTIONS = {
    "Tutorial": "tutorial/index",
    "How-to": "how-to/index",
    "Reference": "reference/index",
    "Explanation": "explanation/index",
    "Changes": "changelog",
}
"""The sections of the navigation: a page, or an index whose table lists the section's pages."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]+)(#[^)]*)?\)")
_LISTED = re.compile(rf"^\| {_LINK.pattern} \|", re.MULTILINE)
_FENCED = re.compile(r"(^```.*?^```[^\n]*$)", re.DOTALL | re.MULTILINE)
_TITLED = re.compile(r'\A```(\w+) title="([^"]+)"$', re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_config_value("docs_source", "", "env", str)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    file = next((file for file, shown_on in INCLUDED.items() if shown_on == f"{page}.md"), None)
    if file:
        app.env.note_dependency(ROOT / file)
        source[0] = (ROOT / file).read_text(encoding="utf-8")
    url = str(app.config.docs_source)
    source[0] = site_markdown(source[0], f"{page}.md", file or f"docs/{page}.md", url)
    if page == "index":
        source[0] += "".join(_toctree(f":caption: {s}", _pages(i)) for s, i in _SECTIONS.items())
    elif page == "adr/index":
        source[0] += _toctree(":glob:", ["[0-9]*"])


def _pages(index: str) -> list[str]:
    """A page itself; for an index, also the pages of its table, by their titles there."""
    if not index.endswith("/index"):
        return [index]
    file = f"docs/{index}.md"
    text = (ROOT / file).read_text(encoding="utf-8")
    listed = _LISTED.findall(site_markdown(text, "index.md", file, ""))
    return [f"Overview <{index}>", *(f"{title} <{path[:-3]}>" for title, path, _ in listed)]


def _toctree(option: str, pages: list[str]) -> str:
    return "\n".join(["", "```{toctree}", ":hidden:", option, "", *pages, "```", ""])


def site_markdown(markdown: str, page: str, file: str, source_url: str) -> str:
    """The Markdown of `file` for the page `page` of the site.

    Links to files outside docs/ point to `source_url`, or become text if that is empty. Broken
    links are kept for Sphinx to report.
    """
    return "".join(
        _TITLED.sub(r"```{code-block} \1\n:caption: \2\n", part)
        if part.startswith("```")
        else _LINK.sub(lambda link: _link(link, page, file, source_url), part)
        for part in _FENCED.split(markdown)
    )


def _link(link: re.Match[str], page: str, file: str, source_url: str) -> str:
    text, href, anchor = link[1], link[2], link[3] or ""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(file), href))
    in_docs = target.startswith("docs/")
    if target in _TARGETS or (in_docs and (ROOT / target).is_file()):
        path = _TARGETS.get(target) or target.removeprefix("docs/")
        return f"[{text}]({posixpath.relpath(path, posixpath.dirname(page) or '.')}{anchor})"
    if in_docs or not (ROOT / target).exists():
        return link[0]
    if source_url:
        return f"[{text}]({source_url.rstrip('/')}/{target}{anchor})"
    return f"`{text}`" if text in target else text
