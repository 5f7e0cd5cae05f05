"""Requests that a served model has to stand: many at once, huge, deep and wrong ones."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil


def _rows(*rows: object) -> bytes:
    return json.dumps({"dataframe_records": rows}).encode()


GOOD: dict[str, Callable[[], bytes]] = {
    "a text": lambda: _rows({"text": "The dog sees a tree."}),
    "words": lambda: _rows({"words": ["The", "dog"]}),
    "many rows": lambda: _rows(*({"text": f"The dog sees {n} trees."} for n in range(50))),
    "a text of 100 kB": lambda: _rows({"text": "tree " * 20_000}),
    "all of Unicode": lambda: _rows({"text": "".join(map(chr, range(33, 0xD7FF, 7)))}),
}
"""Bodies that are answered."""

BAD: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no JSON": lambda: b"{",
    "no UTF-8": lambda: b'{"dataframe_records": [{"text": "\xff"}]}',
    "100,000 brackets": lambda: b"[" * 100_000,
    "100,000 brackets in a row": lambda: (
        b'{"dataframe_records": [{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"
    ),
    "a number": lambda: b"3",
    "null": lambda: b"null",
    "a list": lambda: b"[]",
    "records that are a number": lambda: b'{"dataframe_records": 3}',
    "records that are text": lambda: b'{"dataframe_records": "x"}',
    "a row that is a number": lambda: _rows(3),
    "a row that is a list": lambda: _rows([1, 2]),
    "a row that is null": lambda: _rows(None),
    "a text that is a number": lambda: _rows({"text": 3}),
    "a text that is a list": lambda: _rows({"text": ["x"]}),
    "a text that is an object": lambda: _rows({"text": {"a": 1}}),
    "words that are text": lambda: _rows({"words": "x"}),
    "words that are numbers": lambda: _rows({"words": [1, 2]}),
    "words that are lists": lambda: _rows({"words": [["x"]]}),
    "half a surrogate pair": lambda: b'{"dataframe_records": [{"text": "\\ud800"}]}',
    "half a surrogate pair as a word": lambda: b'{"dataframe_records": [{"words": ["\\ud800"]}]}',
    "a number of 5,000 digits": lambda: b'{"dataframe_records": [{"text": ' + b"9" * 5000 + b"}]}",
    "NaN": lambda: b'{"dataframe_records": [{"text": NaN}]}',
    "an unknown eraser": lambda: json.dumps(
        {"dataframe_records": [{"text": "x"}], "params": {"eraser": "x"}}
    ).encode(),
    "an eraser that is a list": lambda: json.dumps(
        {"dataframe_records": [{"text": "x"}], "params": {"eraser": ["x"]}}
    ).encode(),
    "parameters that are a list": lambda: b'{"dataframe_records": [{"text": "x"}], "params": [1]}',
    "a text of 2 MB": lambda: _rows({"text": "tree " * 400_000}),
    "a word of 2 MB": lambda: _rows({"words": ["t" * 2_000_000]}),
    "20 MB of wrong rows": lambda: _rows(*[{"txt": "x" * 200}] * 90_000),
}  # fmt: skip
"""Bodies that are refused with 400."""


def answer_to(address: str, body: bytes, seconds: float = 120.0) -> tuple[int, str]:
    """Status and text of the answer; 0: there was none."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/invocations", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def resident(pid: int) -> float:
    """MB of memory of a process and all below it."""
    first = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [first, *first.children(recursive=True)]) / 1e6


@dataclass
class Load:
    """What clients at once were answered.

    Attributes:
        statuses: how many answers there were of each kind of body and status.
        memory: MB of the server, at each second.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)


def load(address: str, pid: int, *, clients: int, seconds: float) -> Load:
    """Ask a server by many clients at once; each walks through all small bodies."""
    bodies = {name: make() for name, make in {**GOOD, **BAD}.items() if "MB" not in name}
    load, lock, end = Load(), threading.Lock(), time.monotonic() + seconds

    def ask(number: int) -> None:
        names = list(bodies)
        while time.monotonic() < end:
            number += 1
            name = names[number % len(names)]
            status, _ = answer_to(address, bodies[name])
            with lock:
                load.statuses[name, status] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        load.memory.append(resident(pid))
        time.sleep(1)
    for thread in threads:
        thread.join()
    return load
