"""Bodies that nobody should send: a seeded mutator over good ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

GOOD: dict[str, Any] = {
    "status": "for_sale", "bed": 3, "bath": 2.5, "acre_lot": 0.38, "city": "East Windsor",
    "state": "Connecticut", "zip_code": 6016, "house_size": 1617.0,
}  # fmt: skip

_TOKENS = [
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1" * 400, b"1" * 5000, b"-0",
    b"1e-400", b"true", b"null", b'""', b'"\\ud800"', b'"\\u0000"', b'"3"', b"[]", b"{}", b"[[[]]]",
    b"01", b'"' + b"x" * 300 + b'"', b'"<script>alert(1)</script>"', b'"=cmd()"', b"'3'", b"0x10",
]  # fmt: skip

Mutation = Callable[[random.Random, bytes], bytes]


def _value(dice: random.Random, _body: bytes) -> bytes:
    """One field takes a token that is wrong, or odd."""
    field = dice.choice(list(GOOD))
    rest = json.dumps({k: v for k, v in GOOD.items() if k != field})[1:].encode()
    return b"{" + json.dumps(field).encode() + b":" + dice.choice(_TOKENS) + b"," + rest


def _flip(dice: random.Random, body: bytes) -> bytes:
    spoiled = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
    return bytes(spoiled)


def _cut(dice: random.Random, body: bytes) -> bytes:
    return body[: dice.randrange(len(body))]


def _insert(dice: random.Random, body: bytes) -> bytes:
    at = dice.randrange(len(body))
    return body[:at] + dice.choice([*_TOKENS, b"\xff\xfe", b"\x00", b"\xef\xbb\xbf"]) + body[at:]


def _deep(dice: random.Random, _body: bytes) -> bytes:
    depth = dice.choice([10, 500, 5_000, 30_000])
    opens, closes = dice.choice([(b"[", b"]"), (b'{"bed":', b"}")])
    return opens * depth + b"1" + closes * depth * dice.choice([0, 1])


def _unknown(dice: random.Random, _body: bytes) -> bytes:
    names = [
        "price",
        "",
        "bed ",
        "__proto__",
        "\ud800",
        "x" * 5_000,
        "ü",
        "bed/bath",
        "a~b",
        "\x00",
    ]
    return json.dumps({**GOOD, dice.choice(names): dice.choice([1, "x", None, [], {}])}).encode()


def _twice(dice: random.Random, _body: bytes) -> bytes:
    field = json.dumps(dice.choice(list(GOOD))).encode()
    return b"{" + field + b":" + dice.choice(_TOKENS) + b"," + field + b":1}"


def _large(dice: random.Random, _body: bytes) -> bytes:
    text = dice.choice(["x", "\\ud83d\\ude00", "ü"]) * 40_000
    return b'{"city":"' + (text * dice.choice([1, 25])).encode()[:1_048_576] + b'"}'


def _shape(dice: random.Random, _body: bytes) -> bytes:
    shapes = [b"", b" ", b"null", b"1", b'"x"', b"[]", b"[{}]", b"{}", b"\xef\xbb\xbf{}", b"{}{}"]
    return dice.choice(shapes)


_MUTATIONS: list[tuple[Mutation, int]] = [
    (_value, 40), (_flip, 20), (_cut, 8), (_insert, 12), (_deep, 3), (_unknown, 8), (_twice, 4),
    (_large, 1), (_shape, 4),
]  # fmt: skip


def mutated(dice: random.Random) -> bytes:
    """One body that is most likely wrong."""
    change = dice.choices([m for m, _ in _MUTATIONS], [weight for _, weight in _MUTATIONS])[0]
    row = {k: v for k, v in GOOD.items() if dice.random() < 0.8} or GOOD
    return change(dice, json.dumps(row).encode())


def placed(dice: random.Random, body: bytes) -> tuple[str, str, bytes]:
    """Where a body goes: path, content type, and the body in the form of that place."""
    place = dice.random()
    if place < 0.8:
        kind = dice.choice(["application/json", "text/plain", "", "application/x-ndjson", "\xe9"])
        return dice.choice(["/predict", "/predict", "/predict?explain=true"]), kind, body
    if place < 0.85:
        return "/predict/batch", "application/json", b'{"rows":[' + body + b",{}]}"
    if place < 0.9:
        return "/predict/batch", "application/x-ndjson", b"{}\n" + body + b"\n" + body
    if place < 0.94:
        head = dice.choice([b"bed,city\n", b"bed\n", b"", b"ghost\n", b'"bed'])
        return "/predict/batch", "text/csv", head + body
    if place < 0.97:
        return "/predict/check", "application/json", b'{"rows":[' + body + b"]}"
    word = b'{"prediction_id":"7f2c9e40-5b1d-4c57-9a3e-0f3b8f0f6a11","actual":'
    return "/feedback", "application/json", dice.choice([body, word + dice.choice(_TOKENS) + b"}"])
