"""The protocol on arrays: a planted bias is found, removed and proved; without one, nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from langspec.errors import LangspecError
from langspec.repair.choose_method import RULES
from langspec.repair.fit_methods import NOTHING, Labelled
from langspec.repair.protocol import CSLS, Parts, Protocol, run_protocol
from langspec.repair.repair_numbers import excess

pytestmark = pytest.mark.medium

CODES = np.array(["aa", "bb", "cc", "dd"])
WIDTH = 16
CHEAP = ("centring", "leace", "lsar")


def parts(
    seed: int, *, offset: float = 0.0, sides: float = 0.0, lines: int = 150, parallel: bool = True
) -> Parts:
    """Three fifths train, a fifth chooses, a fifth tests.

    Args:
        seed: of all that is drawn.
        offset: size of the vector that each language adds.
        sides: size of the vector that each language adds to half of its texts, and takes from the
            others.
        lines: in all, a multiple of 10.
        parallel: is every line in every language?
    """
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(lines, WIDTH))
    towards = rng.normal(size=(2, len(CODES), WIDTH))
    halves = np.repeat([-1.0, 1.0], lines // 10)  # as many to either side in every part
    vectors = []
    for language in range(len(CODES)):
        of = content if parallel else rng.normal(size=content.shape)
        signs = np.concatenate([rng.permutation(halves) for _ in range(5)])[:, None]
        noise = 0.7 * rng.normal(size=content.shape)
        moved = offset * towards[0, language] + sides * signs * towards[1, language]
        vectors.append(of + noise + moved)
    line = np.tile(np.arange(lines), len(CODES))
    every = Labelled(np.concatenate(vectors), np.repeat(CODES, lines), line, parallel)
    part = line * 5 // lines
    return Parts(every.at(part < 3), every.at(part == 3), every.at(part == 4))


def test_without_a_bias_there_is_nothing_to_repair_in_95_of_100_draws() -> None:
    protocol = Protocol(RULES["recall"], ("leace", "lsar"), one_map=True)
    repaired = [
        run_protocol(parts(seed, lines=100), protocol).verdict.repaired for seed in range(100)
    ]
    assert sum(repaired) <= 5


def test_where_no_fitted_language_has_translations_those_that_compare_them_are_left_out() -> None:
    given = parts(0, offset=1.0)
    text = Labelled(given.train.vectors, np.char.add(given.train.languages, "x"),
                    given.train.lines, parallel=False)  # fmt: skip
    apart = Parts(text, given.dev, given.test, translations=given.train)
    methods = ("relative", "leace", "relative+leace")
    outcome = run_protocol(apart, Protocol(RULES["recall"], methods, one_map=True))
    assert list(outcome.fitted.maps) == ["leace"]
    assert list(outcome.fitted.left_out) == ["relative", "relative+leace"]
    assert "compares translations" in outcome.fitted.left_out["relative"]


def test_a_method_that_helps_and_may_not_be_chosen_is_named() -> None:
    protocol = Protocol(RULES["recall"], ("centring",), one_map=True)
    verdict = run_protocol(parts(0, offset=1.0), protocol).verdict
    assert not verdict.repaired
    assert verdict.why.startswith("centring, language predicted improves")
    assert verdict.why.endswith("needs the language of each vector, which no linear layer has")


def test_an_offset_is_found_removed_and_proved() -> None:
    outcome = run_protocol(
        parts(0, offset=1.0), Protocol(RULES["recall"], (*CHEAP, "centring_oracle"), one_map=True)
    )
    before = outcome.test[NOTHING]
    assert excess(before).low > 0.2
    assert outcome.verdict.repaired
    assert outcome.choice.method in ("leace", "lsar")
    assert abs(excess(outcome.test[outcome.choice.method]).value) < 0.1
    assert set(outcome.test) == {NOTHING, *CHEAP, "centring_oracle", CSLS}
    assert outcome.unseen is not None
    assert len(outcome.unseen.before) == len(outcome.unseen.after) == len(before)


def test_a_bias_without_a_mean_is_found_and_not_called_repaired_by_methods_of_means() -> None:
    planted = parts(1, sides=1.5, lines=250)
    outcome = run_protocol(planted, Protocol(RULES["recall"], ("leace", "lsar"), one_map=True))
    assert excess(outcome.test[NOTHING]).low > 0.02
    assert not outcome.verdict.repaired
    right = run_protocol(
        planted, Protocol(RULES["recall"], ("leace", "lir_oracle"), one_map=False)
    )
    assert right.choice.method == "lir_oracle"
    assert right.verdict.repaired


def test_text_without_translations_is_judged_by_its_crowding() -> None:
    protocol = Protocol(RULES["share"], ("leace", "relative"), one_map=True)
    outcome = run_protocol(parts(2, offset=1.0, parallel=False), protocol)
    assert outcome.verdict.repaired
    assert np.isnan(outcome.verdict.loss.value)
    assert "parallel" in outcome.fitted.left_out["relative"]
    fair = run_protocol(parts(3, parallel=False), protocol)
    assert not fair.verdict.repaired


def test_languages_that_are_not_fitted_on_are_unseen() -> None:
    protocol = Protocol(RULES["recall"], ("leace",), one_map=True, fit_languages=("aa", "bb"))
    outcome = run_protocol(parts(4, offset=1.0), protocol)
    assert outcome.fitted.maps["leace"].languages == ("aa", "bb")
    assert set(outcome.dev[NOTHING]["language"]) == {"aa", "bb"}
    if outcome.unseen is not None:
        assert set(outcome.unseen.before["language"]) == {"cc", "dd"}
    with pytest.raises(LangspecError, match="--fit-languages: names 1 of the languages"):
        run_protocol(parts(4), Protocol(RULES["recall"], ("leace",), fit_languages=("aa",)))
