"""Tasks that params.yaml describes, from a user's files to the report, through DVC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from test_pipeline import dvc

from conftest import Run, make_project
from encoder_shapes import publish
from langspec.results import read_results

pytestmark = pytest.mark.slow

WORDS = {"en": ("cats", "sleep"), "zh": ("猫", "睡")}
SPLITS = {"train": 60, "dev": 20, "test": 20}
TASKS = {
    "topic": {  # of one text: the word that is in it
        "unit": "text",
        "format": "jsonl",
        "path": "topics/{language}/{split}.jsonl",
        "text": "body",
        "label": "topic",
        "labels": ["animal", "rest"],
    },
    "kind": {  # of each word
        "unit": "token",
        "format": "jsonl",
        "path": "kinds/{language}/{split}.jsonl",
        "text": "words",
        "label": "kinds",
        "labels": ["animal", "rest"],
    },
    "same": {  # of two texts
        "unit": "pair",
        "format": "jsonl",
        "path": "same/{language}/{split}.jsonl",
        "text": ["one", "other"],
        "label": "same",
        "labels": ["no", "yes"],
    },
}


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_files(folder: Path) -> None:
    """Labels that a word tells, in English for training and in both languages for testing."""
    for code, words in WORDS.items():
        for split, count in SPLITS.items():
            if split == "train" and code != "en":
                continue
            numbers = range(count)
            # Different counts of full stops keep the rows of the splits apart.
            texts = [words[n % 2] + " ." * (1 + n // 2) for n in numbers]
            topics = [TASKS["topic"]["labels"][n % 2] for n in numbers]
            write(
                folder / "topics" / code / f"{split}.jsonl",
                [{"body": t, "topic": topic} for t, topic in zip(texts, topics, strict=True)],
            )
            write(
                folder / "kinds" / code / f"{split}.jsonl",
                [
                    {
                        "words": [words[n % 2], words[n // 2 % 2]],
                        "kinds": [topics[n % 2], topics[n // 2 % 2]],
                    }
                    for n in numbers
                ],
            )
            write(
                folder / "same" / code / f"{split}.jsonl",
                [
                    {
                        "one": texts[n],
                        "other": words[n // 2 % 2],
                        "same": "yes" if n % 2 == n // 2 % 2 else "no",
                    }
                    for n in numbers
                ],
            )
        lines = "".join(f"{words[n % 2]} {words[n // 2 % 2]}{' .' * (n % 7)}\n" for n in range(40))
        (folder / f"{code}.txt").write_text(lines)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, langspec: Run) -> Path:
    root = tmp_path_factory.mktemp("own tasks")
    write_files(root / "files")
    publish(root / "encoder", "bert")
    folder = make_project(root / "project")
    values = yaml.safe_load((folder / "params.yaml").read_text())
    values["corpora"] |= {"files": "added", "targets": ["zh"]}
    values["encoder"] |= {"kind": "folder", "folder": str(root / "encoder"), "name": "own"}
    values["encoder"]["max_tokens"] = 24
    values["tasks"] = TASKS
    values["train"] |= {"tasks": list(TASKS), "run": ["finetune"], "seeds": [1]}
    values["train"]["also"] = {"tasks": [], "run": []}
    values["tune"]["task"] = "topic"
    values["evaluate"]["erasers"]["run"] = ["leace"]
    own = {"epochs": 12, "encoder_lr": 5.0e-3, "head_lr": 1.0e-2}
    own |= {"batch_tokens": 128, "batch_rows": None}
    values["train"] |= {"topic": own, "kind": own, "same": None}
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    langspec(folder, "corpora", "add", str(root / "files"))
    dvc(folder, "init", "--no-scm", "-q")
    dvc(folder, "repro")
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_a_described_task_is_trained_and_measured(project: Path, task: str) -> None:
    rows = read_results(project / "results" / "tiny" / "evaluate" / task / "results.csv")
    assert {"finetune", "random"} <= set(rows["method"])
    assert "leace" in set(rows[rows["method"] == "finetune"]["eraser"])
    heuristics = set(rows[rows["measure"] == "baseline"]["method"])
    assert len(heuristics) >= 2
    leak = rows[(rows.probe == "linear") & (rows.corpus == "text")]
    assert set(leak["unit"]) == {"token", "sentence"}
    scores = rows[(rows.method == "finetune") & (rows.metric == "accuracy") & (rows.probe == "")]
    assert {"en", "zh", "mean_targets"} <= set(scores["language"])
    assert set(scores["unit"]) == {"token" if TASKS[task]["unit"] == "token" else "pair"}


@pytest.mark.parametrize("task", ["topic", "kind"])
def test_what_a_word_tells_is_learnt_in_the_source(project: Path, task: str) -> None:
    rows = read_results(project / "results" / "tiny" / "evaluate" / task / "results.csv")
    found = rows[
        (rows.method == "finetune")
        & (rows.metric == "accuracy")
        & (rows.language == "en")
        & (rows.eraser == "")
    ]
    assert found[found.probe == ""]["value"].item() >= 0.95


def test_the_report_shows_every_task(project: Path) -> None:
    report = project / "results" / "tiny" / "report"
    page = (report / "details.html").read_text()
    for task in TASKS:
        assert f'id="transfer_{task}"' in page
        assert (report / "tables" / f"transfer_{task}.csv").is_file()
        assert (report / "figures" / f"leak_{task}.png").is_file()


def test_nothing_is_run_again(project: Path) -> None:
    assert "Running stage" not in dvc(project, "repro").stdout
