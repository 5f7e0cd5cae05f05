"""Logging setup."""

from __future__ import annotations

import logging

from langspec.errors import without_passwords


def set_up(level: int) -> None:
    """Log one line a message, behind ``warning:`` or ``error:`` where it is one.

    Libraries that log every request or query log warnings only.

    Args:
        level: of the root logger, such as ``logging.INFO``.
    """
    logging.basicConfig(level=level, format="%(level)s%(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_prepare)
    for noisy in ("httpx", "httpx2", "alembic", "urllib3", "matplotlib", "fontTools", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _prepare(record: logging.LogRecord) -> bool:
    """Take the passwords of URLs out of a record, whoever logs it; put its level in words."""
    record.level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
    text = record.getMessage()
    if "://" in text:
        record.msg, record.args = without_passwords(text), ()
    return True
