"""Workers that the tests start in processes of their own."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path
from typing import Any

from langspec.errors import LangspecError
from langspec.workers import Send


class Squares:
    """Squares numbers; other items ask for other things."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.facts = {"offset": offset}

    def __call__(self, item: Any, send: Send) -> Any:
        if item == "refuse":
            raise LangspecError("not this one", place="item")
        if item == "fail":
            raise ZeroDivisionError("by design")
        if item == "collector":
            return gc.get_threshold()
        if item == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(item, Path):  # say who we are and never end
            item.write_text(str(os.getpid()))
            time.sleep(600)
        send(f"at {item}")
        return item**2 + self.offset
