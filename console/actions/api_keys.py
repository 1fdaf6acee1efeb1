"""Add, list and remove the API keys of serving, in the file SERVING_KEYS."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from console.actions.access import needs
from console.desk import Desk
from core.domain.errors import BadInput, Missing
from core.rules.access.api_keys import digest_of, named, new_key, read_keys, write_keys
from core.rules.access.roles import Actor, Right


def names(desk: Desk) -> list[tuple[str, str]]:
    """Every key's name and the start of its digest, in the file's order.

    Raises:
        BadInput: SERVING_KEYS is not set, or is not a key file.
    """
    return [(name, digest[:12]) for digest, name in _read(_path(desk)).items()]


@needs(Right.KEYS)
def add(desk: Desk, actor: Actor, name: str) -> str:
    """Add a key for a name, which may have several; returns the key, which is stored nowhere.

    Raises:
        BadInput: the name is invalid, or the file cannot be written.
    """
    key = new_key()
    keys = _read(_path(desk)) | {digest_of(key): named(name)}
    _change(desk, keys, actor, "key added", name)
    return key


@needs(Right.KEYS)
def remove(desk: Desk, actor: Actor, name: str, start: str = "") -> int:
    """Remove the keys of a name, or the one whose digest starts so; returns how many.

    Raises:
        Missing: there is none.
        BadInput: the file cannot be written.
    """
    keys = _read(_path(desk))
    gone = [d for d, n in keys.items() if n == name and d.startswith(start)]
    if not gone:
        raise Missing(f"There is no key {name}{f' that starts with {start}' if start else ''}.")
    kept = {digest: n for digest, n in keys.items() if digest not in gone}
    _change(desk, kept, actor, "key removed", name)
    return len(gone)


def _path(desk: Desk) -> Path:
    if not desk.settings.serving_keys:
        raise BadInput("Set SERVING_KEYS to a file for the keys, for serving and for this command.")
    return Path(desk.settings.serving_keys)


def _read(path: Path) -> dict[str, str]:
    try:
        return read_keys(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The key file {path} cannot be read: {error}.") from error


def _change(desk: Desk, keys: dict[str, str], actor: Actor, action: str, name: str) -> None:
    """Replace the file and write its audit row, both or neither."""
    path = _path(desk)
    with desk.store.transaction(actor) as work:
        work.audit.add(actor.name, action, f"key:{name}")
        try:
            _write(path, write_keys(keys))
        except OSError as error:
            raise BadInput(f"The key file {path} cannot be written: {error.strerror}.") from error


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if path.exists():  # serving may run as another user, who may read the file
            Path(part).chmod(path.stat().st_mode & 0o777)
        Path(part).replace(path)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise
