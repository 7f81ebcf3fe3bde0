"""What a process that serves leaves out of its memory."""

import subprocess
import sys
from importlib.util import find_spec

import pyarrow as pa
import pytest

from rialto.app.lean import begin_lean, give_back


def _run(code: str) -> str:
    """What a fresh process prints: this one may have loaded pandas long ago."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed: nothing would load it")
def test_arrow_makes_and_reads_columns_without_loading_pandas_which_others_still_get() -> None:
    code = """
import sys
import pyarrow as pa
from rialto.app.lean import begin_lean
begin_lean()
column = pa.array(["a", "b"])
told = column.to_numpy(zero_copy_only=False).tolist(), "pandas" in sys.modules
import pandas
print(*told, pandas.Series([3]).sum(), pa.table({"x": [1]}).to_pandas().shape)
"""
    assert _run(code) == "['a', 'b'] False 3 (1, 1)"


def test_no_trace_is_left_among_the_finders_of_modules() -> None:
    before = list(sys.meta_path)
    begin_lean()
    assert sys.meta_path == before


def test_arrow_takes_memory_from_the_systems_allocator() -> None:
    begin_lean()
    assert pa.default_memory_pool().backend_name == "system"


def test_giving_memory_back_changes_nothing_that_is_held() -> None:
    held = [bytes(1000) for _ in range(100)]
    give_back()
    assert len(set(held)) == 1
