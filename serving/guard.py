"""No pickle in this process: a file that could run code when it is read is never read.

Models are ONNX, which holds numbers and operators only. Should any library try to load a pickle all
the same, Python's own audit event stops it before the first class is looked up.
"""

from __future__ import annotations

import sys


def forbid_pickle() -> None:
    """From now on unpickling any class raises RuntimeError; this cannot be undone."""
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event == "pickle.find_class":
        raise RuntimeError("Serving loads no pickles.")
