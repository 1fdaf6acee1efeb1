"""Sphinx configuration: `make docs` builds the site into site/, and any warning fails.

Warnings include broken links and pages that no index lists. Neither the build nor a
reader's browser loads anything from another host.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

_STREAMLIT = Path(__file__).parents[2] / ".streamlit" / "config.toml"
_CONSOLE = tomllib.loads(_STREAMLIT.read_text(encoding="utf-8"))["theme"]


def _colours(scheme: str, *, quiet: str) -> dict[str, str]:
    """The console's colours by Furo's names; `quiet` has enough contrast on both backgrounds."""
    theme: dict[str, Any] = _CONSOLE[scheme]
    return {
        "color-brand-primary": theme["primaryColor"],
        "color-brand-content": theme["primaryColor"],
        "color-brand-visited": theme["primaryColor"],
        "color-background-primary": theme["backgroundColor"],
        "color-background-secondary": theme["secondaryBackgroundColor"],
        "color-foreground-primary": theme["textColor"],
        "color-foreground-secondary": quiet,
        "color-foreground-muted": quiet,
        "color-code-background": theme["secondaryBackgroundColor"],
        "color-code-foreground": theme["codeTextColor"],
    }


project = "driftdesk"
language = "en"
extensions = ["myst_parser", "docs.generator.site"]
smartquotes = False  # would change quotes and hyphens in commands
nitpicky = True

# Base URL of the repository's files, for links to files outside docs/; empty: links become text.
docs_source = os.environ.get("DOCS_SOURCE", "")

# GitHub's Markdown and anchors only; syntax that only MyST has is disabled.
myst_disable_syntax = ["myst_block_break", "myst_line_comment", "myst_role", "myst_target"]
myst_heading_anchors = 6
myst_html_meta = {
    "description": "A console for a pipeline that retrains a model when its data drifts"
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
