"""No stage of the pipeline: the command that measures any encoder on any text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from langspec.audit.options import AuditOptions, EncoderChoice
from langspec.audit.run import plan_audit, run_audit

_REGISTERED = "models:/"


def run(options: AuditOptions, *, dry_run: bool = False) -> str:
    """Audit; models of MLflow's registry are fetched first.

    ``dry_run``: only say what would be done, and what it costs.

    Raises:
        LangspecError: what :func:`langspec.audit.run.run_audit` refuses, or a model that the
            registry does not have.
    """
    work = plan_audit if dry_run else run_audit
    with local_encoders(options.encoders) as encoders:
        return work(replace(options, encoders=encoders))


@contextmanager
def local_encoders(chosen: Sequence[EncoderChoice]) -> Iterator[tuple[EncoderChoice, ...]]:
    """The encoders, with the folders that models of the registry are fetched into meanwhile."""
    if not any(choice.encoder.startswith(_REGISTERED) for choice in chosen):
        yield tuple(chosen)
        return
    from langspec.tracking.registered_encoder import registered_encoder

    with tempfile.TemporaryDirectory(prefix="langspec-") as scratch:
        encoders = []
        for number, choice in enumerate(chosen):
            if choice.encoder.startswith(_REGISTERED):
                place = Path(scratch) / str(number)
                place.mkdir()
                choice = replace(choice, folder=registered_encoder(choice.encoder, place))
            encoders.append(choice)
        yield tuple(encoders)
