"""The Dockerfile as far as tests need it: what each target installs, copies, sets and runs."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from tests.stacks import ROOT

DOCKERFILE = ROOT / "compose" / "Dockerfile"
TARGETS = ("console", "worker", "serving", "mlflow", "data-api")


@dataclass(slots=True)
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for step, rest in self.steps if step == word]

    def last(self, word: str) -> str | None:
        found = self.all(word)
        return found[-1] if found else None


def stages(text: str) -> dict[str, Stage]:
    """Every stage by its name; a line that ends with a backslash goes on in the next."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    made: dict[str, Stage] = {}
    current: Stage | None = None
    for line in re.sub(r"\\\n", " ", bare).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = made.setdefault(name, Stage(name, base))
        elif word and current is not None:
            current.steps.append((word, " ".join(rest.split())))
    return made


@dataclass(frozen=True, slots=True)
class Image:
    """A target: its dependency groups, and what runs in it."""

    target: str
    groups: tuple[str, ...]
    copies: tuple[tuple[tuple[str, ...], str], ...]
    env: dict[str, str]
    command: tuple[str, ...]
    health: tuple[str, ...]
    user: str


def image(target: str, text: str | None = None) -> Image:
    found = stages(text or DOCKERFILE.read_text(encoding="utf-8"))
    chain = [found[target]]
    while chain[0].base in found:
        chain.insert(0, found[chain[0].base])
    sync = next(r for r in found[f"build-{target}"].all("RUN") if "uv sync" in r)
    words = shlex.split(sync)
    groups = tuple(words[n + 1] for n, word in enumerate(words) if word == "--group")
    copies = []
    env: dict[str, str] = {}
    user = "0"
    for stage in chain:
        for rest in stage.all("ENV"):
            env |= dict(word.split("=", 1) for word in shlex.split(rest))
        for rest in stage.all("COPY"):
            if not rest.startswith("--from"):
                *sources, to = rest.split()
                copies.append((tuple(sources), to))
        user = stage.last("USER") or user
    health = chain[-1].last("HEALTHCHECK") or ""
    return Image(
        target,
        groups,
        tuple(copies),
        env,
        tuple(json.loads(chain[-1].last("CMD") or "[]")),
        tuple(json.loads(health.partition(" CMD ")[2] or "[]")),
        user,
    )


def lay_out(made: Image, folder: Path) -> None:
    """Copy what the image copies, into a folder that stands for /app."""
    import shutil

    for sources, to in made.copies:
        for source in sources:
            origin = ROOT / source
            if to.startswith("/"):
                target = folder / ".bin" / Path(to).name
                target.parent.mkdir(exist_ok=True)
            elif to.endswith("/"):
                target = folder / to / origin.name
                target.parent.mkdir(parents=True, exist_ok=True)
            else:
                target = folder / to
            if origin.is_dir():
                shutil.copytree(
                    origin, target, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"),
                )  # fmt: skip
            else:
                shutil.copyfile(origin, target)
