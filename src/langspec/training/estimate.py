"""What a training will cost, for ``--dry-run``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langspec.encoders.recipe import check_feature_layer
from langspec.files import read_object

if TYPE_CHECKING:
    from langspec.config import Config
    from langspec.objectives import Objective

# Two cores of a server processor, fp32; for this estimate only.
FLOPS_A_SECOND = 4e10


@dataclass(frozen=True)
class StepCost:
    """What language text adds to one epoch of one seed; nothing, where a method reads none.

    Attributes:
        tokens: of language text that go with the task's.
        passes: tokens times forward passes through the encoder; a backward pass counts as two.
        width: tokens that a step keeps for its backward pass, for each token of the task.
        encoders: in memory.
    """

    tokens: float = 0
    passes: float = 0
    width: float = 1
    encoders: int = 1


def language_cost(
    objective: Objective, language: Any, rows: int, tokens: int, *, equal: str
) -> StepCost:
    """What a method that reads language text does beside the task.

    A discriminator is cheap, and left out.

    Args:
        objective: the method.
        language: its language rows.
        rows: of the task.
        tokens: of those rows.
        equal: what a step has as many of in both: ``tokens`` or ``rows``.
    """
    beside = rows * float(language.lengths.mean()) if equal == "rows" else float(tokens)
    cost = objective.language_cost(beside, float(language.lengths.sum()))
    return StepCost(beside, cost.passes, 1 + beside / tokens * cost.batches, 1 + cost.encoders)


def estimate(
    config: Config, task: str, method: str, *, corpora: Path, encoder: Path, seeds: int
) -> tuple[str, str]:
    """What the training reads, and what it costs, each in words.

    Args:
        config: the configuration.
        task: the name of the task.
        method: the name of the method.
        corpora: folder of the prepared corpora.
        encoder: folder of the starting encoder.
        seeds: how many trainings, points of a path included.

    Raises:
        LangspecError: what the training itself would refuse.
    """
    from langspec.objectives import get_objective
    from langspec.training.experiment import Workbench
    from langspec.training.train_section import recipe_of

    card = read_object(
        encoder / "config.json", "num_hidden_layers", "hidden_size", cure="build the encoder again"
    )
    hidden, layers = card["hidden_size"], card["num_hidden_layers"]
    check_feature_layer(config.train.feature_layer, layers)
    bench = Workbench(config, task, corpora, encoder)
    objective = get_objective(method, getattr(config.train.methods, method).for_task(task))
    recipe = recipe_of(config.train, task, method, 0)
    train = bench.source_rows(config.corpora.source, "train")
    tokens = int(train.lengths.sum())
    beside = StepCost()
    if objective.reads_language:
        language = bench.language_rows(config, objective)
        beside = language_cost(objective, language, len(train), tokens, equal=recipe.language)
    weights = layers * 12 * hidden * hidden + hidden * len(bench.task.labels)
    if objective.trains_encoder:
        forwards = (3 * tokens + beside.passes) * recipe.epochs * seeds
    else:
        forwards = tokens  # encoded once, for all seeds
    flops = 2 * weights * forwards
    megabytes = 4 * weights / 1e6
    memory = 800 + (4 + beside.encoders) * megabytes
    memory += recipe.batch_tokens * beside.width * hidden * layers * 80 / 1e6
    seeds_of_method = len(config.train.seeds_of(method))
    text = f" and {beside.tokens:.0f} of language text" if beside.tokens else ""
    return (
        f"{len(train)} rows, {tokens} pieces{text}, {recipe.epochs} epochs",
        f"about {10 + flops / FLOPS_A_SECOND:.0f} s on this kind of processor, "
        f"{megabytes * seeds_of_method:.0f} MB on disk and {megabytes * 4:.0f} MB of "
        f"checkpoints while it runs, {memory:.0f} MB of memory",
    )
