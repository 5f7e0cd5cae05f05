"""The published probe at the published number of updates: CPU seconds by scale and minibatch.

    python benchmarks/published_probe.py --updates 2000

Vectors are drawn. ``--updates`` are made, and the seconds of one are multiplied by the number of
the published probe (five epochs of 115,500 texts). ``demo`` has 6 languages, 900 texts and 128
dimensions, ``e5`` 17 languages, 1,700 texts and 384 dimensions; a text is one vector, or the words
that it has in the language text (8 and 22 on average).

    python benchmarks/published_probe.py --text DIR

What the four published settings of NLI read off an encoder (``--encoder``, a folder or ``e5``) on
200 lines of every file of DIR, with one pass an epoch and with the published updates.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path

SCALES = {"demo": (6, 900, 128, 8), "e5": (17, 1700, 384, 22)}
EPOCHS = 5
LINES = 200
SETTINGS = Path(__file__).parent.parent / "data" / "published" / "tanti2021_hyperparameters.csv"


def seconds(
    classes: int, texts: int, width: int, words: int, minibatch: int, updates: int
) -> float:
    """CPU seconds of an update."""
    import numpy as np

    from langspec.measurement.compat.paper_probe import ProbeSetting, Texts, fit_paper_probe

    rng = np.random.default_rng(0)
    lengths = np.full(texts, words)
    languages = np.repeat(np.arange(texts) % classes, lengths)
    vectors = rng.standard_normal((len(languages), width), dtype=np.float32)
    part, setting = Texts(vectors, languages, lengths), ProbeSetting(1e-3, minibatch, 0.01)
    begin = time.process_time()
    fit_paper_probe(
        part, part, classes, setting, lambda *_: 0.0, epochs=1, seed=0, updates=updates
    )
    return (time.process_time() - begin) / updates


def settings(encoder_name: str, folder: Path) -> None:
    """Print what every setting reads of the languages of the text files of a folder."""
    import numpy as np

    import langspec
    from langspec.corpora.splits import line_splits
    from langspec.measurement.compat.paper_probe import (
        Texts,
        fit_paper_probe,
        published_settings,
    )
    from langspec.measurement.compat.paper_scores import union_macro_f1
    from langspec.measurement.compat.published_scale import published_updates

    encoder, vectors = langspec.load_encoder(encoder_name), []
    files = sorted(folder.glob("*.txt"))
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()[:LINES]
        vectors.append(langspec.encode(encoder, lines, layers=[-1])[0])
    split = np.array(line_splits(LINES, (0.5, 0.2, 0.3), seed=7))

    def part(name: str) -> Texts:
        rows = np.flatnonzero(split == name)
        taken = np.concatenate([of_language[rows] for of_language in vectors])
        return Texts(taken, np.repeat(np.arange(len(files)), len(rows)), np.ones(len(taken), int))

    def score(texts: Texts, predicted: np.ndarray) -> float:
        return union_macro_f1(texts.languages, predicted)

    train, dev, test = (part(name) for name in ("train", "dev", "test"))
    print("| setting of | rate | minibatch | updates | published score | updates | score |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, setting in published_settings(SETTINGS, "pair").items():
        cells = [name, f"{setting.learning_rate:g}", str(setting.minibatch)]
        for updates in (None, published_updates(setting.minibatch)):
            probe = fit_paper_probe(
                train, dev, len(files), setting, score, epochs=EPOCHS, seed=0, updates=updates
            )
            cells += [f"{probe.updates:,}", f"{score(test, probe.predict(test.vectors)):.3f}"]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Print one of the tables."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--encoder", default="e5")
    parser.add_argument("--text", type=Path)
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if asked.text is None:
        costs(asked.updates)
    else:
        settings(asked.encoder, asked.text)


def costs(updates: int) -> None:
    """Print what the published number of updates takes."""
    from langspec.measurement.compat.published_scale import published_updates

    print("| scale | a text is | minibatch | updates | microseconds each | CPU s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for scale, (classes, texts, width, words) in SCALES.items():
        for units in (words, 1):
            for minibatch in (16, 32, 64):
                each = seconds(classes, texts, width, units, minibatch, updates)
                every = EPOCHS * published_updates(minibatch)
                what = f"{units} words" if units > 1 else "one vector"
                cells = (scale, what, minibatch, f"{every:,}", f"{each * 1e6:.0f}")
                print(f"| {' | '.join(map(str, cells))} | {each * every:.1f} |")


if __name__ == "__main__":
    main()
