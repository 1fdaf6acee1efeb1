"""What MkDocs is told beyond mkdocs.yml: pages from outside docs/, and links that lead there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

TAKEN_IN = {
    "bench/README.md": "reference/measurements.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
}
"""Files of the repository by the page that shows them; the README's place is taken by a page."""

_DECISIONS = "adr/"
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]+)(#[^)]*)?\)")
_FENCED = re.compile(r"(^```.*?^```[^\n]*$)", re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name each decision in the nav, so that a new one only has to be written."""
    config.nav = [_filled(entry) for entry in config.nav or []]
    return config


def _filled(entry: Any) -> Any:
    if isinstance(entry, list):
        return [_filled(inside) for inside in entry]
    if isinstance(entry, dict):
        return {
            title: _decisions() if target == _DECISIONS else _filled(target)
            for title, target in entry.items()
        }
    return entry


def _decisions() -> list[str]:
    numbered = sorted(path.name for path in (ROOT / "docs" / _DECISIONS).glob("[0-9]*.md"))
    return [f"{_DECISIONS}{name}" for name in ["README.md", *numbered]]


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Take in pages that stand elsewhere in the repository."""
    for source, page in TAKEN_IN.items():
        if files.get_file_from_path(page) is None:
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend links that leave docs/; those that lead nowhere stay, and MkDocs warns of them."""
    where = next((s for s, p in TAKEN_IN.items() if p == page.file.src_uri), None)
    if page.file.generated_by is None or where is None:
        where = f"docs/{page.file.src_uri}"
    source = str(config.extra.get("source") or "")
    parts = _FENCED.split(markdown)
    return "".join(
        part if part.startswith("```") else _mended(part, where, page, files, source)
        for part in parts
    )


def _mended(markdown: str, where: str, page: Page, files: Files, source: str) -> str:
    def mend(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(where), target))
        here = TAKEN_IN.get(wanted) or wanted.removeprefix("docs/")
        if wanted in TAKEN_IN or (wanted.startswith("docs/") and files.get_file_from_path(here)):
            to = posixpath.relpath(here, posixpath.dirname(page.file.src_uri) or ".")
            return f"[{text}]({to}{anchor})"
        if wanted.startswith("docs/") or not (ROOT / wanted).exists():
            return link[0]
        if source:
            return f"[{text}]({source.rstrip('/')}/{wanted}{anchor})"
        return f"`{text}`" if text in wanted else text

    return _LINK.sub(mend, markdown)
