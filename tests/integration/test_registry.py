"""The registry as its users meet it: stage, store, prediction, a served model over HTTP."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from conftest import CHECKOUT, Make, Run
from langspec import presets
from langspec.config import load_config
from langspec.corpora.generated import FOLDER
from langspec.files import read_json, sha256_folder, write_json
from served_load import BAD, GOOD, answer_to, load

pytestmark = pytest.mark.slow

CHAMPION = "models:/langspec-{}@champion"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, ready_project: Make, langspec: Run) -> Path:
    """Two tasks trained, evaluated and registered at `tiny` size."""
    folder = ready_project(tmp_path_factory.mktemp("registry") / "a project")
    presets.change(["train.run=[finetune]", "train.also.run=[]"], folder / "params.yaml")
    for task in ("pos", "nli"):
        langspec(folder, "train", "--task", task, "--method", "finetune")
        langspec(folder, "evaluate", "--task", task)
    done = langspec(folder, "register")
    assert "version 1 (finetune)" in done.stdout
    return folder


@pytest.fixture(scope="module")
def client(project: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project}/mlflow.db")


def record(project: Path, task: str) -> dict[str, Any]:
    return read_json(project / "results" / "tiny" / "register" / task / "register.json")


@pytest.mark.parametrize("task", ["pos", "nli"])
def test_the_champion_is_the_best_seed_and_says_what_it_is(
    project: Path, client: MlflowClient, task: str
) -> None:
    version = client.get_model_version_by_alias(f"langspec-{task}", "champion")
    same = client.get_model_version_by_alias(f"langspec-{task}", "tiny-champion")
    assert version.version == same.version
    run = read_json(project / "results" / "tiny" / "train" / task / "finetune" / "run.json")
    best = max(entry["dev"]["macro_f1"] for entry in run["seeds"])
    tags = version.tags
    assert float(tags["langspec.score"]) == best
    assert tags["langspec.method"] == "finetune"
    assert tags["langspec.rule"] == "source_dev"
    assert tags["langspec.champion_eligible"] == "true"
    assert tags["langspec.data_hash"] == run["data_hash"]
    for number in ("leak", "transfer"):
        low, value, high = (
            float(tags[f"langspec.{number}{end}"]) for end in (".low", "", ".high")
        )
        assert low <= value <= high
    assert "langspec.leace.leak" in tags
    seed_run = client.get_run(version.run_id)
    assert seed_run.data.tags["langspec.seed"] == tags["langspec.seed"]
    assert (
        seed_run.data.tags["langspec.run_key"] == record(project, task)["versions"][0]["seed_key"]
    )
    assert "accuracy" in version.description


def test_registering_again_adds_nothing_and_writes_equal_bytes(
    project: Path, client: MlflowClient, langspec: Run
) -> None:
    out = project / "results" / "tiny" / "register"
    before = sha256_folder(out)
    done = langspec(project, "register")
    assert done.stdout.count("nothing new (1 were there)") == 2
    assert sha256_folder(out) == before
    assert len(client.search_model_versions("name = 'langspec-pos'")) == 1
    text = "".join(file.read_text("utf-8") for file in out.rglob("*.json"))
    assert str(project) not in text
    assert socket.gethostname() not in text


def test_a_lost_store_is_rebuilt_with_its_versions(
    project: Path, tmp_path: Path, langspec: Run
) -> None:
    uri = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/other.db"}
    done = langspec(project, "replay", **uri)
    assert "version 1 (finetune) (0 were there); champion is version 1" in done.stdout
    again = langspec(project, "replay", **uri)
    assert "0 runs, 0 evaluations, 0 files" in again.stdout
    assert again.stdout.count("nothing new") == 2
    rebuilt = MlflowClient(uri["MLFLOW_TRACKING_URI"])
    version = rebuilt.get_model_version_by_alias("langspec-pos", "champion")
    assert version.tags["langspec.version_key"].startswith("tiny:")


def test_a_failed_seed_is_never_registered_and_its_method_never_champion(
    project: Path, tmp_path: Path, langspec: Run
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(
        project, copy, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts", ".langspec")
    )
    file = copy / "results" / "tiny" / "train" / "pos" / "finetune" / "run.json"
    run = read_json(file)
    best = max(run["seeds"], key=lambda entry: entry["dev"]["macro_f1"])
    best |= {"status": "failed", "reason": "collapsed"}
    write_json(file, run)
    done = langspec(copy, "register")
    assert "no champion: no method qualifies (finetune: 1 of 2 seeds failed)" in done.stdout
    client = MlflowClient(f"sqlite:///{copy}/mlflow.db")
    (version,) = client.search_model_versions("name = 'langspec-pos'")
    assert version.tags["langspec.seed"] != str(best["seed"])
    assert version.tags["langspec.champion_eligible"] == "false"
    assert client.get_registered_model("langspec-pos").aliases == {}
    for entry in run["seeds"]:
        entry["status"] = "failed"
    write_json(file, run)
    done = langspec(copy, "register")
    assert "finetune: all 2 seeds failed" in done.stdout
    assert len(client.search_model_versions("name = 'langspec-pos'")) == 1
    told = langspec(copy, "predict", "--model", CHAMPION.format("pos"), check=False)
    assert told.returncode == 2
    assert "langspec-pos has no alias 'champion'; there are: none" in told.stderr


def test_a_card_is_never_given_to_other_weights(
    project: Path, tmp_path: Path, langspec: Run
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(
        project, copy, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts", ".langspec")
    )
    seed = record(copy, "nli")["versions"][0]["seed"]
    trained = copy / "results" / "tiny" / "train" / "nli" / "finetune"
    shutil.rmtree(trained / f"seed-{seed}")
    shutil.copytree(trained / f"seed-{3 - seed}", trained / f"seed-{seed}")
    done = langspec(copy, "replay", check=False)
    assert done.returncode == 2
    assert "was trained anew since; run: langspec register" in done.stderr


def test_predictions_are_those_that_were_evaluated(
    project: Path, tmp_path: Path, langspec: Run
) -> None:
    """CoNLL-U of the test set in, the labels of predictions.parquet out."""
    (packed,) = (FOLDER / "tiny" / "ud").glob("*German*/*test*")
    file = tmp_path / "test.conllu"
    file.write_bytes(lzma.decompress(packed.read_bytes()))
    done = langspec(project, "predict", "--model", CHAMPION.format("pos"), str(file))
    found = [label for line in done.stdout.splitlines() for label in json.loads(line)["labels"]]
    seed = record(project, "pos")["versions"][0]["seed"]
    table = pd.read_parquet(
        project / "results" / "tiny" / "evaluate" / "pos" / "predictions.parquet"
    )
    mine = table[(table.method == "finetune") & (table.seed == seed) & (table.language == "de")]
    run = project / "results" / "tiny" / "train" / "pos" / "finetune" / f"seed-{seed}"
    names = read_json(run / "model.json")["labels"]
    predicted = [names[label] for label in mine["predicted"]]
    assert [label for label in found if label is not None] == predicted


def test_pairs_and_erasers_are_predicted(project: Path, tmp_path: Path, langspec: Run) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("premise\thypothesis\nThe dog sees a tree\tA dog sees\n")
    plain = ("predict", "--model", CHAMPION.format("nli"), str(pairs), "--output", "tsv")
    header, row = langspec(project, *plain).stdout.splitlines()
    assert header.split("\t")[3:] == ["contradiction", "entailment", "neutral"]
    erased = langspec(project, *plain, "--eraser", "leace").stdout.splitlines()[1]
    assert erased != row
    out = tmp_path / "exported"
    which = ("--task", "nli", "--method", "finetune", "--seed", "1", "--head")
    langspec(project, "export", *which, "--out", str(out))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = langspec(elsewhere, "predict", "--model", str(out), str(pairs))
    assert set(json.loads(done.stdout)["probabilities"]) == set(header.split("\t")[3:])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("models:/langspec-pos@best", "has no alias 'best'; there are: champion, tiny-champion"),
        ("models:/langspec-pos/9", "has no version '9'; there are: 1"),
        ("models:/pos@champion", "no registered model 'pos'"),
        ("models:langspec-pos", "expected models:/NAME@ALIAS"),
        ("no folder", "no model with a head here"),
    ],
)
def test_an_unknown_model_is_one_line(
    project: Path, langspec: Run, model: str, message: str
) -> None:
    done = langspec(project, "predict", "--model", model, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert message in line


def test_a_registry_without_versions_is_told(
    project: Path, client: MlflowClient, langspec: Run
) -> None:
    client.create_registered_model("empty")
    done = langspec(project, "predict", "--model", "models:/empty@champion", check=False)
    assert done.returncode == 2
    assert "empty has no versions; register one with: langspec register" in done.stderr


LOAD = """
import sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/langspec-pos@champion")
row = {"text": "The dog sees a tree."}
print(model.predict([row])[0]["labels"])
print(model.predict([row], params={"eraser": "leace"})[0]["labels"])
import langspec
print(langspec.__file__)
"""


def test_a_fresh_process_loads_it_without_pickle_and_without_langspec(
    project: Path, client: MlflowClient, tmp_path: Path
) -> None:
    """With its own copy of the code: this process finds no installed langspec."""
    blocker = tmp_path / "sitecustomize.py"
    source = str(CHECKOUT / "src")
    blocker.write_text(
        "import sys\n"
        f"sys.path[:] = [place for place in sys.path if place != {source!r}]\n"
        "sys.meta_path[:] = [one for one in sys.meta_path if 'editable' not in repr(one)]\n"
    )
    variables = os.environ | {
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PYTHONPATH": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, f"sqlite:///{project}/mlflow.db"],
        cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    plain, erased, place = done.stdout.strip().splitlines()[-3:]
    assert plain.startswith("['")
    assert erased.startswith("['")
    assert "code" in Path(place).parts
    version = client.get_model_version_by_alias("langspec-pos", "champion")
    folder = Path(
        download_artifacts(
            artifact_uri=version.source,
            dst_path=str(tmp_path / "version"),
            tracking_uri=f"sqlite:///{project}/mlflow.db",
        )
    )
    names = {file.name for file in folder.rglob("*") if file.is_file()}
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".bin", ".pt"))]
    assert {"MLmodel", "requirements.txt", "served_model.py", "README.md"} <= names


def test_its_requirements_are_what_serving_imports() -> None:
    code = (
        "import sys; import langspec.release.predictor\n"
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    from langspec.tracking.versions import REQUIREMENTS, requirements

    loaded = set(done.stdout.split())
    heavy = {"sklearn", "scipy", "optuna", "dvc", "datasets", "seaborn", "matplotlib"}
    own = {"torch", "transformers", "tokenizers", "safetensors", "numpy", "tqdm", "pyarrow"}
    assert (own | heavy) & loaded <= set(REQUIREMENTS)
    assert all("==" in line and "+" not in line for line in requirements())


class Server(str):
    """The address of a server, which knows its process."""

    pid: int


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Server]:
    """`mlflow models serve` of the champion, on a free port of the loopback; ended by its id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    binaries = Path(sys.executable).parent
    variables = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
    }
    command = [str(binaries / "mlflow"), "models", "serve", "-m", CHAMPION.format("pos")]
    command += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    log = project / "serve.log"
    with log.open("wb") as handle:
        process = subprocess.Popen(
            command, env=variables, stdout=handle, stderr=handle, start_new_session=True
        )
    address = Server(f"http://127.0.0.1:{port}")
    address.pid = process.pid
    try:
        deadline = time.monotonic() + 240
        while True:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, "the server did not start in four minutes"
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except OSError:
                time.sleep(2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def ask(address: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{address}/invocations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_served_model_answers_http(server: str, project: Path, langspec: Run) -> None:
    status, answer = ask(server, {"dataframe_records": [{"text": "The dog sees a tree."}]})
    assert status == 200
    (found,) = answer["predictions"]
    assert found["words"] == ["The", "dog", "sees", "a", "tree", "."]
    assert all(0 < probability <= 1 for probability in found["probabilities"])
    words = {"dataframe_records": [{"words": found["words"]}], "params": {"eraser": "leace"}}
    status, erased = ask(server, words)
    assert status == 200
    assert erased["predictions"][0]["probabilities"] != found["probabilities"]
    text = project / "one.txt"
    text.write_text("The dog sees a tree.\n")
    done = langspec(project, "predict", "--model", CHAMPION.format("pos"), str(text))
    assert json.loads(done.stdout)["labels"] == found["labels"]


def test_a_served_model_refuses_bad_rows_and_goes_on(server: str) -> None:
    for body, message in (
        ({"dataframe_records": [{"text": " "}]}, "row 1: text: empty text"),
        ({"dataframe_records": [{"txt": "x"}]}, "row 1: expected either text or words"),
        (
            {"dataframe_records": [{"text": "x"}], "params": {"eraser": "x"}},
            "no eraser 'x' here",
        ),
    ):
        status, answer = ask(server, body)
        assert status == 400
        assert message in answer["message"]
    assert ask(server, {"dataframe_records": [{"text": "x"}]})[0] == 200


@pytest.mark.parametrize("name", BAD)
def test_a_served_model_answers_what_is_wrong_with_400(server: Server, name: str) -> None:
    status, answer = answer_to(server, BAD[name]())
    assert (status, "Traceback" in answer) == (400, False), answer[:500]


@pytest.mark.parametrize("name", GOOD)
def test_a_served_model_answers_long_texts_and_all_characters(server: Server, name: str) -> None:
    status, answer = answer_to(server, GOOD[name]())
    assert status == 200, answer[:500]
    assert "predictions" in json.loads(answer)


@pytest.mark.hostile
def test_a_served_model_stands_32_clients_for_a_minute(server: Server) -> None:
    """No request is lost or answered by an error of the server, and its memory does not grow."""
    seconds = 60.0
    answers = load(server, server.pid, clients=32, seconds=seconds)
    wrong = {
        (name, status): count
        for (name, status), count in answers.statuses.items()
        if status != (200 if name in GOOD else 400)
    }
    assert wrong == {}
    assert answers.statuses.total() > 32
    settled = answers.memory[len(answers.memory) // 3]
    assert answers.memory[-1] < 1.1 * settled + 50, answers.memory
    print(
        f"{answers.statuses.total() / seconds:.0f} answers a second, {answers.memory[-1]:.0f} MB"
    )


def test_the_stage_reads_what_params_say(project: Path) -> None:
    config = load_config(project / "params.yaml")
    kept = [n for n in config.evaluate.erasers.run if not n.startswith(("centring", "lir"))]
    for task in config.train.tasks:
        (version,) = record(project, task)["versions"]
        assert sorted(version["erasers"]) == sorted(kept)
