"""Formats in which an item has named fields: what is common to them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.corpora.formats import Format
from langspec.corpora.lines import SURROGATE
from langspec.errors import LangspecError
from langspec.languages import LANGUAGES

if TYPE_CHECKING:
    from langspec.corpora.custom import CustomTask, Part
    from langspec.corpora.filters import Row


class Fields:
    """The fields of one item: strings, whole numbers or lists of them, by name.

    Args:
        values: of the fields.
        place: file and line, for messages.
    """

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self.values, self.place = values, place

    def fail(self, message: str) -> LangspecError:
        """What is wrong, with file and line."""
        return LangspecError(message, place=self.place)

    def field(self, name: str) -> Any:
        """The value of a field, which has to be there."""
        if name not in self.values:
            known = ", ".join(sorted(self.values)) or "none"
            raise self.fail(f"field {name!r} is missing; found {known}")
        return self.values[name]

    def string(self, name: str) -> str:
        """A text."""
        value = self.field(name)
        if not isinstance(value, str):
            raise self.fail(f"field {name!r} is a {type(value).__name__}; expected a string")
        return self._encodable(value, name)

    def name(self, name: str) -> str:
        """A label or an id: a string or a whole number."""
        return self._named(self.field(name), name)

    def words(self, name: str) -> list[str]:
        """A list of words or labels."""
        value = self.field(name)
        if not isinstance(value, list):
            raise self.fail(f"field {name!r} is a {type(value).__name__}; expected a list")
        return [self._named(one, name) for one in value]

    def _named(self, value: Any, name: str) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.fail(f"field {name!r} holds {value!r}; expected text or a whole number")
        return self._encodable(str(value), name)

    def _encodable(self, value: str, name: str) -> str:
        if SURROGATE.search(value):
            raise self.fail(f"field {name!r} holds half a surrogate pair, which is no character")
        return value


class FieldFormat(Format):
    """A format in which an item has named fields."""

    @abstractmethod
    def items(self, path: Path) -> Iterator[tuple[int, Fields]]:
        """Yield the number (from 1) and the fields of each item of a file.

        Raises:
            LangspecError: with file and line, what is no item.
        """

    def check(self, task: CustomTask) -> None:
        """Refuse a section that names too many or too few fields."""
        wanted, count = 2 if task.unit == "pair" else 1, len(task.fields)
        if count != wanted:
            raise ValueError(
                f"text: expected {wanted} field name{'s' * (wanted > 1)} for unit {task.unit}, "
                f"found {count}"
            )
        if task.missing is not None:
            raise ValueError("missing is for format conllu; remove it")

    def rows(self, path: Path, part: Part, task: CustomTask) -> Iterator[Row]:
        """Yield a row an item."""
        known = {*task.labels, *task.skip_labels}
        put = _put_words if task.unit == "token" else _put_texts
        for number, item in self.items(path):
            row = _common(item, number, part, task)
            for label in put(item, row, part, task):
                if label not in known:
                    raise item.fail(
                        f"{task.label} {label!r}; expected one of {', '.join(task.labels)}"
                    )
            yield row


def _common(item: Fields, number: int, part: Part, task: CustomTask) -> Row:
    """What rows of every unit have."""
    from langspec.corpora.custom import SPLIT_ALIASES

    code = part.language or item.string(task.language_field or "")
    if code not in LANGUAGES:
        raise item.fail(f"language {code!r} is unknown; expected an ISO 639 code")
    split = part.split
    if split is None:
        named = item.string(task.split_field or "")
        if named not in SPLIT_ALIASES:
            raise item.fail(f"split {named!r}; expected one of {', '.join(SPLIT_ALIASES)}")
        split = SPLIT_ALIASES[named]
    ident = f"{part.name}:{number}"
    group = f"{split}/{item.name(task.group_field)}" if task.group_field else ident
    return {"id": ident, "language": code, "split": split, "group": group, "key": group}


def _put_words(item: Fields, row: Row, part: Part, task: CustomTask) -> list[str]:
    """Put the words and their labels into a row; the labels."""
    words, labels = item.words(task.fields[0]), item.words(task.label)
    if len(words) != len(labels) or not words:
        raise item.fail(f"{len(words)} words and {len(labels)} labels; expected one label a word")
    row |= {"treebank": part.stem, "words": words, "labels": labels}
    row["space_after"] = [True] * len(words)
    return labels


def _put_texts(item: Fields, row: Row, part: Part, task: CustomTask) -> list[str]:
    """Put the texts and their label into a row; the label."""
    label = item.name(task.label)
    texts = [item.string(name).strip() for name in task.fields]
    row |= {"premise": texts[0], "hypothesis": texts[1] if len(texts) > 1 else "", "label": label}
    return [label]
