"""Stage train: one method on one task, every seed, side by side where there are workers."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.config import Config
from langspec.files import atomic_folder, read_json, sha256_json, write_json
from langspec.paths import paths_of, require
from langspec.workers import crew_of, launched_processes

if TYPE_CHECKING:
    from langspec.tracking.training_runs import MethodRun, SeedRun

# Two cores of a server processor, fp32; for the estimate of --dry-run only.
FLOPS_A_SECOND = 4e10


@dataclass(frozen=True)
class TrainingFacts:
    """What a training is made of: equal in all workers.

    Attributes:
        identity: JSON-able; what is equal in it trains to equal weights.
        main_process: is this the one, of processes started by a launcher, that writes?
        rows: training rows.
        truncated: how many of them were cut to the encoder's length.
        selection_languages: whose rows choose the epoch.
    """

    identity: dict[str, Any]
    main_process: bool
    rows: int
    truncated: int
    selection_languages: tuple[str, ...] = ()

    @property
    def run_key(self) -> str:
        """SHA-256 of the identity."""
        return sha256_json(self.identity)

    def key(self, job: SeedJob) -> str:
        """SHA-256 of the identity of one job."""
        own = {} if job.strength is None else {"strength": job.strength}
        return sha256_json({**self.identity, "seed": job.seed, **own})

    def checkpoints(self, cache: Path, job: SeedJob) -> Path:
        """Where a job keeps its checkpoints while it is trained."""
        return cache / "checkpoints" / self.key(job)[:24]


@dataclass(frozen=True)
class SeedJob:
    """Train ``seed`` and write it to ``folder`` (the caller renames it); None: write nothing.

    ``strength`` is another lambda than the method's: a point of its path.
    """

    seed: int
    folder: Path | None
    strength: float | None = None

    @property
    def name(self) -> str:
        """What it is called in progress bars, errors and runs."""
        point = "" if self.strength is None else f"lambda {self.strength:g} "
        return f"{point}seed {self.seed}"


def path_folder(method: Path, strength: float) -> Path:
    """Where a point of a method's lambda path lies."""
    return method / "path" / f"{strength:g}"


def _jobs(config: Config, method: str, folder: Path | None) -> dict[str, SeedJob]:
    """Every seed, and the first one again at each lambda of the path."""
    seeds = config.train.seeds
    jobs = [SeedJob(seed, folder and folder / f"seed-{seed}") for seed in seeds]
    for strength in getattr(getattr(config.train.methods, method), "path", []):
        place = folder and path_folder(folder, strength)
        jobs.append(SeedJob(seeds[0], place, strength))
    return {job.name: job for job in jobs}


class _Record:
    """Keeps a run of MLflow for every seed, from what the workers tell."""

    def __init__(self, parent: MethodRun, jobs: dict[str, SeedJob], facts: TrainingFacts) -> None:
        self._parent, self._jobs, self._facts = parent, jobs, facts
        self._stack = ExitStack()  # what a failure ends
        self._open: dict[str, tuple[ExitStack, SeedRun]] = {}

    def __enter__(self) -> _Record:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def started(self, name: str) -> None:
        """Start the seed's run."""
        own = self._stack.enter_context(ExitStack())
        job = self._jobs[name]
        run = self._parent.seed(job.seed, self._facts.key(job), strength=job.strength)
        self._open[name] = own, own.enter_context(run)

    def message(self, name: str, value: tuple[int, dict[str, float]]) -> None:
        """Log metrics of a step."""
        self._open[name][1].log(*value)

    def done(self, name: str, entry: dict[str, Any]) -> None:
        """End the seed's run."""
        own, child = self._open.pop(name)
        child.finish(entry)
        own.close()


def run(config: Config, root: Path, *, task_name: str, method_name: str) -> Path:
    """Train every seed; returns the folder written (``results/NAME/train/TASK/METHOD``)."""
    paths = paths_of(config, root)
    out = paths.train(task_name, method_name)
    require(paths.corpora, "corpora")
    require(paths.encoder, "encoder")
    launched = launched_processes() > 1
    count = len(_jobs(config, method_name, None))
    count = 1 if launched else min(config.compute.workers, count)
    # Heads on a frozen encoder cost little beside encoding the corpus, which one worker does once.
    apart = count > 1
    if not getattr(config.train.methods, method_name).trains_encoder:
        count = 1
    with ExitStack() as stack:
        trainer = "langspec.stages.seeds:SeedTrainer"
        crew = crew_of(trainer, config, root, task_name, method_name, count=count, apart=apart)
        stack.enter_context(crew)
        # After the workers: this process imports MLflow while they import PyTorch.
        from langspec.tracking.runs import Tracker, open_tracker
        from langspec.tracking.training_runs import Training, start_method

        # Only the main process writes; others train and throw their equal copies away.
        writes = not launched or crew.facts.main_process
        tracker = open_tracker(config.tracking, root) if writes else Tracker.disabled()
        facts: TrainingFacts = crew.facts
        folder = stack.enter_context(atomic_folder(out)) if writes else None
        training = Training(
            name=config.name,
            task=task_name,
            method=method_name,
            selection=config.train.selection,
            params=facts.identity["settings"],
            data_hash=facts.identity["data"],
            encoder_hash=facts.identity["encoder"],
            effective_precision=facts.identity["precision"],
            processes=facts.identity["processes"],
            run_key=facts.run_key,
        )
        parent = stack.enter_context(start_method(tracker, training))
        jobs = _jobs(config, method_name, folder)
        record = stack.enter_context(_Record(parent, jobs, facts))
        stack.enter_context(crew)  # once more: on failure workers end before the folder goes
        found = crew.run(jobs, record).values()
        entries = [entry for entry in found if "strength" not in entry]
        path = [entry for entry in found if "strength" in entry]
        parent.finish(entries)
        if folder is not None:
            counts = {"train_rows": facts.rows, "truncated_rows": facts.truncated}
            chose = {"selection_languages": list(facts.selection_languages)}
            values = {"schema": 1, **asdict(training), **counts, **chose, "seeds": entries}
            if path:
                values["path"] = path
            write_json(folder / "run.json", values)
    if writes:
        for job in jobs.values():
            # Only now: until the out is renamed, finished seeds are kept there.
            shutil.rmtree(facts.checkpoints(paths.cache, job), ignore_errors=True)
    return out


@dataclass(frozen=True)
class LanguageCost:
    """What language text adds to one epoch of one seed; nothing, where a method reads none.

    Attributes:
        language: pieces of language text that go with the task's.
        passes: pieces times forwards through the encoder; a backward pass counts as two.
        width: pieces that a step keeps for its backward pass, for each piece of the task.
        copies: encoders in memory.
    """

    language: float = 0
    passes: float = 0
    width: float = 1
    copies: int = 1


def language_cost(
    config: Config, method: Any, language: Any, rows: int, pieces: int
) -> LanguageCost:
    """What a method with a discriminator does beside the task (its head is cheap, and left out).

    Args:
        config: the configuration.
        method: its section.
        language: its language rows.
        rows: of the task.
        pieces: of those rows.
    """
    equal_rows = config.train.batch.language == "rows"
    own = rows * float(language.lengths.mean()) if equal_rows else float(pieces)
    kind = method.retention.kind
    passes = 3 * own
    if kind == "distil":
        passes += own  # the starting encoder
    elif kind == "mlm":
        passes += 3 * own  # masked rows
    # `alternate` is the adversary's alone: its discriminator reads rows of its own.
    alternate = getattr(method, "alternate", None)
    if alternate is not None:
        whole = min(own, float(language.lengths.sum())) if alternate == "epoch" else own
        passes += method.inner_steps * whole
    ratio = own / pieces
    return LanguageCost(
        own, passes, 1 + ratio * (2 if kind == "mlm" else 1), 2 if kind == "distil" else 1
    )


def plan(config: Config, root: Path, *, task_name: str, method_name: str) -> str:
    """What :func:`run` would do. Refuses what it would refuse."""
    from langspec.encoders.load import load_encoder
    from langspec.objectives import get_objective
    from langspec.stages.seeds import fit_options, method_options, unlearning
    from langspec.tasks import get_task

    paths = paths_of(config, root)
    task = get_task(task_name, paths.corpora)
    own = method_options(config, task_name, method_name)
    objective = get_objective(method_name, own)
    options = fit_options(config, task_name, method_name, 0)
    card = read_json(require(paths.encoder, "encoder") / "config.json")
    hidden, layers = card["hidden_size"], card["num_hidden_layers"]
    source = config.corpora.source
    encoder = load_encoder(paths.encoder)
    train = task.data(task.rows(require(paths.corpora, "corpora"), "train", [source]), encoder)
    pieces = int(train.lengths.sum())
    beside = LanguageCost()
    if objective.reads_language:
        language = unlearning(config, task, method_name, encoder, paths)["language"]
        beside = language_cost(config, own, language, len(train), pieces)
    weights = layers * 12 * hidden * hidden + hidden * len(task.labels)
    if objective.trains_encoder:
        seeds = len(_jobs(config, method_name, None))
        forwards = (3 * pieces + beside.passes) * options.epochs * seeds
    else:
        forwards = pieces  # encoded once, for all seeds
    flops = 2 * weights * forwards
    megabytes = 4 * weights / 1e6
    memory = 800 + (4 + beside.copies) * megabytes
    memory += options.batch_tokens * beside.width * hidden * layers * 80 / 1e6
    text = f" and {beside.language:.0f} of language text" if beside.language else ""
    return (
        f"train {task_name} {method_name}: {len(train)} rows, {pieces} pieces{text}, "
        f"{options.epochs} epochs, seeds {config.train.seeds} -> "
        f"{paths.train(task_name, method_name)}\n"
        f"  about {10 + flops / FLOPS_A_SECOND:.0f} s on this kind of processor, "
        f"{megabytes * len(config.train.seeds):.0f} MB on disk and {megabytes * 4:.0f} MB of "
        f"checkpoints while it runs, {memory:.0f} MB of memory"
    )
