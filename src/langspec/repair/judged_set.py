"""A team's own judged search set, before and after a repair."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from langspec.audit.audited_encoder import Subject
from langspec.encoders.inputs import text_inputs
from langspec.encoders.load import check_prefix
from langspec.errors import LangspecError
from langspec.features.bank import BankOptions, BankRows
from langspec.features.encode import build_bank
from langspec.measurement.intervals import Interval
from langspec.measures.spec import Column
from langspec.pool_search.judged import Judged, judged_rows, read_judged
from langspec.pool_search.summary import OVERALL, summary
from langspec.repair.choose_method import signed
from langspec.repair.repair_numbers import change_columns, change_record, shown
from langspec.repair.repair_options import RepairOptions
from langspec.repair.unit_eraser import UnitEraser
from langspec.report.run_results import language_name
from langspec.report.table import Table, frame_of

_SAID = {"ndcg_10": "nDCG@10", "recall_10": "recall@10"}  # in the terminal


@dataclass(frozen=True)
class SetSearch:
    """A judged set before and after.

    Attributes:
        judged: the set.
        before: a row a query.
        after: the same queries behind the eraser.
        repaired: is there an eraser? Else ``after`` is ``before``.
        prefixes: put before ``queries`` and texts of the ``corpus``.
    """

    judged: Judged
    before: pd.DataFrame
    after: pd.DataFrame
    repaired: bool
    prefixes: Mapping[str, str] = field(default_factory=dict)

    def _over_queries(self) -> pd.DataFrame:
        """The summary over all queries, each counted once, as mteb does."""
        frame = summary(self.before.assign(language=""), self.after.assign(language=""))
        return frame[frame["group"] == OVERALL]

    def numbers(self) -> dict[str, dict[str, float | None]]:
        """Means over all queries by measure, with the paired change and its interval."""
        keys = ("before", "after", "difference", "low", "high")
        return {
            str(row["measure"]): {
                key: None if np.isnan(row[key]) else round(float(row[key]), 6) for key in keys
            }
            for _, row in self._over_queries().iterrows()
        }

    def words(self) -> str:
        """One line for the terminal."""
        numbers, parts = self.numbers(), []
        for measure, title in _SAID.items():
            before, after, *ends = (
                np.nan if end is None else end for end in numbers[measure].values()
            )
            change = f" to {after:.3f}" if self.repaired else ""
            if self.repaired and not np.isnan(ends[1]):  # one query has no interval
                change += f", {signed(Interval(*ends))}"
            parts.append(f"{title} {before:.3f}{change}")
        queries = "1 query" if len(self.before) == 1 else f"{len(self.before):,} queries"
        return f"Judged set, {queries}: {'; '.join(parts)}."

    def table(self) -> Table:
        """Before and after over all queries, and by language of the query where it is known."""
        records = [{"title": "all queries"} | change_record(self._over_queries())]
        frame = summary(self.before, self.after)
        by_language = frame[(frame["group"] == "language") & (frame["name"] != "")]
        for code in by_language["name"].unique():
            of = by_language[by_language["name"] == code]
            records.append({"title": language_name(code)} | change_record(of))
        unjudged = self.judged.unjudged
        read = ", ".join(f"{name} behind {text!r}" for name, text in self.prefixes.items() if text)
        left_out = f" Read: {read}." if read else ""
        left_out += f" {unjudged:,} queries have no relevant text." if unjudged else ""
        return Table(
            "judged",
            "The judged set",
            f"{len(self.before):,} queries, {len(self.judged.corpus.ids):,} texts; the first row "
            "counts each query once, as mteb does. Recall is divided by what a list of its length "
            f"can hold. Brackets: 95 % interval of the paired change over queries.{left_out}",
            (Column("title", ""), *change_columns(shown(self.before))),
            frame_of(records),
        )


def set_of(options: RepairOptions) -> Judged | None:
    """The set of ``--queries``, ``--qrels`` and ``--corpus``; None: none is given.

    Raises:
        LangspecError: one or two of the three, or what ``read_judged`` refuses.
    """
    files = {f"--{name}": getattr(options, name) for name in ("queries", "qrels", "corpus")}
    missing = [name for name, path in files.items() if path is None]
    if len(missing) == len(files):
        for option in ("query_prefix", "corpus_prefix"):
            if getattr(options, option) is not None:
                raise LangspecError("needs --queries", place=f"--{option.replace('_', '-')}")
        return None
    if missing:
        raise LangspecError(
            "a judged set is three files: --queries, --qrels and --corpus", place=missing[0]
        )
    return read_judged(*files.values())


_PROMPTS = {"queries": ("query",), "corpus": ("document", "passage", "corpus")}


def judged_prefixes(subject: Subject, options: RepairOptions) -> dict[str, str]:
    """What is put before ``queries`` and texts of the ``corpus``.

    As the options say; else the prompt of that name in the encoder's folder; else the prefix of
    all its texts.

    Raises:
        LangspecError: a prefix behind which no token would be read.
    """
    card, chosen = subject.encoder.card, {}
    asked = {"queries": options.query_prefix, "corpus": options.corpus_prefix}
    for side, names in _PROMPTS.items():
        stated = (subject.prompts[name] for name in names if name in subject.prompts)
        given = asked[side]
        chosen[side] = next(stated, card.prefix) if given is None else given
        place = "--query-prefix" if side == "queries" else "--corpus-prefix"
        check_prefix(replace(card, prefix=chosen[side]), subject.encoder.tokenizer, place=place)
    return chosen


def search_set(
    judged: Judged, subject: Subject, options: RepairOptions, eraser: UnitEraser | None
) -> SetSearch:
    """Search the set before and after an eraser.

    Each side has its own prefix (:func:`judged_prefixes`).

    Args:
        judged: the set.
        subject: the encoder.
        options: of the repair.
        eraser: with one map for all languages; None: nothing is repaired.

    Raises:
        LangspecError: vectors that are not finite, a batch too large for memory.
    """
    sides = {"queries": judged.queries.texts, "corpus": judged.corpus.texts}
    prefixes = judged_prefixes(subject, options)
    plain = [
        _vectors(subject, texts, options, name, prefixes[name]) for name, texts in sides.items()
    ]
    before = judged_rows(judged, *plain)
    if eraser is None:
        return SetSearch(judged, before, before, repaired=False, prefixes=prefixes)
    erased = [eraser.apply(vectors) for vectors in plain]
    after = judged_rows(judged, *erased)
    return SetSearch(judged, before, after, repaired=True, prefixes=prefixes)


def _vectors(
    subject: Subject, texts: tuple[str, ...], options: RepairOptions, what: str, prefix: str
) -> np.ndarray:
    """Sentence vectors ``[n, H]`` of the layer that is repaired."""
    encoder, card = subject.encoder, subject.encoder.card
    inputs = text_inputs(encoder.tokenizer, list(texts), max_tokens=card.max_tokens, prefix=prefix)
    chosen = BankOptions(
        max_tokens_per_language=0,
        max_sentences_per_language=None,
        pooling="cls" if card.pooling == "cls" else "mean",
        seed=options.seed,
        precision=options.precision,
        tokens_per_batch=options.batch_tokens,
        layers=subject.layers,
    )
    rows = BankRows(["und"] * len(texts), ["test"] * len(texts), np.arange(len(texts)))
    with tempfile.TemporaryDirectory() as folder:
        bank = build_bank(
            encoder.model,
            int(encoder.tokenizer.pad_token_id),
            inputs,
            rows,
            options=chosen,
            key=what,
            root=Path(folder),
            progress=f"{subject.name}: encode {what}",
            knob="--batch-tokens",
        )
        order = np.argsort(bank.sentence_meta.line)
        return np.asarray(subject.sentences(bank, subject.layers[-1])[order])
