"""Logging setup."""

from __future__ import annotations

import logging

from langspec.errors import without_passwords


def set_up(level: int) -> None:
    """Log one line a message. Libraries that log every request or query log warnings only.

    Args:
        level: of the root logger, such as ``logging.INFO``.
    """
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_mask)
    for noisy in ("httpx", "httpx2", "alembic", "urllib3", "matplotlib", "fontTools", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _mask(record: logging.LogRecord) -> bool:
    """Take the passwords of URLs out of a record, whoever logs it."""
    text = record.getMessage()
    if "://" in text:
        record.msg, record.args = without_passwords(text), ()
    return True
