"""The pages of the site in their order. A page that is not named here stops the build."""

from __future__ import annotations

NAV: dict[str, list[tuple[str, str]]] = {
    "Tutorial": [("The first day", "tutorial/first-day")],
    "How-to": [
        ("Overview", "how-to/index"),
        ("Your own dataset", "how-to/own-dataset"),
        ("Your own data API", "how-to/own-data-api"),
        ("Real stores", "how-to/real-stores"),
        ("Ask for predictions", "serving"),
        ("Alerts", "how-to/alerts"),
        ("Webhooks", "webhooks"),
        ("Log in", "auth"),
        ("Containers", "deployment"),
        ("Kubernetes, microk8s", "kubernetes"),
        ("Scale it", "scaling"),
        ("Operate it", "operations"),
        ("Watch it", "monitoring"),
        ("What is guarded against", "security"),
    ],
    "Reference": [
        ("Overview", "reference/index"),
        ("Settings", "reference/settings"),
        ("Command line", "reference/cli"),
        ("Serving API", "reference/api"),
        ("Tables", "reference/tables"),
        ("Events", "reference/events"),
        ("Measurements", "reference/measurements"),
    ],
    "Explanation": [
        ("Overview", "explanation/index"),
        ("The drift rule and its noise", "explanation/drift"),
        ("Judging on the same rows", "explanation/same-rows"),
        ("Aliases, not stages", "explanation/aliases"),
        ("Epochs", "explanation/epochs"),
        ("Decisions", "adr/index"),
    ],
    "What changed": [("Changelog", "changelog")],
}
"""Pages by part of the site: the title in the navigation, and the page."""

DECISIONS = "adr/index"
"""The page whose numbered neighbours stand below it, so that a new one only has to be written."""


def contents(page: str) -> str:
    """The tables of contents that a page carries: all of the site, each decision, or none."""
    if page == "index":
        return "".join(
            _toctree([f":caption: {part}"], [f"{title} <{name}>" for title, name in pages])
            for part, pages in NAV.items()
        )
    if page == DECISIONS:
        return _toctree([":glob:"], ["[0-9]*"])
    return ""


def _toctree(options: list[str], pages: list[str]) -> str:
    return "\n".join(["", "```{toctree}", ":hidden:", *options, "", *pages, "```", ""])
