"""What an evaluation costs, counted from params.yaml for its --dry-run."""

from __future__ import annotations

from dataclasses import dataclass

from langspec.config import Config

# Rates of one core of a server processor with AVX2, by the times of multilingual-e5-small on 17
# languages (docs/results.md). Products of a vector's width, vectors and squared classes that
# converged probes get through a second, a path of strengths and its iterations included.
PROBE_RATE = 1.25e8
# Seconds of a probe's intervals: resamples of its test lines.
INTERVALS = 0.25
# Floating-point operations a second of whole batches (the MLP) and of small matrices (Adam's
# minibatches, k-means).
NETWORK_RATE = 2e10
SMALL_RATE = 2.5e9
_MINIBATCH = 32  # of the published probe's settings: 16 to 64
_ROUNDS = 30  # of k-means
_SHARE = 0.5  # of the lines, that probes are trained on


@dataclass(frozen=True)
class Shape:
    """What is measured.

    Attributes:
        encoders: of trained runs and the random one, that everything is measured on.
        leaks: the same and the points of a path, of which only the leak is measured.
        erased: encoders that erasers are fitted on.
        layers: layers and the embeddings.
        hidden: width of a vector.
        languages: how many.
        labels: of the task.
        token: does the task label words?
    """

    encoders: int
    leaks: int
    erased: int
    layers: int
    hidden: int
    languages: int
    labels: int
    token: bool


@dataclass(frozen=True)
class Cost:
    """A part of an evaluation.

    Attributes:
        name: of the part, as in ``evaluate``.
        told: what is done.
        seconds: estimated, of one core, encoding left out.
        encodings: encoding passes beside those of the language text.
    """

    name: str
    told: str
    seconds: float
    encodings: int = 0


def evaluation_costs(config: Config, shape: Shape) -> list[Cost]:
    """Every part that ``evaluate`` switches on, the linear probe first."""
    parts = (_linear, _erasers, _beyond, _task_text, _geometry, _compat, _trajectory)
    return [cost for part in parts if (cost := part(config, shape)) is not None]


def _probes(shape: Shape, count: int, vectors: int) -> float:
    """Seconds of ``count`` linear probes on ``vectors`` vectors of a language each."""
    return count * vectors * shape.languages**2 * shape.hidden / PROBE_RATE


def _measured(shape: Shape, count: int, vectors: int) -> float:
    """The same with an interval of each."""
    return _probes(shape, count, vectors) + count * INTERVALS


def _linear(config: Config, shape: Shape) -> Cost:
    count = shape.leaks * shape.layers * 2
    seconds = _measured(shape, count, config.features.max_tokens_per_language)
    return Cost("probe", f"{count} linear probes of words and texts", seconds)


def _erasers(config: Config, shape: Shape) -> Cost | None:
    erasers = config.evaluate.erasers
    places = shape.erased * (shape.layers if erasers.layers == "all" else 1) * 2
    # A probe on what each has erased; inlp fits one more a round.
    count = places * (len(erasers.run) + ("inlp" in erasers.run) * erasers.inlp.rounds)
    if not count:
        return None
    seconds = _measured(shape, count, config.features.max_tokens_per_language)
    return Cost("erasers", f"{count} probes for {len(erasers.run)} erasers", seconds)


def _beyond(config: Config, shape: Shape) -> Cost | None:
    values = config.evaluate.beyond
    kinds = [name for name in values.run if name != "char_ngrams"]
    if not kinds:
        return None
    named = values.layers
    layers = min(3, shape.layers) if named is None else len(named)
    places = shape.encoders * layers * 2
    most = config.features.max_tokens_per_language
    kept = min(most, values.max_train_per_language or most)
    # The linear probe on the same vectors, the control task's, and seven of halves that double.
    fits = {"selectivity": 1, "shuffled": 1, "mdl": 7}
    count = places * (1 + sum(fits.get(name, 0) for name in kinds))
    worth = places * (1 + sum({"mdl": 2}.get(name, name in fits) for name in kinds))
    seconds = _probes(shape, worth, kept)
    told = f"{count} probes more at {layers} layers"
    if "mlp" in kinds:
        networks = places * len(values.mlp.decays)
        told += f", {networks} networks"
        work = 6 * kept * shape.languages * shape.hidden * values.mlp.hidden
        seconds += networks * values.mlp.max_epochs / 2 * work / NETWORK_RATE
    return Cost("beyond", told, seconds)


def _task_text(config: Config, shape: Shape) -> Cost | None:
    vectors = config.evaluate.beyond.task_text
    if not vectors:
        return None
    count = shape.encoders * shape.layers * (2 if shape.token else 1)
    seconds = _measured(shape, count, vectors)
    return Cost("beyond.task_text", f"{count} probes of the task's text", seconds, shape.encoders)


def _geometry(config: Config, shape: Shape) -> Cost | None:
    values = config.evaluate.geometry
    if not values.run:
        return None
    # Language text per word and per text by language; task text by language and by label.
    classes = (shape.languages,) * 3 + (shape.labels,)
    work = sum(values.per_class * k * shape.hidden * k * 2 for k in classes)
    count = shape.encoders * shape.layers * len(classes)
    seconds = shape.encoders * shape.layers * values.starts * _ROUNDS * work / SMALL_RATE
    told = f"{count} clusterings of {values.starts} starts, neighbours, subspaces, retrieval"
    return Cost("geometry", told, seconds, shape.encoders)


def _compat(config: Config, shape: Shape) -> Cost | None:
    values = config.evaluate.compat
    if not {"paper_probe", "v_measure"} & set(values.run):
        return None
    told, seconds = [], 0.0
    most = config.features.max_sentences_per_language
    texts = (values.texts or most or 0) * shape.languages
    units = 15 if shape.token else 1  # words of a text
    if "paper_probe" in values.run:
        settings = 4 if values.settings == "all" else 1
        told.append(f"{shape.encoders * settings} published probes of {values.epochs} epochs")
        work = 6 * texts * units * shape.hidden * shape.languages
        steps = texts / _MINIBATCH * 2e-4  # Adam itself
        seconds += shape.encoders * settings * values.epochs * (work / SMALL_RATE + steps)
    if "v_measure" in values.run:
        told.append(f"{shape.encoders * 30} clusterings of one start")
        vectors = 100 * shape.languages
        seconds += shape.encoders * 30 * _ROUNDS * vectors * shape.hidden * 66 / SMALL_RATE
    return Cost("compat", ", ".join(told), seconds, shape.encoders)


def _trajectory(config: Config, shape: Shape) -> Cost | None:
    values = config.evaluate.trajectory
    if not values.of:
        return None
    moments = len(values.of) * (values.points + 1)
    count = moments * shape.layers * 2
    told = (
        f"{len(values.of)} trainings once more (their time: train --dry-run), {count} probes at "
        f"{moments} moments"
    )
    return Cost("trajectory", told, _probes(shape, count, values.tokens), moments)
