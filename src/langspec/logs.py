"""How this program's processes speak."""

from __future__ import annotations

import logging


def set_up(level: int) -> None:
    """One line a message; libraries that tell of every step are heard from warnings on."""
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    for noisy in ("httpx", "httpx2", "alembic", "urllib3", "matplotlib", "fontTools", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
