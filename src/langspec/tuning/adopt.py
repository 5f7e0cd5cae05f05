"""A trial's values, written into params.yaml with its comments kept."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langspec.config import parse_config, parse_yaml
from langspec.files import write_text
from langspec.presets import commented_yaml
from langspec.tuning.space import put


def adopt(path: Path, values: Mapping[str, Any]) -> list[str]:
    """Write ``values`` (by their keys) into ``path``; returns the changes, one key a line.

    Nothing is written unless all of it is valid.

    Raises:
        LangspecError: the file, or what it would become, is not valid.
    """
    before = path.read_text(encoding="utf-8")
    old = parse_yaml(before)
    parse_config(old, place=path)
    yaml = commented_yaml()
    content = yaml.load(before)
    put(content, values)
    stream = io.StringIO()
    yaml.dump(content, stream)
    text = stream.getvalue()
    parse_config(parse_yaml(text), place=f"{path} with the trial's values")
    changes = [
        f"{key}: {_at(old, key)} -> {value}"
        for key, value in values.items()
        if _at(old, key) != value
    ]
    if changes:
        write_text(path, text)
    return changes


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
