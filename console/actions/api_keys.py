"""Add, list and remove the API keys of serving, in the file SERVING_KEYS."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from console.actions.access import needs, whole_desk
from console.desk import Desk
from core.domain.errors import BadInput, Missing
from core.platform.dataset_folder import DatasetFolder
from core.rules.access.api_keys import (
    Key,
    bound,
    digest_of,
    named,
    new_key,
    read_keys,
    write_keys,
)
from core.rules.access.roles import Actor, Right


def names(desk: Desk) -> list[tuple[str, str, tuple[str, ...]]]:
    """Every key's name, the start of its digest and its datasets, in the file's order.

    A key without datasets is for all.

    Raises:
        BadInput: SERVING_KEYS is not set, or is not a key file.
    """
    keys = _read(_path(desk))
    return [(key.name, digest[:12], key.datasets) for digest, key in keys.items()]


@needs(Right.KEYS)
def add(desk: Desk, actor: Actor, name: str, datasets: tuple[str, ...] = ()) -> str:
    """Add a key for a name, which may have several; returns the key, which is stored nowhere.

    It is for these datasets, without any for all.

    Raises:
        BadInput: the name is invalid, there is no such dataset, or the file cannot be written.
    """
    datasets = bound(datasets)
    usable = DatasetFolder(desk.settings).read().usable
    for dataset in datasets:
        if dataset not in usable:
            known = ", ".join(usable)
            raise BadInput(f"There is no dataset {dataset!r} on this desk. Its datasets: {known}.")
    key = new_key()
    keys = _read(_path(desk)) | {digest_of(key): Key(named(name), datasets)}
    about = {"datasets": list(datasets)} if datasets else {}
    _change(desk, actor, "key added", name, keys, **about)
    return key


@needs(Right.KEYS)
def remove(desk: Desk, actor: Actor, name: str, start: str = "") -> int:
    """Remove the keys of a name, or the one whose digest starts so; returns how many.

    Raises:
        Missing: there is none.
        BadInput: the file cannot be written.
    """
    keys = _read(_path(desk))
    gone = [d for d, key in keys.items() if key.name == name and d.startswith(start)]
    if not gone:
        raise Missing(f"There is no key {name}{f' that starts with {start}' if start else ''}.")
    kept = {digest: key for digest, key in keys.items() if digest not in gone}
    _change(desk, actor, "key removed", name, kept)
    return len(gone)


def _path(desk: Desk) -> Path:
    if not desk.settings.serving_keys:
        raise BadInput("Set SERVING_KEYS to a file for the keys, for serving and for this command.")
    return Path(desk.settings.serving_keys)


def _read(path: Path) -> dict[str, Key]:
    try:
        return read_keys(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The key file {path} cannot be read: {error}.") from error


def _change(
    desk: Desk,
    actor: Actor,
    action: str,
    name: str,
    keys: Mapping[str, Key],
    **details: list[str],
) -> None:
    """Replace the file and write its audit row, both or neither."""
    path = _path(desk)
    with desk.store.transaction(actor) as work:
        work.audit.add(
            actor.name, action, f"key:{name}", details=details or None, dataset=whole_desk(desk)
        )
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
