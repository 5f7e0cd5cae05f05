"""The first page: what it answers from planted numbers, on one screen of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from langspec.measurement.comparison import compare_values, pair_seeds
from langspec.measurement.difference import JudgeOptions, judge
from langspec.report.compared import LEAK, Line
from langspec.report.contrasts import LEAK_KEY, TRANSFER_KEY, Contrast, Contrasts
from langspec.report.first_answers import cards, short
from langspec.report.first_figures import first_plots
from langspec.report.first_lines import banner, sure_line
from langspec.report.first_published import beside_paper, differences
from langspec.report.published_tables import language_quantity
from langspec.report.run_results import Run, load_run
from langspec.report.table import leak_unit
from published_rows import PUBLISHED, add_published
from report_files import build_made_up, write_predictions, write_run

pytestmark = pytest.mark.medium

OPTIONS = JudgeOptions(margin=0.01)
METHODS = ("frozen", "finetune", "control", "grl")
MOST_WORDS = 120
CAPTION_WORDS = 35


def load(root: Path, tasks: tuple[str, ...] = ("pos",), methods: Sequence[str] = METHODS) -> Run:
    folders = (root / part for part in ("results", "corpora", "encoder"))
    return load_run(*folders, name="made-up", tasks=tasks, methods=methods, published=PUBLISHED)


def line(
    key: tuple[str, str], before: Sequence[float], after: Sequence[float], *, along: bool = True
) -> Line:
    """A comparison of some seeds, judged by itself."""
    a, b = dict(enumerate(after)), dict(enumerate(before))
    one = compare_values(key[1], a, b, pair_seeds(a, b))
    (judged,) = judge([one.difference], OPTIONS)
    leak = key[1] == LEAK
    return Line(key[1], key[0], one, judged, 4, "token" if leak else "", leak, along)


def around(value: float, spread: float = 0.002) -> tuple[float, ...]:
    return value - spread, value, value + spread


def steady(value: float) -> tuple[float, ...]:
    return value, value, value


NOISY = (0.80, 0.99, 0.93)
SURE = (0.99, 0.99, 0.99)


def answered(run: Run, *pairs: tuple[str, str, tuple[str, str], Line]) -> list[str]:
    """The verdicts of the three cards."""
    present = Contrasts(tuple(Contrast(m, b, one) for m, b, _, one in pairs))
    return [card.verdict for card in cards(run, {"pos": present}, OPTIONS)]


@pytest.fixture(scope="module")
def run(made_up_run: Path) -> Run:
    return load(made_up_run, methods=("frozen", "finetune"))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (steady(0.99), around(0.95), "Hardly: language stays readable."),
        (steady(0.99), around(0.70), "Partly."),
        (steady(0.99), around(0.30), "Mostly."),
        (steady(0.99), around(0.06), "Yes."),
        (steady(0.99), around(0.55, 0.03), "Partly to mostly."),
        (steady(0.70), around(0.90), "No, it reads more."),
        (steady(0.99), around(0.989, 0.0001), "Hardly: language stays readable."),
        (steady(0.40), around(0.399, 0.0001), "Hardly."),
        (SURE, NOISY, "Undecided."),
        (steady(0.99), (0.97, 0.985, 0.995), "Hardly if at all: language stays readable."),
        (steady(0.03), around(0.02, 0.0001), "Undecided."),
        ((0.99,), (0.30,), "One seed, no finding."),
    ],
)
def test_what_is_forgotten_is_said_by_its_share(
    run: Run, before: Sequence[float], after: Sequence[float], said: str
) -> None:
    one = line(LEAK_KEY, before, after)
    assert answered(run, ("finetune", "frozen", LEAK_KEY, one))[0] == said


def test_a_leak_that_depends_on_the_size_of_the_probe_is_no_finding(run: Run) -> None:
    one = line(LEAK_KEY, steady(0.99), around(0.70), along=False)
    assert answered(run, ("finetune", "frozen", LEAK_KEY, one))[0] == "Undecided."


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (around(0.70), around(0.80, 0.004), "Yes."),
        (around(0.80), around(0.70, 0.004), "No, it loses."),
        (steady(0.70), around(0.701, 0.0005), "No, nothing."),
        (steady(0.70), (0.60, 0.72, 0.80), "Undecided."),
        ((0.70,), (0.90,), "One seed, no finding."),
    ],
)
def test_what_the_task_gains_is_said_in_the_readers_direction(
    run: Run, before: Sequence[float], after: Sequence[float], said: str
) -> None:
    one = line(TRANSFER_KEY, before, after)
    assert answered(run, ("finetune", "frozen", TRANSFER_KEY, one))[1] == said


@pytest.mark.parametrize(
    ("leak", "score", "said"),
    [
        (around(0.60), around(0.80, 0.0005), "Partly, at no price."),
        (around(0.60), around(0.70), "Partly, at a price."),
        (around(0.05), around(0.90), "Yes, with a gain."),
        (NOISY, (0.70, 0.80, 0.88), "Undecided, price unclear."),
        ((0.3,), (0.3,), "One seed, no finding."),
    ],
)
def test_unlearning_is_said_with_its_price(
    run: Run, leak: Sequence[float], score: Sequence[float], said: str
) -> None:
    seeds = len(leak)
    pairs = (
        ("grl", "control", LEAK_KEY, line(LEAK_KEY, SURE[:seeds], leak)),
        ("grl", "control", TRANSFER_KEY, line(TRANSFER_KEY, steady(0.8)[:seeds], score)),
    )
    assert answered(run, *pairs)[2] == said


def test_without_a_control_unlearning_is_held_against_plain_fine_tuning(run: Run) -> None:
    pair = Contrast("adversary", "finetune", line(LEAK_KEY, steady(0.99), around(0.6)))
    *_, third = cards(run, {"pos": Contrasts((pair,))}, OPTIONS)
    assert (third.verdict, third.decided) == ("Partly.", True)
    assert third.measured == "An adversary minus finetune:"


def test_a_method_of_which_every_seed_failed_is_not_called_untried(run: Run) -> None:
    *_, third = cards(run, {"pos": Contrasts(left_out=("grl",))}, OPTIONS)
    assert third.verdict == "Every seed failed."
    first, *_ = cards(run, {"pos": Contrasts(left_out=("finetune",))}, OPTIONS)
    assert first.verdict == "Every seed failed."


def test_what_was_not_run_says_what_to_run(run: Run) -> None:
    first, second, third = cards(run, {"pos": Contrasts()}, OPTIONS)
    assert first.verdict == second.verdict == "Not measured."
    assert "frozen and finetune to train.run" in first.measured
    assert third.verdict == "Not tried."
    assert "grl and control to train.run" in third.measured
    assert not any(card.decided for card in (first, second, third))


def test_tasks_that_differ_are_named_and_numbers_have_intervals(run: Run) -> None:
    tasks = {
        "pos": Contrasts((Contrast("finetune", "frozen", line(LEAK_KEY, SURE, around(0.70))),)),
        "nli": Contrasts((Contrast("finetune", "frozen", line(LEAK_KEY, SURE, NOISY)),)),
    }
    card = cards(run, tasks, OPTIONS)[0]
    assert card.verdict == "POS partly; NLI undecided."
    pos, nli = card.numbers
    assert (pos.name, pos.values) == ("POS words", (".990", ".700"))
    assert (pos.changes[0].value, pos.changes[0].ends) == ("−.290", ("−.295", "−.285"))
    assert nli.changes[0].ends[1].startswith("+")


def test_of_two_tasks_that_forget_little_one_sentence_says_what_follows(run: Run) -> None:
    def answers(*pairs: tuple[tuple[str, str], Line]) -> list[str]:
        tasks = {
            task: Contrasts((Contrast("finetune", "frozen", one),))
            for task, (_, one) in zip(("pos", "nli"), pairs, strict=True)
        }
        return [card.verdict for card in cards(run, tasks, OPTIONS)]

    little = line(LEAK_KEY, steady(0.99), around(0.95)), line(LEAK_KEY, SURE, around(0.989, 1e-4))
    assert answers(*((LEAK_KEY, one) for one in little))[0] == "Hardly: language stays readable."
    gain = line(TRANSFER_KEY, around(0.70), around(0.80, 0.004))
    assert answers((TRANSFER_KEY, gain), (TRANSFER_KEY, gain))[1] == "Yes, both."
    loss = line(TRANSFER_KEY, around(0.80), around(0.70, 0.004))
    assert answers((TRANSFER_KEY, gain), (TRANSFER_KEY, loss))[1] == "POS yes; NLI no, it loses."


def test_what_unlearning_removes_and_costs_stand_in_columns_of_their_own(run: Run) -> None:
    removed = line(LEAK_KEY, steady(0.99), around(0.60))
    cost = line(TRANSFER_KEY, steady(0.8), (0.70, 0.80, 0.88))
    pos = (Contrast("grl", "control", removed), Contrast("grl", "control", cost))
    nli = (Contrast("grl", "finetune", removed),)
    card = cards(run, {"pos": Contrasts(pos), "nli": Contrasts(nli)}, OPTIONS)[2]
    assert card.columns == ("Removes: F1", "Costs: accuracy")
    both, one = card.numbers
    assert [change.mark for change in both.changes if change] == ["", "?"]
    assert one.changes[1] is None
    (alone,) = cards(run, {"nli": Contrasts(nli)}, OPTIONS)[2].numbers
    assert len(alone.changes) == 1


def test_numbers_are_short() -> None:
    assert [short(v) for v in (0.9974, -0.0381, 1.0, -0.0001)] == [".997", "−.038", "1.000", "0"]
    assert short(0.07, sign=True) == "+.070"


def test_how_sure_names_seeds_failures_and_the_weakest_verdict(run: Run) -> None:
    pairs = (
        Contrast("finetune", "frozen", line(LEAK_KEY, SURE, around(0.70))),
        Contrast("finetune", "frozen", line(TRANSFER_KEY, steady(0.5), (0.6, 0.63, 0.66))),
    )
    p = pairs[1].line.judged.p_adjusted
    compared = {"pos": Contrasts(pairs)}
    words = sure_line(run, compared, OPTIONS)
    assert words == f"2 seeds, 95% intervals, p≤{p:.3f} for each.".replace("0.", ".")
    unsure = Contrast("grl", "finetune", line(LEAK_KEY, SURE, NOISY))
    words = sure_line(run, {"pos": Contrasts((*pairs, unsure))}, OPTIONS)
    assert words == f"2 seeds, 95% intervals; ?: undecided, others p≤{p:.3f}.".replace("0.", ".")
    failed = replace(run, failed={("pos", "grl", None, 1): "constant"})
    assert "2 seeds, 1 failed" in sure_line(failed, compared, OPTIONS)
    assert "no verdict" in sure_line(run, {"pos": Contrasts()}, OPTIONS)
    one = replace(run, results=run.results[run.results["seed"] <= 1])
    assert sure_line(one, compared, OPTIONS).startswith("One seed:")


def test_artificial_text_is_said_first_and_real_text_has_no_banner(run: Run) -> None:
    assert banner(run).startswith("Generated sentences: ")
    assert banner(replace(run, card={**run.card, "generated": False})) == ""


# --- the pages -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks with everything that a first page can show."""
    root = tmp_path_factory.mktemp("whole run")
    write_run(root, points=2, languages=("en", "de", "tr"), unlearnt=METHODS[2:])
    for task in ("pos", "nli"):
        accuracies = {"frozen": 0.7, "finetune": 0.8, "control": 0.8, "grl": 0.79}
        write_predictions(root / "results", task, accuracies, languages=("en", "de", "tr"))
        add_published(root, task)
    title = "What does fine-tuning do to an encoder's languages?"
    return build_made_up(
        root, root / "report", tasks=("pos", "nli"), methods=METHODS, published=PUBLISHED,
        title=title,
    )  # fmt: skip


class Texts(HTMLParser):
    """The text inside the elements of an id, of figcaptions, and of all but tables and code."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.stack: list[tuple[str, dict[str, str | None]]] = []
        self.first, self.sentences, self.captions = "", "", []  # type: ignore[var-annotated]
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("img", "meta", "link"):
            self.stack.append((tag, dict(attrs)))
        if tag == "figcaption":
            self.captions.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = {tag for tag, _ in self.stack}
        if any(attributes.get("id") == "first" for _, attributes in self.stack):
            self.first += data
        if "figcaption" in tags:
            self.captions[-1] += data
        names = {attributes.get("class") for _, attributes in self.stack}
        if not tags & {"style", "code", "td", "th", "summary"} and "files" not in names:
            self.sentences += data


def test_the_first_screen_has_few_words_and_all_answers(report: Path) -> None:
    first = Texts(report / "index.html").first
    assert len(first.split()) <= MOST_WORDS
    for words in ("Generated sentences", "Does it forget", "Does the task gain?",
                  "Can language be unlearned?", "Tanti et al. 2021", "95% intervals", "3 seeds",
                  "POS", "NLI", ".593→.005"):  # fmt: skip
        assert words in first
    page = (report / "index.html").read_text(encoding="utf-8")
    for name in ("first_measures", "first_tradeoff"):
        assert f'id="{name}"' in page
        assert (report / "figures" / f"{name}.svg").is_file()


def test_a_question_has_a_panel_a_task_and_a_short_caption(report: Path) -> None:
    texts = Texts(report / "index.html")
    page = (report / "index.html").read_text(encoding="utf-8")
    assert 4 <= len(texts.captions) <= 6
    assert all(5 <= len(caption.split()) <= CAPTION_WORDS for caption in texts.captions)
    for kind in ("leak", "transfer", "tradeoff", "published", "projection"):
        for task in ("pos", "nli"):
            assert f'href="details.html#{kind}_{task}"' in page


def test_the_second_page_holds_every_table_and_figure(report: Path) -> None:
    details = (report / "details.html").read_text(encoding="utf-8")
    tables = {path.stem for path in (report / "tables").iterdir()}
    assert len(tables) > 20
    assert all(f'id="table-{name}"' in details for name in tables)
    figures = {path.stem for path in (report / "figures").iterdir()} - {
        "first_measures",
        "first_tradeoff",
    }
    assert all(f'<figure id="{name}">' in details for name in figures)
    assert 'href="index.html"' in details


def test_links_between_the_pages_lead_somewhere(report: Path) -> None:
    pages = {name: (report / name).read_text(encoding="utf-8")
             for name in ("index.html", "details.html")}  # fmt: skip
    for name, text in pages.items():
        for target in re.findall(r'<a href="([^"]+)"', text):
            file, _, anchor = target.partition("#")
            assert (report / (file or name)).is_file(), target
            assert not anchor or f'id="{anchor}"' in pages[file or name], target


def test_sentences_name_no_identifiers(report: Path) -> None:
    for page in ("index.html", "details.html"):
        words = Texts(report / page).sentences
        assert not re.findall(r"\b(?:source|dev|mean)_\w+|\bcorpus (?:pos|nli|text)\b", words)


def test_the_papers_measure_is_that_of_the_first_task_that_has_it(report: Path) -> None:
    beside = beside_paper(load(report.parent, ("pos", "nli")))
    assert beside is not None
    assert (beside.task, beside.here, beside.published) == (
        "POS", (".700", ".240"), (".593", ".005")
    )  # fmt: skip
    bare = load(report.parent)
    plain = bare.summary[bare.summary["measure"] != "published"]
    assert beside_paper(replace(bare, summary=plain)) is None


def test_the_papers_measure_is_called_another_one_and_saved_updates_are_said(report: Path) -> None:
    run = load(report.parent, ("pos", "nli"))
    word = "one wrong word fails a sentence"
    figure = (report / "figures" / "first_measures.svg").read_text(encoding="utf-8")
    assert f"({word}; 1,805 updates, theirs 9,025)" in figure

    def with_updates(number: float) -> list[str]:
        summary = run.summary.copy()
        summary.loc[summary["metric"] == "updates", "value"] = number
        changed = replace(run, summary=summary)
        quantity = language_quantity(changed, "pos")
        assert quantity is not None
        return differences(changed, "pos", quantity)

    assert with_updates(1805) == [word, "1,805 updates, theirs 9,025"]
    assert with_updates(9025) == [word]


def test_the_language_of_words_is_asked_of_pos_and_that_of_texts_of_nli(report: Path) -> None:
    run = load(report.parent, ("pos", "nli"))
    assert [leak_unit(run, task) for task in run.tasks] == ["token", "sentence"]
    first = Texts(report / "index.html").first
    assert "POS words" in first
    assert "NLI texts" in first
    for name, unit in (("pos", "token"), ("nli", "sentence")):
        leaks = pd.read_csv(report / "tables" / f"compare_{name}.csv")["quantity"]
        assert f"language leak ({unit}, layer 4)" in set(leaks)


def test_the_first_figures_say_what_their_signs_are(report: Path) -> None:
    figure = (report / "figures" / "first_measures.svg").read_text(encoding="utf-8")
    for words in ("filled: our converged probe", "hollow: the paper's probe, same vectors",
                  "control: as grl, nothing reversed"):  # fmt: skip
        assert words in figure
    assert "not in this run" not in figure
    tradeoff = (report / "figures" / "first_tradeoff.svg").read_text(encoding="utf-8")
    assert "left: less language; up: better; small: seeds; the panels' scales differ" in tradeoff


def test_a_method_that_one_task_lacks_is_said_in_its_row(report: Path) -> None:
    run = load(report.parent, ("pos", "nli"))
    lacking = (run.summary["task"] == "nli") & (run.summary["method"] == "control")
    plots = {plot.name: plot for plot in first_plots(replace(run, summary=run.summary[~lacking]))}
    axes = plots["first_measures"].figure.axes
    said = [[text.get_text() for text in axis.texts].count("not in this run") for axis in axes]
    assert said == [0, 1]


def test_bands_are_named_where_seeds_differ(report: Path) -> None:
    run = load(report.parent, ("pos", "nli"))
    said = []
    for more in (0.0, 0.1):
        spread = run.summary.assign(min=run.summary["value"], max=run.summary["value"] + more)
        (plot,) = (p for p in first_plots(replace(run, summary=spread)) if "measures" in p.name)
        said.append("bands: from seed to seed" in plot.alt)
    assert said == [False, True]
