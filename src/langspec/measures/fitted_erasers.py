"""The erasers of ``erasers.run``, fitted once for all measures of a bench, and kept on disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.erasure.choice import eraser_classes
from langspec.errors import LangspecError

if TYPE_CHECKING:
    from langspec.erasure.base import ErasureMap
    from langspec.evaluation.bench import Bench
    from langspec.measures.base import Subject

logger = logging.getLogger(__name__)


def fitted_erasers(bench: Bench) -> FittedErasers:
    """The fitted erasers that all measures of a bench share."""
    shared: FittedErasers = bench.shared.setdefault("erasers", FittedErasers(bench))
    return shared


class FittedErasers:
    """Erasers fitted on the language text, by encoder, name, unit and layer.

    Maps of the encoder used last stay in memory; all are in the cache.

    Args:
        bench: with the language text and section ``evaluate.erasers``.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._values = bench.config.evaluate.erasers
        self._make = self._values.maker(bench.config.corpora.source)
        self._state = ""
        self._maps: dict[tuple[str, str, int, bool], ErasureMap] = {}

    @property
    def key(self) -> dict[str, Any]:
        """The options and inputs that fitted erasers depend on, besides name and encoder."""
        others = {"run", "of", "layers", "controls", "attackers", "attack_train"}
        values = self._values.model_dump(exclude=others)
        source = self._bench.config.corpora.source
        return {"options": values, "source": source, **self._bench.text_key}

    def require_parallel(self) -> None:
        """Refuse erasers that are fitted on translations where the text has none.

        Raises:
            LangspecError: it has none.
        """
        classes = eraser_classes()
        needing = [name for name in self._values.run if classes[name].parallel]
        if needing and not self._bench.parallel_text:
            raise LangspecError(
                f"{', '.join(needing)} is fitted on translations, and the language text is not "
                "parallel by line; leave it out, or bring files with equal numbers of lines",
                place="evaluate.erasers.run",
            )

    def maps(
        self,
        subject: Subject,
        name: str,
        units: Sequence[str],
        layers: Sequence[int],
        *,
        of_head: bool = False,
    ) -> dict[tuple[str, int], ErasureMap]:
        """The fitted maps of an eraser by unit and layer; those that are missing are fitted.

        ``of_head``: of words as a head reads them, behind the encoder's prefix, and not as the
        leak does (:meth:`langspec.evaluation.bench.Bench.head_text_bank`).

        Raises:
            LangspecError: what :func:`langspec.measurement.erased.fit_maps` refuses.
        """
        if self._state != subject.state:
            self._state, self._maps = subject.state, {}
        wanted = [(unit, layer) for unit in units for layer in layers]
        for unit, layer in wanted:
            if (name, unit, layer, of_head) not in self._maps:
                fitted = self._map(subject, name, unit, layer, of_head=of_head)
                self._maps[name, unit, layer, of_head] = fitted
        return {place: self._maps[name, *place, of_head] for place in wanted}

    def _map(
        self, subject: Subject, name: str, unit: str, layer: int, *, of_head: bool
    ) -> ErasureMap:
        from langspec.erasure.eraser_folder import load_eraser, save_eraser
        from langspec.measurement.erased import fit_maps

        bench = self._bench
        of_head = of_head and unit == "token" and bench.word_inputs is not bench.text_inputs
        folder = self._folder(subject.state, name, unit, layer, of_head)
        if folder.exists():
            try:
                return load_eraser(folder, encoder=subject.state, unit=unit, layer=layer)
            except LangspecError as error:
                logger.warning("%s; fitted again", error)
        given = (subject.model.encoder, subject.state, subject.title)
        bank = bench.head_text_bank(*given, layer) if of_head else bench.text_bank(*given)
        fitted = fit_maps(bank, partial(self._make, name), [unit], [layer])[unit, layer]
        save_eraser(folder, fitted, encoder=subject.state, unit=unit, layer=layer)
        return fitted

    def _folder(self, state: str, name: str, unit: str, layer: int, of_head: bool) -> Path:
        from langspec.closure import cache_key

        code = (FittedErasers, eraser_classes()[name])
        key = {"state": state, "eraser": name, "unit": unit, "layer": layer, **self.key}
        key["of_head"] = of_head
        return self._bench.paths.cache / "erasers" / cache_key("eraser", code=code, **key)
