"""The hash of whole packages, which keys caches until :mod:`langspec.closure` does everywhere."""

from __future__ import annotations

from pathlib import Path

import langspec
from langspec.files import sha256_file, sha256_json


def code_hash(*packages: str) -> str:
    """SHA-256 of packages' source files: a cache entry of other code is never used."""
    source = Path(langspec.__file__).parent
    digests = []
    for package in packages:
        files = sorted((source / package).rglob("*.py"))
        digests.append([(f.relative_to(source).as_posix(), sha256_file(f)) for f in files])
    return sha256_json(digests)
