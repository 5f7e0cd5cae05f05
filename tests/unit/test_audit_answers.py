"""Encoders with a planted geometry: the answers, neighbours and page say what was planted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from measure_options import geometry_options

from audit_fixtures import planted, write_texts
from langspec.audit.answers import answers, groups, named, percent
from langspec.audit.figures import draw
from langspec.audit.measure import Audited, measure
from langspec.audit.options import AuditOptions, EncoderChoice, Measures
from langspec.audit.page import render, warnings
from langspec.audit.side_by_side import differences
from langspec.audit.spec_tables import all_tables
from langspec.audit.text_folder import Texts, read_texts
from langspec.measurement.bootstrap import BootstrapOptions
from langspec.report.report_page import picture

pytestmark = pytest.mark.medium

CODES = ("de", "en", "fr", "nl", "ru", "tr")
APART = {code: i for i, code in enumerate(CODES)}
QUICK = Measures(
    bootstrap=BootstrapOptions(resamples=20, seed=0),
    geometry=geometry_options(starts=1, per_class=20),
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    folder = write_texts(tmp_path_factory.mktemp("planted") / "text", CODES, 240)
    return read_texts(folder, parallel=True, max_texts=500, seed=0, near=0.8, place="--text")


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("banks")


def audited(
    clusters: dict[str, int], strength: float, texts: Texts, banks: Path, *, parallel: bool = True
) -> Audited:
    options = AuditOptions((EncoderChoice("planted"),), texts.folder, max_words=60)
    return measure(
        planted(clusters, strength),
        texts,
        texts if parallel else None,
        options,
        QUICK,
        banks=banks,
    )


def test_languages_that_lie_apart_are_said_to(texts: Texts, banks: Path) -> None:
    found = audited(APART, 4.0, texts, banks)
    which, where, matters = answers(found)
    assert which.short == "6 of 6 kept apart, 0 mixed, 0 undecided."
    assert which.details[1] == "No two languages are surely mixed with each other."
    assert where.short == "Most at layer 1, least at the embeddings (layer 0)." or (
        where.short == "Most at the last layer (1), least at the embeddings (layer 0)."
    )
    assert matters.short == "Yes, much."  # own-language texts crowd the translations out
    # Equal shifts are what LEACE takes: translations come first again.
    assert found.searches["plain", 1].shares[:, 0].mean() < 0.2
    assert found.searches["leace", 1].shares[:, 0].mean() > 0.95


def test_one_layer_is_not_compared_with_itself(texts: Texts, banks: Path) -> None:
    options = AuditOptions((EncoderChoice("planted"),), texts.folder, max_words=60)
    subject = replace(planted(APART, 4.0), layers=(1,))
    _, where, _ = answers(measure(subject, texts, None, options, QUICK, banks=banks))
    assert where.short == "Only the last layer (1) was measured."
    shares, read = where.details
    assert shares.count("last layer") == 1
    assert "last layer" not in read


def test_threads_change_no_number(texts: Texts, tmp_path: Path) -> None:
    before, found = torch.get_num_threads(), {}
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found[threads] = audited(APART, 1.0, texts, tmp_path / str(threads))
    torch.set_num_threads(before)
    probes = {n: [r for r in one.rows if r.probe == "linear"] for n, one in found.items()}
    assert probes[1] == probes[3]
    assert list(found[1].confusions) == list(found[3].confusions)


def test_two_languages_in_one_cluster_are_named_as_mixed(texts: Texts, banks: Path) -> None:
    found = audited(APART | {"nl": APART["de"]}, 4.0, texts, banks)
    which, _, _ = answers(found)
    mixed = groups(found.mixings[1])
    assert {*mixed.mixed, *mixed.undecided} == {"de", "nl"}
    assert [pair[:2] for pair in mixed.pairs] == [("de", "nl")]
    assert mixed.pairs[0][2].value == pytest.approx(1, abs=0.1)
    assert which.short.startswith("4 of 6 kept apart, ")
    assert {"German", "Dutch"} <= set(which.short.replace(",", "").replace(".", "").split())
    assert any("Mixed with each other: German with Dutch" in text for text in which.details)
    # The probe confuses the same two, and no others.
    table = found.confusions["token", 1]
    off = table - np.diag(np.diagonal(table))
    inside = off[0, 3] + off[3, 0]  # de and nl
    assert inside > 0.9 * off.sum() > 0


def test_aligned_translations_are_found_always(texts: Texts, banks: Path) -> None:
    found = audited(APART, 0.0, texts, banks)
    which, where, matters = answers(found)
    assert which.short == "0 of 6 kept apart, 6 mixed, 0 undecided."
    assert where.short == "At all layers alike."
    assert matters.short == "Undecided: hardly to somewhat."
    assert found.searches["plain", 1].shares[:, 0].min() == 1.0
    assert "the right translation comes first for 100\N{NO-BREAK SPACE}%" in matters.details[2]
    assert np.allclose(found.mixings[1].chance.sum(axis=1), 1)
    assert np.abs(found.mixings[1].apartness).max() < 0.15


def test_without_parallel_text_the_third_answer_says_what_is_needed(
    texts: Texts, banks: Path
) -> None:
    found = audited(APART, 4.0, texts, banks, parallel=False)
    matters = answers(found)[2]
    assert matters.short == "Not measured."
    assert "--parallel" in matters.details[0]
    assert not found.searches
    assert "retrieval" not in {table.name for table in all_tables([found], [texts])}


def test_each_answer_says_what_fine_tuning_did_and_words_come_first(
    texts: Texts, banks: Path
) -> None:
    tuned = audited(APART, 0.0, texts, banks, parallel=False)
    start = audited(APART, 4.0, texts, banks, parallel=False)
    tuned.subject = replace(tuned.subject, name="tuned")
    tuned.rows = [replace(r, method=r.method.replace("planted", "tuned")) for r in tuned.rows]
    which, where, search = differences(tuned, start)
    assert which.startswith("tuned keeps languages less far apart than planted: 0 (0 undecided)")
    assert "; a linear probe names the language of a single word in its text with" in which
    assert where.startswith(("Both keep", "tuned keeps"))
    assert search == "Whether a search finds more or less was not measured: give --parallel."
    tuned.subject.encoder.model.config.architectures = ["BertForTokenClassification"]
    assert differences(tuned, start)[0].startswith("A linear probe names the language of a single")
    assert "; tuned keeps languages less far apart" in differences(tuned, start)[0]
    first, second, _ = answers(tuned)
    assert first.short.startswith("Of words, a probe names the language with macro-F1 ")
    assert second.short.startswith("Of words, ")
    assert second.details[0].startswith("A linear probe reads the language of single words")


@pytest.mark.slow
def test_the_page_holds_answers_tables_and_warnings(texts: Texts, banks: Path) -> None:
    one = audited(APART | {"nl": 0}, 4.0, texts, banks)
    two = audited(APART, 0.0, texts, banks)
    two.subject = replace(two.subject, name="blend")
    two.rows = [replace(r, method=r.method.replace("planted", "blend")) for r in two.rows]
    failed = next(row for row in one.rows if row.metric == "converged")
    one.rows[one.rows.index(failed)] = replace(failed, value=0.0)
    one.cut = 7
    options = AuditOptions(
        (EncoderChoice("a"), EncoderChoice("b")), texts.folder, command="langspec audit <a>"
    )
    both = [one, two]
    tables, plots = all_tables(both, [texts]), draw(both)
    page = render(both, [texts], tables, [picture(plot) for plot in plots], options)
    assert "4 of 6 kept apart, " in page
    assert "0 of 6 kept apart, 6 mixed, 0 undecided." in page
    assert "planted keeps languages further apart than blend: 4 (" in page
    assert "planted finds translations less often: " in page
    assert "langspec audit &lt;a&gt;" in page
    told = warnings(both, [texts])
    assert any("1 probes did not converge" in text for text in told)
    assert any("7 texts were cut at 64 tokens" in text for text in told)
    assert {plot.name for plot in plots} == {"by_layer", "neighbours", "apartness", "confusions"}
    compared = {row["what"]: row for row in tables[0].frame.to_dict("records")}
    apart = compared["share of languages kept apart"]
    assert apart["difference"] == pytest.approx(-4 / 6)
    assert compared["first hit is a translation"]["second"] == 1.0


def test_a_bank_is_used_again_and_made_anew_if_damaged(
    texts: Texts, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langspec.features import encode

    passes = []
    real = encode._encode
    monkeypatch.setattr(encode, "_encode", lambda *a: passes.append(1) or real(*a))
    clusters = APART | {"fr": 5}
    first = audited(clusters, 3.0, texts, banks)
    assert len(passes) == 1
    assert audited(clusters, 3.0, texts, banks).rows == first.rows
    assert len(passes) == 1
    for file in banks.glob("*/sentences.npy"):
        file.write_bytes(file.read_bytes()[:-100])
    assert audited(clusters, 3.0, texts, banks).rows == first.rows
    assert len(passes) == 2


def test_words() -> None:
    shares = [
        percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0.001, 0.999, 1.0, 0)
    ]
    assert shares == ["<1 %", ">99 %", "100 %", "0 %"]
    assert named(["de"]) == "German"
    assert named(["de", "xx", "fr"]) == "German, xx and French"
    assert named(["de"] * 9, most=3) == "German, German and 7 more"
