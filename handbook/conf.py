"""The documentation site: `make docs` builds it into site/, and any warning fails.

A broken link or anchor is one, and so is a page that `handbook/nav.py` does not name. Nothing is
fetched from another host, neither here nor by a reader. Sphinx reads this file by its names.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_CONSOLE = tomllib.loads(
    (_FOLDER.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8")
)["theme"]


def _colours(scheme: str, *, quiet: str) -> dict[str, str]:
    """The console's own colours, under Furo's names; quiet text reads on both grounds."""
    of: dict[str, Any] = _CONSOLE[scheme]
    return {
        "color-brand-primary": of["primaryColor"],
        "color-brand-content": of["primaryColor"],
        "color-brand-visited": of["primaryColor"],
        "color-background-primary": of["backgroundColor"],
        "color-background-secondary": of["secondaryBackgroundColor"],
        "color-foreground-primary": of["textColor"],
        "color-foreground-secondary": quiet,
        "color-foreground-muted": quiet,
        "color-code-background": of["secondaryBackgroundColor"],
        "color-code-foreground": of["codeTextColor"],
    }


project = "driftdesk"
language = "en"
extensions = ["myst_parser", "handbook.site"]
smartquotes = False  # a quotation mark and two hyphens are what they are, in commands above all
nitpicky = True

# Where links that leave docs/ lead: an address of this repository's files. Empty: they are text.
handbook_source = os.environ.get("DOCS_SOURCE", "")

# Pages are Markdown as GitHub reads it, with its anchors; what only MyST knows is switched off.
myst_disable_syntax = ["myst_block_break", "myst_line_comment", "myst_role", "myst_target"]
myst_heading_anchors = 6
myst_html_meta = {
    "description": "An operator's desk for a pipeline that retrains a model when its data drifts"
}
highlight_language = "text"

html_theme = "furo"
html_title = "driftdesk"
html_favicon = "static/favicon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_copyright = False
html_use_index = False
html_theme_options = {
    "light_css_variables": _colours("light", quiet="#565c60"),
    "dark_css_variables": _colours("dark", quiet="#a3a8a9"),
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "github-dark-high-contrast"
