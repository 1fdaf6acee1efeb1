""".env.example lists every setting with its default and nothing else."""

from __future__ import annotations

import re

from core.platform.settings import Settings
from docs.generator.settings import descriptions
from tests.stacks import ROOT

COMPUTED = {"ACTOR"}  # the default is whoever is logged in


def test_the_example_and_the_code_list_the_same_settings() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^# ?([A-Z_]+)=(.*)$", text, re.MULTILINE))
    own = text.split("# --- `make run` alone ---", maxsplit=1)[0]
    shared = dict(re.findall(r"^# ?([A-Z_]+)=(.*)$", own, re.MULTILINE))
    known = {name.upper(): field for name, field in Settings.model_fields.items()}
    assert set(shared) == set(known)
    for name, field in known.items():
        if name not in COMPUTED:
            default = field.default
            expected = str(default).lower() if isinstance(default, bool) else str(default)
            assert listed[name] == expected, name
        says = descriptions()[name.lower()]
        assert says in text.replace("\n#   ", " "), f"{name} is described otherwise"
