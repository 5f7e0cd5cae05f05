"""The languages of neighbours in an audited encoder, and what a search in all languages gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from langspec.measures.base import AUDIT, Findings, Measure, Subject
from langspec.results import Result

if TYPE_CHECKING:
    import numpy as np

    from langspec.features.bank import Bank
    from langspec.measurement.mixing import Mixing
    from langspec.measurement.rows import Origin

ERASER = "leace"


class Neighbours(Measure):
    """The languages of every text's nearest neighbours, layer by layer."""

    name: ClassVar[str] = "audit.neighbours"
    order: ClassVar[int] = 26
    title: ClassVar[str] = "neighbours"
    takers: ClassVar[frozenset[str]] = frozenset({AUDIT})
    bench: Any  # langspec.audit.text_bench.TextBench

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add the rows ``own_share`` and ``apartness``, and neighbourhoods as ``mixings``."""
        import numpy as np

        bench = self.bench
        mixings = self.mixings(
            subject,
            bench.text_key,
            lambda: bench.text_bank(subject.model.encoder, subject.state, subject.title),
        )
        origin = self.origin(subject, bench.corpus, "neighbours")
        for layer, mixed in mixings.items():
            near = {"own_share": np.diagonal(mixed.shares), "apartness": mixed.apartness}
            findings.add(named_rows(origin, mixed, layer, near))
        findings.add_table("mixings", mixings)

    def mixings(
        self, subject: Subject, key: dict[str, Any], bank: Callable[[], Bank], eraser: str = ""
    ) -> dict[int, Mixing]:
        """The neighbourhoods of the test texts by layer, cached.

        Args:
            subject: the encoder.
            key: of the texts.
            bank: opens the bank of the texts.
            eraser: that the bank applies; "" for none.
        """
        from langspec.measurement.mixing import Mixing, mixing

        def compute() -> list[dict[str, Any]]:
            import numpy as np
            from tqdm import tqdm

            opened = bank()
            title = f"{subject.method}: neighbours"
            bar = tqdm(opened.layers, desc=title, unit="layer", leave=False, disable=None)
            return [
                {"layer": layer}
                | {
                    name: value.tolist() if isinstance(value, np.ndarray) else value
                    for name, value in asdict(mixing(opened, layer, "test")).items()
                }
                for layer in bar
            ]

        key = {"state": subject.state, "eraser": eraser, **key}
        of_layers = self.bench.cached("mixings", (Neighbours,), key, compute)
        return {values["layer"]: Mixing.from_lists(values) for values in of_layers}

    def origin(self, subject: Subject, corpus: str, measure: str, eraser: str = "") -> Origin:
        """The columns that all rows on a corpus share."""
        from langspec.measurement.rows import Origin

        task, seed = self.bench.task.name, subject.encoder_seed
        return Origin(task, subject.method, seed, corpus, "test", measure, eraser=eraser)


def named_rows(
    origin: Origin, mixed: Mixing, layer: int, values: Mapping[str, np.ndarray]
) -> list[Result]:
    """Rows of values ``[K]`` by metric: one for each language, and one of their mean."""
    return [
        origin.row(
            metric,
            value,
            language=code,
            unit="sentence",
            n=mixed.n,
            layer=layer,
            probe=origin.measure,
        )
        for metric, of_languages in values.items()
        for code, value in [
            *zip(mixed.languages, of_languages, strict=True),
            ("mean", of_languages.mean()),
        ]
    ]


class ParallelSearch(Neighbours):
    """What a search in parallel text gives first, before and after LEACE."""

    name: ClassVar[str] = "audit.search"
    order: ClassVar[int] = 28
    title: ClassVar[str] = "search"

    def applies(self, subject: Subject) -> bool:
        """Is the measure asked for, and is there parallel text?"""
        return super().applies(subject) and self.bench.parallel is not None

    def measure(self, subject: Subject, findings: Findings) -> None:
        """Add rows ``first_is_...`` and ``retrieval...``, and neighbourhoods as ``searches``."""
        from langspec.measurement.alignment import retrieval
        from langspec.measurement.mixing import NEAREST_KINDS

        bench = self.bench
        plain, searches = bench.parallel_bank(), {}
        for name, eraser in (("plain", ""), (ERASER, ERASER)):

            def bank(eraser: str = eraser) -> Bank:
                return self._erased(plain, subject) if eraser else plain

            origin = self.origin(subject, bench.parallel_corpus, "search", eraser)
            key = bench.parallel_key | ({"fitted_on": bench.text_key} if eraser else {})
            for layer, mixed in self.mixings(subject, key, bank, eraser).items():
                searches[name, layer] = mixed
                first = {
                    f"first_is_{kind}": mixed.nearest[:, i] for i, kind in enumerate(NEAREST_KINDS)
                }
                findings.add(named_rows(origin, mixed, layer, first))
            key = {"state": subject.state, "eraser": eraser, "pivot": bench.pivot, **key}
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
