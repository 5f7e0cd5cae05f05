"""The languages of neighbours in an audited encoder, and what a search in all languages gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.measures.base import AUDIT, Findings, Measure, Subject
from langspec.results import Result

if TYPE_CHECKING:
    from langspec.features.bank import Bank
    from langspec.measurement.first_hits import FirstHits
    from langspec.measurement.mixing import Mixing
    from langspec.measurement.rows import Origin

ERASER = "leace"


class Neighbours(Measure):
    """The languages around every text, layer by layer."""

    name: ClassVar[str] = "audit.neighbours"
    order: ClassVar[int] = 26
    title: ClassVar[str] = "neighbours"
    takers: ClassVar[frozenset[str]] = frozenset({AUDIT})
    bench: Any  # langspec.audit.text_bench.TextBench

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows ``own_share`` and ``apartness``, and neighbourhoods as ``mixings``."""
        from langspec.measurement.mixing import Mixing, mixing

        bench = self.bench
        mixings = {
            layer: Mixing.from_lists(values)
            for layer, values in self.by_layer(
                "mixings",
                subject,
                bench.text_key,
                lambda: bench.text_bank(subject.model.encoder, subject.state, subject.title),
                lambda bank, layer: mixing(
                    bank, layer, "test", bootstrap=bench.neighbours_bootstrap
                ),
            )
        }
        origin = self.origin(subject, bench.corpus, "neighbours")
        for layer, mixed in mixings.items():
            findings.add(_apart_rows(origin, mixed, layer))
        findings.add_table("mixings", mixings)

    def by_layer(
        self,
        kind: str,
        subject: Subject,
        key: dict[str, Any],
        bank: Callable[[], Bank],
        measured: Callable[[Bank, int], Any],
    ) -> list[tuple[int, dict[str, Any]]]:
        """What is measured of the test texts at each layer, cached.

        Args:
            kind: of the entry in the cache.
            subject: the encoder.
            key: of the texts and options.
            bank: opens the bank of the texts.
            measured: gives a dataclass of arrays.
        """

        def compute() -> list[Any]:
            import numpy as np

            from langspec.progress_bar import Progress

            opened = bank()
            by_layer: list[Any] = []
            with Progress(len(opened.layers), f"{subject.method}: {self.title}", "layer") as bar:
                for layer in opened.layers:
                    values = asdict(measured(opened, layer))
                    arrays = {
                        name: value.tolist() if isinstance(value, np.ndarray) else value
                        for name, value in values.items()
                    }
                    by_layer.append([layer, arrays])
                    bar.update()
            return by_layer

        key = {"state": subject.state, "bootstrap": asdict(self.bench.neighbours_bootstrap), **key}
        return [
            (layer, one) for layer, one in self.bench.cached(kind, (type(self),), key, compute)
        ]

    def origin(self, subject: Subject, corpus: str, measure: str, eraser: str = "") -> Origin:
        """The columns that all rows on a corpus share."""
        from langspec.measurement.rows import Origin

        task, seed = self.bench.task.name, subject.encoder_seed
        return Origin(task, subject.method, seed, corpus, "test", measure, eraser=eraser)


class ParallelSearch(Neighbours):
    """What a search in parallel text gives first, before and after LEACE."""

    name: ClassVar[str] = "audit.search"
    order: ClassVar[int] = 28
    title: ClassVar[str] = "search"

    def applies(self, subject: Subject) -> bool:
        """Is the measure asked for, and is there parallel text?"""
        return super().applies(subject) and self.bench.parallel is not None

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add rows ``first_is_...`` and ``retrieval...``, and first hits as ``searches``."""
        from langspec.measurement.alignment import retrieval
        from langspec.measurement.first_hits import FirstHits, first_hits

        bench = self.bench
        plain, searches = bench.parallel_bank(), {}

        def nearest(bank: Bank, layer: int) -> FirstHits:
            return first_hits(bank, layer, "test", bootstrap=bench.neighbours_bootstrap)

        for name, eraser in (("plain", ""), (ERASER, ERASER)):

            def bank(eraser: str = eraser) -> Bank:
                return self._erased(plain, subject) if eraser else plain

            origin = self.origin(subject, bench.parallel_corpus, "search", eraser)
            key = bench.parallel_key | ({"fitted_on": bench.text_key} if eraser else {})
            key |= {"eraser": eraser}
            for layer, values in self.by_layer("first_hits", subject, key, bank, nearest):
                searches[name, layer] = FirstHits.from_lists(values)
                findings.add(_hit_rows(origin, searches[name, layer], layer))
            key = {"state": subject.state, "pivot": bench.pivot, **key}
            key["bootstrap"] = asdict(bench.bootstrap)

            def compute(origin: Origin = origin, bank: Callable[[], Bank] = bank) -> list[Result]:
                return retrieval(bank(), origin, bench.pivot, bench.bootstrap)

            named = {"method": subject.method, "seed": subject.encoder_seed}
            findings.add(
                self.cached_rows(
                    "audit_retrieval", key, compute, corpus=bench.parallel_corpus, **named
                )
            )
        findings.add_table("searches", searches)

    def _erased(self, plain: Bank, subject: Subject) -> Bank:
        """The bank of the parallel text, erased by LEACE that is fitted on the language text."""
        from langspec.erasure.leace import LEACE
        from langspec.measurement.erased import ErasedBank, fit_maps

        bank = self.bench.text_bank(subject.model.encoder, subject.state, subject.title)
        maps = fit_maps(bank, LEACE, ("sentence",), bank.layers)
        return ErasedBank(plain.folder, plain.meta, maps)


def _apart_rows(origin: Origin, mixed: Mixing, layer: int) -> list[Result]:
    """Rows of the own share and the apartness of each language, and of the mean apartness.

    ``n`` of a language is the number of its lines.
    """
    where: dict[str, Any] = {"unit": "sentence", "layer": layer, "probe": origin.measure}
    rows = [
        origin.interval(metric, interval, language=code, n=int(texts), **where)
        for metric, intervals in (
            ("own_share", mixed.same_shares),
            ("apartness", mixed.apart_intervals),
        )
        for code, interval, texts in zip(mixed.languages, intervals, mixed.texts, strict=True)
    ]
    share = sum(one.value for one in mixed.same_shares) / len(mixed.languages)
    of_mean: dict[str, Any] = {"language": "mean", "n": int(mixed.texts.max())}
    rows.append(origin.row("own_share", share, **of_mean, **where))
    rows.append(origin.interval("apartness", mixed.mean_apartness, **of_mean, **where))
    return rows


def _hit_rows(origin: Origin, hits: FirstHits, layer: int) -> list[Result]:
    """Rows of what stands first, by kind: one for each language, and one of their mean."""
    from langspec.measurement.first_hits import KINDS

    return [
        origin.interval(
            f"first_is_{kind}",
            hits.of(kind, number),
            language=code,
            unit="sentence",
            n=hits.n,
            layer=layer,
            probe=origin.measure,
        )
        for kind in KINDS
        for number, code in [*enumerate(hits.languages), (None, "mean")]
    ]
