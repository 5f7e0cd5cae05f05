"""Which method repairs search across languages best, and does the default rule choose it?

    python benchmarks/repair.py methods --text FOLDER --encoder e5  # a file a language, parallel
    python benchmarks/repair.py methods --bank BANK                 # what an audit encoded
    python benchmarks/repair.py pools --text FOLDER --encoder e5    # uneven pools, distractors
    python benchmarks/repair.py planted                             # vectors with a known bias

``methods`` prints Markdown tables of all methods and measures on test lines: fitted on all
languages, and fitted on some (``--fit``) and tested on the others in a pool of their own. Below
each it says whether the interval of the difference to the best eligible method holds 0 for the
method that the default rule chose. docs/repair.md holds runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import click
import numpy as np
import pandas as pd
import torch
from transformers import BertConfig, BertModel

from langspec.audit.after_pooling import TANH
from langspec.audit.audited_encoder import load_subject
from langspec.audit.options import EncoderChoice
from langspec.audit.place import bank_root
from langspec.audit.text_folder import read_texts
from langspec.compute import resolve_precision
from langspec.encoders.e5 import e5_encoder
from langspec.encoders.load import EncoderCard
from langspec.encoders.save_folder import save_encoder
from langspec.features.bank import open_bank
from langspec.files import read_json, write_json
from langspec.measurement.intervals import Interval
from langspec.pool_search.pool import Pool, search_rows
from langspec.pool_search.summary import summary
from langspec.release.encoder_folder import write_dense, write_modules, write_settings
from langspec.repair.choose_method import Choice, choose, paired, rule_named
from langspec.repair.encoded_parts import encoded
from langspec.repair.fit_methods import METHODS, NOTHING, Labelled, fit_all, title_of
from langspec.repair.protocol import CSLS, HUBNESS, Parts, Protocol, measured, run_protocol
from langspec.repair.repair_options import RepairOptions

MEASURES = {
    "recall_1": "recall@1",
    "recall_10": "recall@10",
    "rr": "MRR@10",
    "ndcg_10": "nDCG@10",
    "preferred": "preference",
    "own_share": "own share",
    "mono_recall_10": "monolingual",
}
FIT = "en,es,ru,ar,hi,zh,tr,fi,ta"  # nine languages in seven scripts
RULE = RepairOptions(EncoderChoice("e5"), None, None, Path())  # the defaults of langspec repair


def parts_of(text: Path | None, encoder: str, bank: Path | None, texts: int) -> Parts:
    """The vectors of the last layer, in the three splits that ``langspec repair`` makes."""
    if bank is not None:
        stored = open_bank(bank.parent, bank.name)
        assert stored is not None
        units = stored.sentence_meta
        languages = np.asarray(stored.languages)[units.language]
        vectors = stored.sentences(stored.layers[-1])
        every = Labelled(vectors, languages, units.line.astype(np.int64))
        splits = np.asarray(stored.splits)[units.split]
        lines = np.random.default_rng(0).permutation(np.unique(every.lines))[:texts]
        chosen = np.isin(every.lines, lines)
        every, splits = every.at(chosen), splits[chosen]
    else:
        assert text is not None, "give --text or --bank"
        precision = resolve_precision("auto", "cpu")
        named = EncoderChoice(encoder)
        options = replace(RULE, encoder=named, parallel=text, max_texts=texts, precision=precision)
        read = read_texts(text, parallel=True, max_texts=texts, seed=0, near=0.8, place="--text")
        subject = load_subject(named, layers="-1", max_tokens=None)
        every, splits, _ = encoded(subject, read, options.encoding, bank_root())
    return Parts(*(every.at(splits == name) for name in ("train", "dev", "test")))


def pool_of(part: Labelled, vectors: np.ndarray | None = None) -> Pool:
    """The pool of a part, with other vectors of its texts if they are given."""
    codes, language = np.unique(part.languages, return_inverse=True)
    vectors = part.vectors if vectors is None else vectors
    return Pool(vectors, language, tuple(map(str, codes)), part.lines)


def overall(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The numbers of :func:`summary` over all languages, by measure."""
    rows = summary(before, after).to_dict("records")
    return {str(row["measure"]): row for row in rows if row["group"] == "overall"}  # type: ignore[misc]


def table(before: pd.DataFrame, rows: dict[str, pd.DataFrame]) -> str:
    """A line a method: means with half the width of their intervals, and what is chance."""
    lines = ["| method | " + " | ".join(MEASURES.values()) + " | hubness |"]
    lines.append("|---" * (len(MEASURES) + 2) + "|")
    for method, of in rows.items():
        cells = [
            f"{row['after']:.3f} ± {(row['after_high'] - row['after_low']) / 2:.3f}"
            for row in map(overall(before, of).__getitem__, MEASURES)
        ]
        title = "CSLS, nothing erased" if method == CSLS else title_of(method)
        lines.append(f"| {title} | {' | '.join(cells)} | {of.attrs[HUBNESS]:.2f} |")
    return "\n".join(lines)


def against_best(rows: dict[str, pd.DataFrame], choice: Choice, eligible: Sequence[str]) -> str:
    """The chosen method beside the best eligible one on test lines, and the words for it."""
    rule = rule_named("recall", RULE.loss)
    means = {name: float(rule.gain(rows[NOTHING], rows[name]).value) for name in eligible}
    best = max(means, key=lambda name: means[name])
    gap: Interval = paired(rows[choice.method], rows[best], rule.column)
    within = best == choice.method or gap.low <= 0
    return (
        f"chosen on validation lines: **{title_of(choice.method)}**; best on test lines: "
        f"{title_of(best)}, {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] of recall@10: "
        f"{'within' if within else 'NOT within'} the interval"
    )


def report(parts: Parts, fit: Sequence[str], *, one_map: bool) -> str:
    """Run the protocol and print its table and what was chosen; returns the chosen method."""
    began = time.process_time()
    protocol = Protocol(
        rule_named("recall", RULE.loss), METHODS, one_map=one_map, fit_languages=tuple(fit)
    )
    outcome = run_protocol(parts, protocol)
    print(table(outcome.test[NOTHING], outcome.test), end="\n\n")
    first = outcome.test[NOTHING].mean(numeric_only=True)
    print(f"by chance: preference {first['preferred_chance']:.3f}, own share "
          f"{first['pool_share']:.3f}; {len(outcome.test[NOTHING]):,} queries")  # fmt: skip
    for only in (True, False):
        maps = outcome.fitted.maps
        allowed = [name for name, one in maps.items() if one.one_map or not only]
        choice = choose(outcome.dev, protocol.rule, allowed)
        eligible = [
            name
            for name in allowed
            if paired(outcome.test[NOTHING], outcome.test[name], "mono_recall_10").value
            >= -RULE.loss
        ] + [NOTHING]
        what = "a folder can carry" if only else "any, language given or predicted"
        print(f"- {what}: {against_best(outcome.test, choice, eligible)}")
    for method, why in (outcome.choice.ruled_out | outcome.fitted.left_out).items():
        print(f"- not eligible: {title_of(method)}: {why}")
    print(f"- {time.process_time() - began:.0f} CPU s\n", flush=True)
    return outcome.choice.method


@click.group()
def main() -> None:
    """Measure methods of repair."""
    torch.set_num_threads(1)


def _text_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--bank", type=click.Path(path_type=Path), help="Vectors of an audit."),
        click.option("--texts", default=2000, show_default=True, help="Of a language at most."),
        click.option("--encoder", default="e5", show_default=True),
        click.option("--text", type=click.Path(path_type=Path), help="Parallel text."),
    ):
        command = option(command)
    return command


@main.command()
@click.option("--fit", default=FIT, show_default=True, help="Languages to fit on; others test.")
@click.option("--draws", default=0, help="Further draws of as many languages to fit on.")
@_text_options
def methods(text: Path, encoder: str, texts: int, bank: Path | None, fit: str, draws: int) -> None:
    """All methods, all measures: fitted on all languages, and on some of them."""
    parts = parts_of(text, encoder, bank, texts)
    codes = sorted(set(map(str, parts.train.languages)))
    print(f"#### Fitted and tested on {len(codes)} languages\n")
    report(parts, (), one_map=True)
    rng, first = np.random.default_rng(0), fit.split(",")
    for chosen in [first, *(sorted(rng.permutation(codes)[: len(first)]) for _ in range(draws))]:
        others = [code for code in codes if code not in chosen]
        print(f"#### Fitted on {', '.join(chosen)}; tested on {', '.join(others)}\n")
        test = parts.test.at(np.isin(parts.test.languages, others))
        report(replace(parts, test=test), chosen, one_map=True)


@main.command()
@_text_options
def pools(text: Path | None, encoder: str, texts: int, bank: Path | None) -> None:
    """The chosen method where languages are unequally common, and with distractors."""
    parts = parts_of(text, encoder, bank, texts)
    outcome = run_protocol(parts, Protocol(rule_named("recall", RULE.loss), one_map=True))
    method, test = outcome.choice.method, parts.test
    erased = outcome.fitted.maps[method].apply(test.vectors, test.languages)
    before, after = pool_of(test), pool_of(test, erased)
    print(f"{title_of(method)}, chosen on validation lines\n")
    print("| pool | texts | queries | " + " | ".join(MEASURES.values()) + " |")
    print("|---" * (len(MEASURES) + 3) + "|")
    for name, change in POOLS.items():
        one, two = change(before), change(after)
        rows = [search_rows(one), search_rows(two, reference=one)]
        cells = [
            f"{row['before']:.3f} → {row['after']:.3f} "
            f"({row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}])"
            for row in map(overall(*rows).__getitem__, MEASURES)
        ]
        print(f"| {name} | {len(one.line):,} | {len(rows[0]):,} | {' | '.join(cells)} |")


def uneven(pool: Pool) -> Pool:
    """Zipf's law: the r-th language has 1 / r of its texts, by a drawn order."""
    rng = np.random.default_rng(0)
    rank = rng.permutation(len(pool.languages)) + 1
    return pool.take(rng.random(len(pool.line)) < 1 / rank[pool.language])


def with_distractors(pool: Pool) -> Pool:
    """Half of the lines lose their number: their texts are searched and answer nothing."""
    lines = np.random.default_rng(0).permutation(np.unique(pool.line))
    return replace(pool, line=np.where(np.isin(pool.line, lines[::2]), -1, pool.line))


def lonely(pool: Pool) -> Pool:
    """Half of the lines have one text, in a drawn language."""
    rng = np.random.default_rng(0)
    lines, index = np.unique(pool.line, return_inverse=True)
    drawn = rng.integers(len(pool.languages), size=len(lines))[index]
    single = rng.permutation(len(lines))[index] < len(lines) // 2
    return pool.take(~single | (drawn == pool.language))


POOLS = {
    "as it is": lambda pool: pool,
    "languages unequally common (Zipf)": uneven,
    "half of the lines in one language each": lonely,
    "half of the lines are distractors": with_distractors,
}


@main.command()
@_text_options
def leftover(text: Path | None, encoder: str, texts: int, bank: Path | None) -> None:
    """Why does a query prefer its language behind LEACE? Parts of the vectors are taken away."""
    parts = parts_of(text, encoder, bank, texts)
    erased = fit_all(parts.train, ["leace"]).maps["leace"].apply(parts.test.vectors)
    languages, lines = (
        np.unique(of, return_inverse=True)[1] for of in (parts.test.languages, parts.test.lines)
    )
    grid = np.full((lines.max() + 1, languages.max() + 1, erased.shape[1]), np.nan)
    grid[lines, languages] = erased
    line = np.nanmean(grid, axis=1, keepdims=True)
    mean = np.nanmean(grid - line, axis=0, keepdims=True)
    own = np.nan_to_num(grid - line - mean)  # what a text shares with no translation
    rng = np.random.default_rng(0)
    dealt = np.stack([rng.permutation(of) for of in own.swapaxes(0, 1)], axis=1)
    kinds = {
        "leace": line + mean + own,
        "means of languages taken away as well": line + own,
        "what translations do not share is dealt to other lines": line + mean + dealt,
    }
    for name, vectors in kinds.items():
        rows = search_rows(pool_of(parts.test, vectors[lines, languages].astype(np.float32)))
        means = rows.groupby("language")[["recall_10", "preferred", "own_share"]].mean().mean()
        print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in means.items()))


@main.command()
@click.argument("shape", type=click.Choice(["xlmr", "labse"]))
@click.argument("folder", type=click.Path(path_type=Path))
def shape(shape: str, folder: Path) -> None:
    """Write an encoder of random weights for --encoder: 12 layers of 768, e5's tokenizer.

    xlmr: mean pooling. labse: the first piece, a linear layer with tanh, length 1.
    """
    torch.manual_seed(0)
    e5 = e5_encoder()
    config = BertConfig(
        vocab_size=e5.model.config.vocab_size, max_position_embeddings=514, pad_token_id=1
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    pooling = "cls" if shape == "labse" else "mean"
    card = EncoderCard(folder.name, pooling=pooling, max_tokens=128)
    save_encoder(folder, model, e5.tokenizer, card)
    if shape == "labse":
        write_settings(folder, card, config.hidden_size)
        dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        write_dense(folder / "2_Dense", dense.weight.detach().numpy(), dense.bias.detach().numpy())
        place = folder / "2_Dense" / "config.json"
        write_json(place, read_json(place) | {"activation_function": TANH})
        (folder / "3_Normalize").mkdir()
        kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"),
                 ("3_Normalize", "Normalize"))  # fmt: skip
        write_modules(folder, kinds)


BIASES = ("none", "offset", "sign", "rotation")


def planted_vectors(
    kind: str, size: float, seed: int, *, lines: int = 300, languages: int = 6, width: int = 64
) -> Labelled:
    """Parallel lines: content + noise + a bias of the language.

    ``offset`` adds a vector of the language; ``sign`` adds it or takes it away by the sign of one
    direction of the content, so that the mean of a language says nothing; ``rotation`` turns each
    language by a matrix of its own.
    """
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(lines, 1, width))
    texts = content + 0.7 * rng.normal(size=(lines, languages, width))
    of = rng.normal(size=(1, languages, width)) * size
    if kind == "offset":
        texts = texts + of
    elif kind == "sign":
        texts = texts + of * np.sign(content[:, :, :1])
    elif kind == "rotation":
        turns = [
            np.linalg.qr(np.eye(width) + size * 0.3 * rng.normal(size=(width, width)))[0]
            for _ in range(languages)
        ]
        texts = np.einsum("lkw,kwv->lkv", texts, np.stack(turns))
    codes = np.asarray(["en", "de", "ru", "ar", "hi", "zh"])[:languages]
    return Labelled(
        texts.reshape(-1, width).astype(np.float32),
        np.tile(codes, lines),
        np.repeat(np.arange(lines), languages),
    )


def thirds(of: Labelled) -> Parts:
    """Half of the lines train, a quarter is for choosing, a quarter for testing."""
    quarter = of.lines * 4 // (of.lines.max() + 1)
    return Parts(of.at(quarter < 2), of.at(quarter == 2), of.at(quarter == 3))


@main.command()
@click.option("--draws", default=100, show_default=True, help="Without a bias.")
def planted(draws: int) -> None:
    """What is said of vectors whose bias is known."""
    rule = rule_named("recall", RULE.loss)
    biases = (("offset", 0.5), ("offset", 1.0), ("sign", 1.0), ("rotation", 1.0))
    columns, said = [], []
    for kind, size in biases:
        outcome = run_protocol(thirds(planted_vectors(kind, size, 1)), Protocol(rule))
        columns.append(outcome.test)
        chosen = title_of(outcome.choice.method)
        said.append(f"{chosen}: {'' if outcome.verdict.repaired else 'not '}repaired")
    print("| recall@10, own share | " + " | ".join(f"{k} {size}" for k, size in biases) + " |")
    print("|---" * (len(biases) + 1) + "|")
    for name in (NOTHING, *METHODS):
        cells = [
            f"{rows[name]['recall_10'].mean():.3f}, {rows[name]['own_share'].mean():.2f}"
            if name in rows
            else "–"
            for rows in columns
        ]
        print(f"| {title_of(name)} | {' | '.join(cells)} |")
    print(f"| chosen by the default rule | {' | '.join(said)} |", flush=True)
    repaired = 0
    for seed in range(draws):
        parts = thirds(planted_vectors("none", 0.0, seed + 10, lines=120))
        fitted = fit_all(parts.train)
        rows = measured(parts.dev, fitted.maps, "choose")
        method = choose(rows, rule).method
        if method != NOTHING:
            maps = {method: fitted.maps[method]}
            tested = measured(parts.test, maps, "test")
            repaired += rule.gain(tested[NOTHING], tested[method]).low > 0
    print(f"\nwithout a bias: {draws - repaired} of {draws} draws say: nothing to repair")


if __name__ == "__main__":
    main()
