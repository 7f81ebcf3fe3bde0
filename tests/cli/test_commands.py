"""The command line: errors are sentences with an exit code, and --json prints JSON and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rialto.cli.bench import benchmarks, find_benchmark
from rialto.errors import EngineMissing

CATALOGUE = '{"id": "1", "title": "Red lamp", "price": 20}\n{"id": "2", "title": "Blue chair", "price": 50}\n{broken\n'


def rialto(*words: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    every = os.environ | {"RIALTO_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "120"} | env
    return subprocess.run([sys.executable, "-m", "rialto", *words], capture_output=True, text=True, env=every, check=False)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["find", "index", "none.jsonl"], 2, "there is no catalogue at 'none.jsonl'"),
        (["match", "replay", "{catalogue}"], 2, "wanted the numbers of tasks and workers"),
        (["show", "check", "--brief", "{catalogue}"], 2, "Brief: 1 problem"),
        (["bench", "nothing"], 2, "there is no benchmark 'nothing'; known:"),
        (["find", "evaluate", "--judgments", "{catalogue}"], 2, "wanted headings query,product_id,grade"),
    ],
)
def test_bad_input_is_a_sentence_and_not_a_traceback(words: list[str], code: int, told: str, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.jsonl"
    catalogue.write_text(CATALOGUE)
    done = rialto(*(w.format(catalogue=catalogue) for w in words), home=tmp_path / "home")
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"RIALTO_EVENTS": "mongo://x"}, "no engine answers to mongo://; known: local://, kafka://"),
        ({"RIALTO_EVNTS": "x"}, "unknown setting 'evnts'; known: events"),
        ({"RIALTO_SETTINGS": "no-such-file.toml"}, "cannot be read: No such file"),
    ],
)
def test_bad_settings_are_a_sentence(env: dict[str, str], told: str, tmp_path: Path) -> None:
    done = rialto("doctor", home=tmp_path, **env)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_tunable_names_the_nearest(tmp_path: Path) -> None:
    settings = tmp_path / "rialto.toml"
    settings.write_text('[params]\n"find.decide.sise" = 3\n')
    done = rialto("find", "search", "lamp", "--settings", str(settings), home=tmp_path)
    assert done.returncode == 2
    assert "known: find.decide.size" in done.stderr


def test_a_catalogue_is_indexed_searched_and_explained(tmp_path: Path) -> None:
    catalogue, rejects = tmp_path / "catalogue.jsonl", tmp_path / "rejects.jsonl"
    catalogue.write_text(CATALOGUE)
    made = rialto("find", "index", str(catalogue), "--rejects", str(rejects), "--json", home=tmp_path)
    told: dict[str, Any] = json.loads(made.stdout)
    assert (told["products"], len(told["rejected"])) == (2, 1)
    assert json.loads(rejects.read_text())["row"] == 3
    found = json.loads(rialto("find", "search", "lamp", "--catalogue", str(catalogue), "--json", home=tmp_path).stdout)
    assert found["results"][0]["product"]["id"] == "1"
    why = json.loads(rialto("find", "explain", "lamp", "--catalogue", str(catalogue), "--json", home=tmp_path).stdout)
    assert (why["end"], why["place"]) == ("chosen", 1)


@pytest.mark.parametrize(
    "words",
    [
        ["doctor"],
        ["doctor", "--params"],
        ["show", "compose"],
        ["show", "check", "--variants", "1"],
        ["show", "explain", "--visitors", "50"],
        ["match", "simulate", "--drivers", "40", "--minutes", "1"],
        ["match", "explain", "--drivers", "60", "--minutes", "5"],
    ],
    ids=lambda w: " ".join(w),
)
def test_json_is_all_that_stands_on_standard_output(words: list[str], tmp_path: Path) -> None:
    done = rialto(*words, "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("name", benchmarks())
def test_every_benchmark_runs_and_names_its_figures(name: str) -> None:
    try:
        metrics = find_benchmark(name)(quick=True)
    except EngineMissing as e:
        pytest.skip(str(e))
    assert metrics
    assert all(m.metric and m.unit and m.value == m.value and m.spread >= 0 for m in metrics)
    assert any(m.peer for m in metrics), "a figure without a peer tells nothing"


def test_a_command_loads_its_own_module_and_not_the_others() -> None:
    code = (
        "import sys; sys.argv = ['rialto', 'try', '--help']\n"
        "from rialto.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print([name in sys.modules for name in ('rialto.cli.tries', 'rialto.cli.bench')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[True, False]")


def test_the_whole_command_line_is_there_for_whoever_imports_it() -> None:
    from typer.main import get_command

    from rialto.cli import app

    whole = {"try", "demo", "serve", "bench", "doctor", "find", "match", "show"}
    assert set(getattr(get_command(app), "commands")) == whole  # noqa: B009 (a group's, which the type does not tell)
