"""A format of one's own: the worked example of CONTRIBUTING.md, in a copy of the package."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from conftest import CHECKOUT, contributing, copy_code
from corpora_files import official_folder, write
from forked import ForkServer
from langspec.corpora.formats import formats

PAGE = contributing("Add a corpus format")
PREPARE = """
import sys
from pathlib import Path
from corpora_files import options
from langspec.corpora.custom import CustomTask, name_pattern
from langspec.corpora.prepare import prepare
from langspec.corpora.sources import LocatedFile, discover
from langspec.corpora.tables import NLI, read_table

root, out = Path(sys.argv[1]), Path(sys.argv[2])
task = CustomTask(unit="text", format="tsv", path="stars/{language}.tsv", labels=["1", "2"],
                  text="body", label="stars", split_field="part")
found = discover(root, [name_pattern(task.path)])
files = [LocatedFile(file, root / file.name) for file in found.files]
prepare(files, out, **options(tasks=("stars",), custom={"stars": task}))
table = read_table(out, "stars", split="train", schema=NLI)
print(list(zip(table["premise"].to_pylist(), table["label"].to_pylist())))
"""


def test_the_formats_are_the_files_of_one_folder() -> None:
    assert list(formats()) == ["conllu", "jsonl"]


def test_a_format_is_one_file(forked: ForkServer, tmp_path: Path) -> None:
    example = r"```python\n# src/langspec/(corpora/formats/\S+)\n(.*?)```"
    (block,) = re.findall(example, PAGE, re.DOTALL)
    package = copy_code(tmp_path / "src") / "langspec"
    assert not (package / block[0]).exists()
    (package / block[0]).write_text(block[1], encoding="utf-8")
    root = official_folder(tmp_path / "raw")
    for code in ("de", "en", "fr"):
        rows = [f"{part}\t{code} {part}\t{n}" for part in ("train", "dev", "test")
                for n in (1, 2)]  # fmt: skip
        write(root / "stars" / f"{code}.tsv", "\n".join(["part\tbody\tstars", *rows]) + "\n")

    def run() -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(package.parent), str(CHECKOUT / "tests")])
        arguments = ["-c", PREPARE, str(root), str(tmp_path / "out")]
        return forked.run(arguments, env=os.environ | {"PYTHONPATH": path})

    done = run()
    assert done.stdout.strip() == "[('en train', '1'), ('en train', '2')]", done.stderr
    faulty = root / "stars" / "de.tsv"
    write(faulty, faulty.read_text() + "test\tone more\n")
    assert f"{faulty}:8: 2 columns; expected 3, as the first line" in run().stderr
