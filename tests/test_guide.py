"""What the guide shows is held: its Python runs and says what it says, its files pass their exams, its commands and settings exist."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from rialto.cli import app
from rialto.config import load

ROOT = Path(__file__).parents[1]
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
SAYS = re.compile(r"# -> (.*)$")


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The blocks of one language with the line that each begins at."""
    text = page.read_text()
    return [(text[: m.start(2)].count("\n"), m[2]) for m in BLOCK.finditer(text) if m[1] == language]


def write_files(page: Path, folder: Path) -> list[Path]:
    """Every block below a line of a file's name alone, written to that file."""
    paths: list[Path] = []
    for m in NAMED.finditer(page.read_text()):
        path = folder / m[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(m[2])
        paths.append(path)
    return paths


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a home of its own and no settings from outside."""
    for name in [n for n in os.environ if n.startswith("RIALTO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("page", GUIDE, ids=lambda p: p.stem)
def test_python_runs_and_says_what_it_says(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = [p.stem for p in write_files(page, desk) if p.suffix == ".py"]
    room = ModuleType(f"guide_{page.stem}")
    monkeypatch.setitem(sys.modules, room.__name__, room)
    try:
        for line, code in blocks(page, "python"):
            run("\n" * line + code, page.name, room.__dict__)
    finally:
        for name in modules:
            sys.modules.pop(name, None)


def run(code: str, name: str, namespace: dict[str, object]) -> None:
    """Run statements one by one; an expression whose line ends in `# -> TEXT` must have that repr, where `...` is anything."""
    lines = code.splitlines()
    for statement in ast.parse(code).body:
        says = SAYS.search(lines[(statement.end_lineno or 1) - 1]) if isinstance(statement, ast.Expr) else None
        if isinstance(statement, ast.Expr):
            kept = ast.Assign([ast.Name("_", ast.Store())], statement.value)
            statement = ast.fix_missing_locations(ast.copy_location(kept, statement))
        exec(compile(ast.Module([statement], []), name, "exec"), namespace)
        if says:
            pattern, got = ".*".join(re.escape(part) for part in says[1].strip().split("...")), repr(namespace["_"])
            assert re.fullmatch(pattern, got), f"{name} line {statement.lineno}: {got}; the page says {says[1]}"


WITH_TESTS = [p for p in GUIDE if any(Path(m[1]).name.startswith("test_") for m in NAMED.finditer(p.read_text()))]


@pytest.mark.parametrize("page", WITH_TESTS, ids=lambda p: p.stem)
def test_files_that_the_guide_shows_pass_the_tests_beside_them(page: Path, desk: Path) -> None:
    tests = [str(p) for p in write_files(page, desk) if p.name.startswith("test_")]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=desk)
    assert done.returncode == 0, done.stdout + done.stderr


def commands() -> Iterator[tuple[str, str]]:
    """Page and line of every `$ ...rialto ...` in a console block."""
    for page in GUIDE:
        for _, block in blocks(page, "console"):
            for line in block.splitlines():
                if re.match(r"\$ (?:\w+=\S+ )*rialto ", line):
                    yield page.name, line.removeprefix("$ ")


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_commands_exist_with_their_options(page: str, line: str) -> None:
    words = shlex.split(line)
    variables = dict(w.split("=", 1) for w in words if re.match(r"RIALTO_\w+=", w))
    load(environment={"RIALTO_HOME": "home", **variables})
    words = words[words.index("rialto") + 1 :]
    parse(words[: next((i for i, w in enumerate(words) if w in {">", "|"}), len(words))])


def parse(words: list[str]) -> None:
    """Find the command and parse its options and arguments without running it; what does not exist raises."""
    command: Any = get_command(app)
    while commands := getattr(command, "commands", None):
        assert words and words[0] in commands, f"there is no command {words}; known: {sorted(commands)}"
        command, words = commands[words[0]], words[1:]
    command.make_context(command.name, list(words))


def test_every_command_of_the_systems_is_in_the_guide() -> None:
    told = "\n".join(line for _, line in commands())
    root: Any = get_command(app)
    every = [f"rialto {name} {sub}" for name in ("find", "match", "show") for sub in root.commands[name].commands]
    assert [c for c in every if c not in told] == []


PROSE = [ROOT / "docs" / "ARCHITECTURE.md", *GUIDE]


@pytest.mark.parametrize("page", PROSE, ids=lambda p: p.stem)
def test_files_and_names_in_prose_are_there(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`(?:src/rialto/)?([a-z_]+/[\w/]+\.(?:py|json))`", text):
        assert (ROOT / "src" / "rialto" / path).is_file() or (ROOT / path.replace("NAME", "spine")).is_file(), (
            f"{path} is not there"
        )
    for path, name in re.findall(r"`(?:src/rialto/)?(\w+/[\w/]+\.py)`,? `([A-Za-z_.]+)`(?<!\.py`)", text):
        code = (ROOT / "src" / "rialto" / path).read_text()
        assert name.split(".")[-1] in code, f"{path} has no {name}"


def test_architecture_names_modules_under_their_own_folder_and_no_others() -> None:
    parts = re.split(r"^## `rialto/([\w/]*)`.*$", PROSE[0].read_text(), flags=re.MULTILINE)[1:]
    for folder, text in zip(parts[::2], parts[1::2]):
        there = {p.name for p in (ROOT / "src" / "rialto" / folder).glob("*.py")} - {"__init__.py"}
        told = set(re.findall(r"`(\w+\.py)`", re.split(r"^## ", text, flags=re.MULTILINE)[0])) - {"__init__.py"}
        assert told == there, f"rialto/{folder}: {sorted(told ^ there)}"
