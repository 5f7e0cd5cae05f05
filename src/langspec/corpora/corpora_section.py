"""The section ``corpora`` of ``params.yaml``: which files are read, and what is taken of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from langspec.corpora.hub.chosen import Hub
from langspec.languages import language
from langspec.section import Limit, Natural, Section, Seed, Share

if TYPE_CHECKING:
    from collections.abc import Collection

    from langspec.corpora.hub.parts import Source


class Limits(Section):
    """At most so many rows a language; null: all."""

    pos_train: Limit
    pos_dev: Limit
    pos_test: Limit
    nli_train: Limit
    nli_dev: Limit
    nli_test: Limit
    text: Limit

    def of(self, task: str) -> dict[str, int | None]:
        """The limits of a built-in task, by split."""
        return {split: getattr(self, f"{task}_{split}") for split in ("train", "dev", "test")}


class TextSplits(Section):
    """Shares of the language text, by line number (or article), shared over the languages."""

    train: Share
    dev: Share
    test: Share
    adversary: Share  # what a method unlearns language on; no measure reads it

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Of train, dev, test and adversary."""
        return self.train, self.dev, self.test, self.adversary

    @model_validator(mode="after")
    def _sum(self) -> TextSplits:
        total = sum(self.shares)
        for name in ("train", "dev", "test"):  # what probes are fitted, chosen and tested on
            if not getattr(self, name):
                raise ValueError(f"{name}: found 0, expected a share above 0: probes read it")
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + dev + test + adversary must be 1, found {total:g}")
        return self


class NearDuplicates(Section):
    """Rows of train near one of dev or test, and language text near the tasks' texts."""

    threshold: Annotated[float, Field(gt=0, le=1)] | None  # null: not looked for
    drop: bool

    @model_validator(mode="after")
    def _threshold(self) -> NearDuplicates:
        if self.drop and self.threshold is None:
            raise ValueError("drop needs a threshold; set both or neither")
        return self


class Corpora(Section):
    """What is read, and what is left out.

    Attributes:
        kind: official files, or dataset repositories of the Hub.
        files: of kind ``files``: a data set that langspec brings, or ``added`` folders.
        source: the language with labels for training.
        targets: the languages transferred to.
        seed: of samples and splits.
        join: ``natural`` spaces words as the treebank says, ``space`` puts a space after each.
        min_characters: shorter lines of language text are dropped.
        max_words: longer sentences of ``pos`` are dropped.
        stripped: a treebank released without its text is refused by name, or left out (``skip``)
            and named on the card.
        drop_unknown: texts in which the encoder's tokenizer does not know a token are dropped.
        near_duplicates: rows that repeat others in all but a few characters.
        parallel_text: whether the files of language text must have equal numbers of lines.
        limits: at most so many rows a language.
        val: share of the source's training rows set apart as split ``val``, by document or
            prompt.
        text_splits: shares of the language text.
        split_rule: ``shared`` splits by line or document, the same in every language; ``paper``
            deals out rows language by language (:func:`splits.stratified_splits`).
        hub: of kind ``hub``: the repositories.
    """

    kind: Literal["files", "hub"]
    files: Literal["demo", "tiny", "added"]
    source: str
    targets: Annotated[list[str], Field(min_length=1)]
    seed: Seed
    join: Literal["natural", "space"]
    min_characters: Natural
    max_words: Limit
    stripped: Literal["refuse", "skip"]
    drop_unknown: bool
    near_duplicates: NearDuplicates
    parallel_text: bool
    limits: Limits
    val: Annotated[float, Field(ge=0, lt=1)]
    text_splits: TextSplits
    split_rule: Literal["shared", "paper"]
    hub: Hub

    @model_validator(mode="before")
    @classmethod
    def _demo(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") == "demo":
            raise ValueError(
                "kind demo is now kind: files with files: demo, and the section demo is gone; "
                "change them, or write the values anew: langspec preset demo"
            )
        return values

    @model_validator(mode="after")
    def _languages(self) -> Corpora:
        for index, code in enumerate(self.targets):
            language(code, place=f"targets.{index}")
        language(self.source, place="source")
        if self.source in self.targets:
            raise ValueError(f"targets holds the source language {self.source!r}; remove it there")
        if len(set(self.targets)) != len(self.targets):
            raise ValueError("targets names a language twice")
        return self

    @property
    def languages(self) -> list[str]:
        """Source and targets, sorted: the order of class indices everywhere."""
        return sorted([self.source, *self.targets])

    def hub_sources(self, tasks: Collection[str]) -> list[Source]:
        """What these tasks read from the Hub."""
        return self.hub.sources(tasks, self.languages, source=self.source, seed=self.seed)

    @property
    def generated(self) -> bool:
        """Are the files artificial, those that langspec brings?"""
        return self.kind == "files" and self.files != "added"
