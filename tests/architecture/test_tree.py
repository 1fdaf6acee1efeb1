"""What is under version control holds no secret and nothing of the machine that it was made on."""

from __future__ import annotations

import configparser
import hashlib
import math
import os
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.stacks import ROOT

# Written in halves, so that this file is not what it looks for.
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE " + "KEY",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}",
    "a Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a Slack address": r"hooks\.slack\.com/services/T[A-Z0-9]{7,}",
    "a PyPI token": r"\bpypi-AgEI[A-Za-z0-9_-]{30,}",
    "a web token": r"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.",
    "an API key of serving": r"\bdd_[A-Za-z0-9_-]{43}\b",
}
PLACES = {
    "a home folder": r"/(?:home|Users)/" + r"(?!runner\b|app\b|driftdesk\b)[a-z][\w.-]*/",
    "root's folder": "/ro" + r"ot/(?!\.cache)",
    "a Windows home": r"[A-Z]:\\Users\\" + r"\w",
    "a working folder of this machine": r"(?<![\w./])/wo" + r"rk/(?:main|lab|shared|\.)",
}
MIRRORS = "|".join(
    left + right
    for left, right in (
        ("index[-_]", "url"), ("extra-", "index"), ("tuna.tsing", "hua"), ("mirrors.ali", "yun"),
        ("npmmi", "rror"), ("artifac", "tory"), ("pypi.do", "uban"),
    )
)  # fmt: skip
TOKEN = re.compile(r"[A-Za-z0-9+_=-]{32,}")
KNOWN = {
    "96ad2ccd": "the secret with which Standard Webhooks shows its signatures",
}
"""What looks random and is no secret, by the start of its SHA-256."""

BITS = 4.5
"""More bits a character than hex digits (4.0) or words ever have; random base64 has 5 and more."""


@cache
def tree() -> dict[str, str]:
    """Every text file that is tracked or would be, by its path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    files = {}
    for name in filter(None, listed):
        try:
            files[name] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
    assert len(files) > 100
    return files


def found(pattern: str) -> list[str]:
    looked = re.compile(pattern)
    return [
        f"{name}: {hit[0][:40]}" for name, text in tree().items() if (hit := looked.search(text))
    ]


@pytest.mark.parametrize("what", SECRETS)
def test_no_secret_is_in_the_tree(what: str) -> None:
    assert found(SECRETS[what]) == []


@pytest.mark.parametrize("what", PLACES)
def test_no_path_of_a_machine_is_in_the_tree(what: str) -> None:
    assert found(PLACES[what]) == []


def test_nothing_in_the_tree_looks_random() -> None:
    random = [
        f"{name}: {token[:12]}…"
        for name, text in tree().items()
        for token in TOKEN.findall(text)
        if looks_random(token) and hashlib.sha256(token.encode()).hexdigest()[:8] not in KNOWN
    ]
    assert random == []


def looks_random(token: str) -> bool:
    """Mixed letters and digits, spread as chance spreads them."""
    kinds = (str.isupper, str.islower, str.isdigit)
    if not all(any(map(kind, token)) for kind in kinds):
        return False
    counts = Counter(token).values()
    return -sum(n / len(token) * math.log2(n / len(token)) for n in counts) > BITS


def test_what_is_random_is_recognised() -> None:
    import secrets

    assert all(looks_random(secrets.token_urlsafe(48)) for _ in range(50))
    assert not looks_random("a" * 64)
    assert not looks_random("test_a_name_that_is_Long_and_has_1_digit_in_its_middle")


def test_no_mirror_of_a_package_registry_is_named() -> None:
    assert found(MIRRORS) == []
    hosts = {urlsplit(address).hostname for address in own_indexes()} - {None, "pypi.org"}
    for host in hosts:
        assert found(re.escape(str(host))) == []


def own_indexes() -> list[str]:
    """Where this machine gets its packages from, if not from PyPI itself."""
    option = "index" + "-url"
    named = [os.environ.get(n, "") for n in ("UV_DEFAULT_INDEX", "UV_INDEX", "PIP_INDEX" + "_URL")]
    home = Path.home()
    for file in (
        Path("/etc/pip.conf"),
        Path("/etc/xdg/pip/pip.conf"),
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
    ):
        config = configparser.ConfigParser(interpolation=None)
        config.read(file)
        named += [section.get(option, "") for section in config.values()]
    return [address for address in named if address]


def test_every_test_that_the_security_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", tree()["docs/security.md"])
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
