"""`fwlens scale spark` as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from fwlens import source
from fwlens.flow import FLOW
from tests.test_cli import ROOT, SAMPLES, fwlens, said


def test_the_sample_night_becomes_a_log_for_every_other_command(tmp_path: Path) -> None:
    place = tmp_path / "flows.parquet"
    code, out, err = said("scale", "spark", "sample_logs", "missing.json", "-o", str(place), "--master", "local[2]")
    lines = err.splitlines()
    assert (code, out, len(lines)) == (1, "", 4)
    assert lines[0].startswith("fwlens: Spark ")
    assert lines[0].endswith(" runs at local[2]; reading.")
    assert lines[1].startswith("fwlens: 507 rows of 9 inputs read in ")
    assert lines[1].endswith(f" s, flows in {place}.")
    assert lines[2] == "fwlens: sample_logs/service-tags.json: service tags, no log: pass it on with --service-tags."
    assert lines[3].startswith("fwlens: missing.json: cannot be read (No such file or directory).")
    assert pl.read_parquet(place, schema=FLOW).equals(source.read(["sample_logs"]).rows)
    beside = json.loads((tmp_path / "flows.ledger.json").read_text())
    assert (beside["rows_read"], len(beside["faults"])) == (507, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flows.ledger.json", "flows.parquet"]


@pytest.mark.parametrize(
    ("words", "code", "last"),
    [
        (["scale", "spark", "x"], 2, "Missing option '--output' / '-o'"),
        (["scale", "spark", "x", "-o", "y", "--conf", "memory=8g"], 2, "'memory=' is no setting of Spark: write spark.NAME=VALUE."),
        (["scale", "spark", "x", "-o", "y", "--since", "soon"], 2, "'soon' is no time: "),
        (["scale", "spark", "x", "-o", "y", "--slot", "1y"], 2, "'1y' is no span of time: "),
        (["scale", "spark", "x", "-o", "no/where/y"], 1, "no/where/y: there is no such folder. Choose another place with -o."),
        (["scale", "spark", "x", "-o", "y", "--master", "moon"], 1, "Spark did not start"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_before_anything_is_read(words: list[str], code: int, last: str) -> None:
    found, out, err = said(*words)
    assert (found, out) == (code, "")
    assert last in " ".join(err.split())
    assert "Traceback" not in err
    assert "Missing option" in last or err.count("\n") == 1


def test_without_java_one_sentence_says_what_is_missing() -> None:
    done = fwlens("scale", "spark", SAMPLES, "-o", "/dev/null", JAVA_HOME="/nowhere")
    assert (done.returncode, done.stdout) == (1, b"")
    said = done.stderr.decode()
    assert said.startswith("fwlens: Spark did not start: ")
    assert said.endswith("Java 17 or later must be installed (https://spark.apache.org/docs/latest/#downloading).\n")
    assert said.count("\n") == 1


def test_without_pyspark_one_sentence_names_the_extra() -> None:
    program = "import sys; sys.modules['pyspark'] = None; sys.argv[0] = 'fwlens'; from fwlens.cli import main; main()"
    command = [sys.executable, "-c", program, "scale", "spark", SAMPLES, "-o", "x.parquet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "fwlens: Folding on Spark needs pyspark: pip install 'fwlens[spark]'.\n"
