"""Damage files as disks, networks and hands do: bits, bytes, cuts, doubled and swapped pieces, other numbers in the text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Mutation = Callable[[bytes, random.Random], bytes]


def flip_a_bit(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def change_bytes(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(changed)


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def add(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.randbytes(draw.randint(1, 40)) + data[at:]


def take_out(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.randint(1, 40) :]


def blank(data: bytes, draw: random.Random) -> bytes:
    """A block that never reached the disk."""
    at, n = draw.randrange(len(data)), draw.randint(1, 512)
    return data[:at] + bytes(min(n, len(data) - at)) + data[at + n :]


def swap(data: bytes, draw: random.Random) -> bytes:
    a, b, c = sorted(draw.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def change_a_number(data: bytes, draw: random.Random) -> bytes:
    """A number in the header or in a text is another one."""
    found = [*re.finditer(rb"\d+", data[:4000])]
    if not found:
        return data
    one = draw.choice(found)
    new = draw.choice(
        [b"0", b"-1", b"1e3", b"4294967296", b"18446744073709551616", b"9" * 30, str(draw.randrange(99)).encode()]
    )
    return data[: one.start()] + new + data[one.end() :]


def change_a_word(data: bytes, draw: random.Random) -> bytes:
    """A word in the header or in a text is another one."""
    words = [
        b"F32",
        b"F64",
        b"I64",
        b"BOOL",
        b"BF16",
        b"dtype",
        b"shape",
        b"data_offsets",
        b"__metadata__",
        b"minigrad",
        b"sha256",
    ]
    found = [*re.finditer(rb"[A-Za-z_]\w+", data[:4000])]
    if not found:
        return data
    one = draw.choice(found)
    return data[: one.start()] + draw.choice([*words, b"[" * draw.randint(1, 3000), b"null", b""]) + data[one.end() :]


MUTATIONS: list[Mutation] = [
    flip_a_bit, change_bytes, cut, add, take_out, blank, swap, change_a_number, change_a_word,
]  # fmt: skip


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The data after one to three mutations; never the data itself."""
    changed = data
    while changed == data:
        for _ in range(draw.choice([1, 1, 1, 2, 3])):
            changed = draw.choice(MUTATIONS)(changed or b"\0", draw)
    return changed
