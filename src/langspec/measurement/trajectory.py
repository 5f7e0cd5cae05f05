"""Language leak and variance by layer at one moment of a training, on a small fixed sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from langspec.features.bank import Bank
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.measurement.geometry import rows_of_split, unit_meta, unit_vectors
from langspec.measurement.leak import UNITS, language_leak
from langspec.measurement.probe_options import ProbeOptions
from langspec.measurement.rows import Origin
from langspec.measurement.subspaces import class_effects
from langspec.results import Result

METRICS = ("accuracy", "macro_f1", "converged")


def moment(
    bank: Bank, origin: Origin, options: ProbeOptions, *, units: Sequence[str] = UNITS
) -> list[Result]:
    """Rows of every layer and unit at one moment, language ``all``.

    ``accuracy``, ``macro_f1`` and ``converged`` are those of the linear probe, which is fitted as
    for the leak of a finished run. ``variance_share_language`` is the share of the variance that
    lies between the languages. There are no intervals: the sample is small, and neighbouring
    moments share it.

    Args:
        bank: vectors of the fixed sample, with the splits train, dev and test.
        origin: task, method, seed, corpus, split and measure of the rows.
        options: of the probe.
        units: ``token``, ``sentence`` or both.

    Raises:
        LangspecError: fewer than two languages, or a split without vectors.
    """
    bootstrap = BootstrapOptions(resamples=1, seed=0)  # its intervals are not used
    rows = [
        row
        for row in language_leak(bank, origin, options, bootstrap, units=units, progress="probe")
        if row.probe in ("linear", "majority") and row.language == "all" and row.metric in METRICS
    ]
    for unit in units:
        meta = unit_meta(bank, unit)
        test = rows_of_split(bank, meta, "test", unit)
        language = meta.language[test].astype(np.int64)
        for layer in bank.layers:
            effects = class_effects(unit_vectors(bank, unit, layer)[test], language)
            rows.append(
                origin.row(
                    "variance_share_language",
                    effects.share,
                    language="all",
                    unit=unit,
                    n=len(test),
                    layer=layer,
                )
            )
    return rows
