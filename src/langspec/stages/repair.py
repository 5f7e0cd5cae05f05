"""No stage of the pipeline: the command that repairs any encoder."""

from __future__ import annotations

from dataclasses import replace

from langspec.repair.repair_options import RepairOptions
from langspec.repair.repair_run import plan_repair, run_repair
from langspec.stages.audit import local_encoders


def run(options: RepairOptions, *, dry_run: bool = False) -> str:
    """Repair; a model of MLflow's registry is fetched first.

    ``dry_run``: only say what would be done, and what it costs.

    Raises:
        LangspecError: what :func:`langspec.repair.repair_run.run_repair` refuses, or a model that
            the registry does not have.
    """
    work = plan_repair if dry_run else run_repair
    with local_encoders((options.encoder,)) as (encoder,):
        return work(replace(options, encoder=encoder))
