"""What holds for the code as a whole: imports stay light, every port has an exam, every file says what it is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rialto.testing as exams
from rialto.ports import PORTS

SRC = Path(__file__).parents[1] / "src" / "rialto"
FILES = sorted(SRC.rglob("*.py"))


def test_importing_rialto_loads_no_engine() -> None:
    code = "import rialto, sys; print([m for m in ('numpy', 'numba', 'pyarrow', 'tantivy', 'PIL', 'fastapi', 'redis') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("port", PORTS, ids=lambda p: p.__name__)
def test_every_port_has_four_methods_or_fewer_and_an_exam(port: type) -> None:
    methods = [n for n, v in vars(port).items() if callable(v) and not n.startswith("_")]
    assert 1 <= len(methods) <= 4
    assert hasattr(exams, f"{port.__name__}Exam")


@pytest.mark.parametrize("file", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_every_file_says_what_it_is_and_keeps_to_its_room(file: Path) -> None:
    text = file.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "wanted a one-line module docstring"
    assert len(text.splitlines()) <= 400, "ask what two things this file is"
    assert file.stem not in {"utils", "common", "core", "base", "manager", "helpers"}
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {"pickle", "cPickle", "dill"} & set(names), "no pickle, anywhere"
        handler = isinstance(node, ast.ExceptHandler) and len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
        assert not handler, f"line {node.lineno}: an error is swallowed" if isinstance(node, ast.ExceptHandler) else ""
