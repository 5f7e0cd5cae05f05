"""Logging setup."""

from __future__ import annotations

import logging


def set_up(level: int) -> None:
    """Log one line a message. Libraries that log every request or query log warnings only.

    Args:
        level: of the root logger, such as ``logging.INFO``.
    """
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    for noisy in ("httpx", "httpx2", "alembic", "urllib3", "matplotlib", "fontTools", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
