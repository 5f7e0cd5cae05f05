"""Presets: overlays on the demo's values, which are all of ``params.yaml``."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.emitter import Emitter
from ruamel.yaml.events import SequenceEndEvent

from langspec.config import Config, parse_config, parse_yaml, read_values, set_values
from langspec.errors import LangspecError
from langspec.files import write_text
from langspec.section import flatten

BASE = "demo"
_FREE = ("adopted", "grid", "more_seeds", "overrides", "tasks")
"""Sections of any keys: a preset's replaces the base's whole."""
_BASE_IS = (
    "minutes: generated corpora in six languages, an encoder that langspec brings; the default"
)


class _Emitter(Emitter):
    """Ends the line behind a list that a comment stands at and that became empty."""

    def expect_first_flow_sequence_item(self) -> None:
        """As inherited, which would join two later lines into one."""
        ended = isinstance(self.event, SequenceEndEvent)
        super().expect_first_flow_sequence_item()
        if ended:
            self.no_newline = False


def commented_yaml() -> YAML:
    """Reads and writes ``params.yaml`` with its comments, in the form that DVC's writer leaves.

    DVC writes a null as an empty value, quotes with apostrophes, breaks lines at column 80, and
    writes a list that stands in no ``{}`` an item a line. So ``dvc exp run -S KEY=VALUE`` changes
    one line of what this writes.
    """
    yaml = YAML()
    yaml.Emitter = _Emitter
    yaml.default_flow_style = False
    return yaml


def dumped(yaml: YAML, values: Any, expected: Any) -> str:
    """The text of commented values.

    Args:
        yaml: of :func:`commented_yaml`.
        values: with their comments.
        expected: the same as plain values.

    Raises:
        LangspecError: the text would say something else, so that it must not be written.
    """
    stream = io.StringIO()
    yaml.dump(values, stream)
    text = stream.getvalue()
    try:
        same = parse_yaml(text) == expected
    except YAMLError:
        same = False
    if not same:
        raise LangspecError(
            "these values cannot be written beside the comments of the file; write them by hand",
            place="params.yaml",
        )
    return text


def names() -> list[str]:
    """Names of the presets shipped, the base first."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    presets = sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))
    return sorted(presets, key=lambda name: name != BASE)


def listing() -> str:
    """One line a preset: its name and what it is, the first comment of its file."""
    says = {name: _text(name).splitlines()[0].lstrip("# ") for name in names()}
    says[BASE] = _BASE_IS  # its first comment heads every params.yaml
    return "\n".join(f"{name:8} {text}" for name, text in says.items())


def _text(name: str) -> str:
    if name not in names():
        raise LangspecError(f"no preset {name!r}; there are {', '.join(names())}", place="preset")
    return (resources.files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")


def _overlay(base: Any, changes: Any, path: str = "") -> None:
    """Change values in place, keeping comments; a key that the base lacks is a fault."""
    for key, value in changes.items():
        where = f"{path}.{key}" if path else key
        if key not in base:
            raise LangspecError(f"{where}: unknown key in a preset")
        if isinstance(value, dict) and key not in _FREE:
            _overlay(base[key], value, where)
        else:
            base[key] = value


def _overlays(name: str) -> list[dict[str, Any]]:
    """What a preset lays over the base, after what the preset does that it is ``over``."""
    changes = parse_yaml(_text(name))
    over = changes.pop("over", None)
    return [*(_overlays(over) if over else []), changes]


def preset_text(name: str) -> str:
    """A preset as a whole ``params.yaml``, comments kept."""
    base = _text(BASE)
    if name == BASE:
        return base
    yaml = commented_yaml()
    values = yaml.load(base)
    for changes in _overlays(name):
        _overlay(values, changes)
    stream = io.StringIO()
    yaml.dump(values, stream)
    return stream.getvalue()


def load_preset(name: str, assignments: list[str]) -> Config:
    """A preset's configuration, with ``--set`` assignments over it; nothing is written."""
    values = set_values(parse_yaml(preset_text(name)), assignments)
    return parse_config(values, place=f"preset {name}")


def write(name: str, path: Path) -> str:
    """Write a preset to ``path``; returns the changes, one dotted key a line."""
    text = preset_text(name)
    new = flatten(parse_config(parse_yaml(text), place=f"preset {name}"))
    old: dict[str, Any] = {}
    if path.exists():
        try:
            old = flatten(parse_config(read_values(path), place=path))
        except LangspecError:
            old = {}  # a broken file is what the preset replaces
    write_text(path, text)
    changed = _changes(old, new)
    if not changed:
        return f"{path} already holds preset {name}"
    return "\n".join([f"{path} now holds preset {name}:", *changed])


def change(assignments: list[str], path: Path) -> str:
    """Write ``a.b=c`` into ``path``, comments kept; returns the changes, one dotted key a line.

    Raises:
        LangspecError: no such key, or a value that the configuration refuses; nothing is written.
    """
    old = read_values(path)
    new = set_values(old, assignments)
    parse_config(new, place=path)
    yaml = commented_yaml()
    values = yaml.load(path.read_text(encoding="utf-8"))
    for assignment in assignments:
        *parents, last = assignment.partition("=")[0].split(".")
        section, wanted = values, new
        for parent in parents:
            section, wanted = section[parent], wanted[parent]
        section[last] = wanted[last]
    changed = _changes(flatten(old), flatten(new))
    if not changed:
        return f"{path} already holds these values"
    write_text(path, dumped(yaml, values, new))
    return "\n".join([f"{path} changed:", *changed])


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [
        f"  {key}: {old.get(key)!r} -> {new[key]!r}" for key in new if old.get(key) != new[key]
    ]
