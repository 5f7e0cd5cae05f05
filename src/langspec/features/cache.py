"""Keeping the folder of banks within a size: the least recently used go first."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from langspec.features.bank import META

_ABANDONED = 24 * 3600.0  # seconds after which a half-written folder is nobody's any more


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _last_used(folder: Path) -> float:
    meta = folder / META
    return meta.stat().st_mtime if meta.is_file() else 0.0


def evict(root: Path, limit_gb: float, *, keep: str | None = None) -> list[str]:
    """Remove the least recently used banks until those below ``root`` fit into ``limit_gb``.

    The bank named ``keep`` stays, even if it alone is larger. What killed processes left
    half-written a day ago or earlier goes too.

    Returns:
        The keys removed, the least recently used first.
    """
    root = Path(root)
    if not root.is_dir():
        return []
    banks = []
    for folder in root.iterdir():
        if folder.name.endswith((".part", ".old")):
            if time.time() - folder.stat().st_mtime > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
        elif folder.is_dir():
            banks.append((_last_used(folder), folder.name, folder_size(folder)))
    total = sum(size for _, _, size in banks)
    removed = []
    for _, name, size in sorted(banks):
        if total <= limit_gb * 1e9:
            break
        if name != keep:
            shutil.rmtree(root / name)
            total -= size
            removed.append(name)
    return removed
