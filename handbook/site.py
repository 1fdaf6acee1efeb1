"""What Sphinx does beyond its configuration: the nav, pages from outside docs/, links out of it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from sphinx.application import Sphinx

from handbook.nav import contents

ROOT = Path(__file__).parents[1]

TAKEN_IN = {
    "bench/README.md": "reference/measurements.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files of the repository by the page of docs/ that shows them."""

_LEADS_TO = TAKEN_IN | {"README.md": "index.md"}
"""And the README, whose place is taken by a page."""

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]+)(#[^)]*)?\)")
_FENCED = re.compile(r"(^```.*?^```[^\n]*$)", re.DOTALL | re.MULTILINE)
_TITLED = re.compile(r'\A```(\w+) title="([^"]+)"$', re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Have each page pass through `read`."""
    app.add_config_value("handbook_source", "", "env", str)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    """Exchange a page's text for what the site shows; it stays Markdown as GitHub reads it."""
    where = next((s for s, p in TAKEN_IN.items() if p == f"{page}.md"), None)
    if where:
        app.env.note_dependency(ROOT / where)
        source[0] = (ROOT / where).read_text(encoding="utf-8")
    leads_out = str(app.config.handbook_source)
    source[0] = shown(source[0], f"{page}.md", where or f"docs/{page}.md", leads_out)
    source[0] += contents(page)


def shown(markdown: str, page: str, where: str, source: str) -> str:
    """Markdown that stands at `where` in the repository, as `page` of the site shows it.

    Links that leave docs/ lead to `source`, or become text where that is empty. Those that lead
    nowhere stay, and Sphinx warns of them.
    """
    return "".join(
        _TITLED.sub(r"```{code-block} \1\n:caption: \2\n", part)
        if part.startswith("```")
        else _mended(part, page, where, source)
        for part in _FENCED.split(markdown)
    )


def _mended(markdown: str, page: str, where: str, source: str) -> str:
    def mend(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(where), target))
        here = _LEADS_TO.get(wanted) or wanted.removeprefix("docs/")
        if wanted in _LEADS_TO or (wanted.startswith("docs/") and (ROOT / wanted).is_file()):
            to = posixpath.relpath(here, posixpath.dirname(page) or ".")
            return f"[{text}]({to}{anchor})"
        if wanted.startswith("docs/") or not (ROOT / wanted).exists():
            return link[0]
        if source:
            return f"[{text}]({source.rstrip('/')}/{wanted}{anchor})"
        return f"`{text}`" if text in wanted else text

    return _LINK.sub(mend, markdown)
