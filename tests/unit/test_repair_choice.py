"""Fitting methods and choosing one, on vectors whose language offset is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from langspec.errors import LangspecError
from langspec.repair.choose_method import RULES, Rule, choose, judge, paired, rule_named
from langspec.repair.fit_methods import METHODS, NOTHING, Labelled, check_methods, fit_all
from langspec.repair.unit_eraser import unit

CODES = np.array(["aa", "bb", "zz-x"])  # one of them is in no table of languages


def planted(size: float, lines: int = 120, width: int = 24, seed: int = 0) -> Labelled:
    """Translations of some lines: content, noise, and an offset of each language."""
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(lines, width))
    offsets = size * rng.normal(size=(len(CODES), width))
    parts = [content + 0.5 * rng.normal(size=content.shape) + offset for offset in offsets]
    return Labelled(
        np.concatenate(parts).astype(np.float32),
        np.repeat(CODES, lines),
        np.tile(np.arange(lines), len(CODES)),
    )


def rows(values: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    """Rows of queries: the same lines in two languages."""
    count = len(values) // 2
    return pd.DataFrame(
        {
            "language": np.repeat(["aa", "bb"], count),
            "line": np.tile(np.arange(count), 2),
            "recall_10": values,
            "mono_recall_10": np.ones(len(values)),
        }
        | columns
    )


def test_every_method_is_fitted_and_gives_vectors_of_length_1() -> None:
    train = planted(1.0)
    fitted = fit_all(train)
    assert set(fitted.maps) == set(METHODS)
    assert not fitted.left_out
    for method, eraser in fitted.maps.items():
        erased = eraser.apply(train.vectors, train.languages)
        np.testing.assert_allclose(np.linalg.norm(erased, axis=1), 1, rtol=1e-5)
        assert eraser.languages == tuple(CODES)
        assert eraser.gold == ("oracle" in method)
        assert eraser.one_map == (method in ("lsar", "inlp", "leace", "leace+leace"))


def apart(vectors: np.ndarray, languages: np.ndarray) -> float:
    """How far the second moments of the languages lie from their mean."""
    moments = [vectors[languages == c].T @ vectors[languages == c] / 120 for c in CODES]
    return float(np.linalg.norm(np.stack(moments) - np.mean(moments, axis=0)))


def test_a_planted_offset_is_removed_by_methods_of_means_and_not_by_lir() -> None:
    """The strongest direction of every language is one of content here."""
    train = planted(0.5)
    loud = np.ones(24, dtype=np.float32)
    loud[0] = 12
    far = Labelled(train.vectors * loud, train.languages, train.lines)
    fitted = fit_all(far, ["centring_oracle", "leace", "lsar", "lir_oracle"]).maps
    erased = {name: one.apply(far.vectors, far.languages) for name, one in fitted.items()}
    means = {
        name: np.linalg.norm(
            np.diff([v[far.languages == c].mean(axis=0) for c in CODES], axis=0), axis=1
        ).max()
        / v.std(axis=0).sum()
        for name, v in {NOTHING: unit(far.vectors), **erased}.items()
    }
    for name in ("centring_oracle", "leace", "lsar"):
        assert means[name] < 0.6 * means[NOTHING], means
    assert means["lir_oracle"] > 0.75 * means[NOTHING], means


def test_a_planted_sign_is_removed_by_lir_and_not_by_methods_of_means() -> None:
    """Each text moves along its language's direction, half of them to the other side."""
    rng = np.random.default_rng(3)
    train = planted(0.0)
    sides = 4 * rng.choice([-1.0, 1.0], len(train.lines)) / np.sqrt(24)
    towards = np.linalg.qr(rng.normal(size=(24, 3)))[0].T * np.sqrt(24)
    which = np.searchsorted(CODES, train.languages)
    moved = train.vectors + (sides[:, None] * towards[which]).astype(np.float32)
    both = Labelled(moved, train.languages, train.lines)
    before = apart(unit(moved), train.languages)
    fitted = fit_all(both, ["centring_oracle", "leace", "lsar", "lir_oracle"]).maps
    left = {n: apart(e.apply(moved, train.languages), train.languages) for n, e in fitted.items()}
    assert left["lir_oracle"] < 0.5 * before
    assert min(left[name] for name in ("centring_oracle", "leace", "lsar")) > 0.6 * before


def test_a_language_that_was_never_seen_is_left_alone_where_languages_are_given() -> None:
    train = planted(1.0)
    eraser = fit_all(train, ["centring_oracle"]).maps["centring_oracle"]
    unseen = np.full(5, "qq")
    np.testing.assert_allclose(
        eraser.apply(train.vectors[:5], unseen), unit(train.vectors[:5]), rtol=1e-5
    )


def test_a_method_that_needs_translations_is_left_out_with_the_reason() -> None:
    train = planted(1.0)
    alone = Labelled(train.vectors, train.languages, np.arange(len(train.lines)), parallel=False)
    fitted = fit_all(alone, ["relative", "leace"])
    assert list(fitted.maps) == ["leace"]
    assert "parallel" in fitted.left_out["relative"]


def test_the_best_method_that_loses_little_is_chosen() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(0.3, 0.5, 80)
    frames = {
        NOTHING: rows(before),
        "leace": rows(before + 0.1),
        "lsar": rows(before + 0.2, mono_recall_10=np.full(80, 0.9)),
        "centring": rows(before + 0.3),
    }
    choice = choose(frames, RULES["recall"], allowed=("leace", "lsar"))
    assert choice.method == "leace"
    assert "monolingual" in choice.ruled_out["lsar"]
    assert "language of each vector" in choice.ruled_out["centring"]
    assert choose(frames, rule_named("recall", 0.2), allowed=("leace", "lsar")).method == "lsar"
    assert choose(frames, RULES["recall"]).method == "centring"
    worse = {NOTHING: rows(before), "leace": rows(before - 0.1)}
    assert choose(worse, RULES["recall"]).method == NOTHING


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_rule_bounds_the_monolingual_loss(rule: Rule) -> None:
    before = np.random.default_rng(0).uniform(0.3, 0.5, 80)
    sign = -1 if rule.lower else 1
    frames = {NOTHING: rows(before).assign(**{rule.column: before})}
    for name, gain, lost in (("leace", 0.1, 1.0), ("inlp", 0.2, 0.9)):
        after = {rule.column: before + sign * gain, "mono_recall_10": lost}
        frames[name] = rows(before).assign(**after)
    frames[NOTHING]["mono_recall_10"] = 1.0
    choice = choose(frames, rule)
    assert choice.method == "leace"
    assert choice.ruled_out == {"inlp": "monolingual recall@10 \N{MINUS SIGN}0.100"}
    lost = judge(frames[NOTHING], frames["inlp"], "inlp", rule)
    assert not lost.repaired


def test_nothing_is_called_repaired_whose_interval_holds_zero() -> None:
    rng = np.random.default_rng(1)
    before = rows(rng.uniform(0, 1, 80))
    up = rows(before["recall_10"].to_numpy() + rng.normal(0.1, 0.05, 80))
    noise = rows(before["recall_10"].to_numpy() + rng.normal(0.0, 0.3, 80))
    assert judge(before, up, "leace", RULES["recall"]).repaired
    verdict = judge(before, noise, "leace", RULES["recall"])
    assert not verdict.repaired
    assert "interval holds 0" in verdict.why
    assert "no method improves" in judge(before, before, NOTHING, RULES["recall"]).why
    dear = rows(up["recall_10"].to_numpy(), mono_recall_10=np.full(80, 0.9))
    assert "costs 0.100 of monolingual" in judge(before, dear, "leace", RULES["recall"]).why


def test_queries_of_one_line_vary_together() -> None:
    """Twenty copies of every line say no more than one."""
    rng = np.random.default_rng(2)
    change = rng.normal(0.1, 0.2, 40)
    once, many = (
        pd.DataFrame({"language": "aa", "line": np.tile(np.arange(40), n), "recall_10": 0.0})
        for n in (1, 20)
    )
    narrow = paired(once, once.assign(recall_10=change), "recall_10")
    copied = paired(many, many.assign(recall_10=np.tile(change, 20)), "recall_10")
    assert copied.low == pytest.approx(narrow.low)
    assert narrow.low < 0.1 < narrow.high


def test_refusals() -> None:
    for names, said in (((), "names no method"), (("leac",), "unknown method"),
                        (("leace", "leace"), "twice")):  # fmt: skip
        with pytest.raises(LangspecError, match=said):
            check_methods(names)
    with pytest.raises(LangspecError, match="--rule: 'best'"):
        rule_named("best", 0.01)
    with pytest.raises(LangspecError, match="--loss: 2"):
        rule_named("recall", 2)
    train = planted(1.0)
    with pytest.raises(LangspecError, match=r"one language only \(aa\)"):
        fit_all(train.at(train.languages == "aa"))
    broken = train.vectors.copy()
    broken[3, 2] = np.nan
    with pytest.raises(LangspecError, match="not finite"):
        fit_all(Labelled(broken, train.languages, train.lines))
    once = rows(np.zeros(4))
    with pytest.raises(LangspecError, match="not the same queries"):
        paired(once, once.assign(line=9), "recall_10")
