"""`rialto bench NAME`: runs one of `benchmarks/`, prints a table with the peer beside it, or the list as JSON."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path
from typing import Annotated, cast

import typer

from rialto.cli.output import json_out, out, plain, progress, table
from rialto.errors import NothingHere, known

__all__ = ["Metric", "bench", "find_benchmark", "machine"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured figure.

    Args:
        metric: Its name, `trees_rows_per_s`.
        value: Median of repeated runs.
        unit: What one is, `rows/s`.
        spread: (maximum - minimum) / median of the repeated runs.
        peer: What was measured beside it in the same run, or "".
        peer_value: The peer's median in the same unit.
        ratio: How many times better than the peer, as the metric's definition says; above 1 is ahead.
    """

    metric: str
    value: float
    unit: str
    spread: float
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None


def bench(
    name: Annotated[str, typer.Argument(help="A benchmark's name, or `all`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of metrics and nothing else.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: shows that it runs, not how fast.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the table in benchmarks/results.")] = False,
) -> None:
    """Measure one thing beside its peer in the same run: medians of repeated runs, and their spread."""
    names = benchmarks() if name == "all" else [name.replace("-", "_")]
    everything: list[Metric] = []
    for n, each in enumerate(names):
        run = find_benchmark(each)
        with progress(f"measuring {each}", quiet=as_json) as advance:
            advance(n, len(names))
            metrics = run(quick=quick)
        everything += metrics
        if not as_json:
            _show(each, metrics)
        if keep:
            _keep(each, metrics, quick=quick)
    if as_json:
        json_out([asdict(m) for m in everything])


def folder() -> Path:
    """Where the benchmarks are: `benchmarks/` here, or in the checkout that this package was installed from."""
    for place in (Path.cwd(), Path(__file__).parents[3]):
        if any((place / "benchmarks").glob("bench_*.py")):
            return place / "benchmarks"
    raise NothingHere("there is no folder benchmarks/ here; run this command in a checkout of Rialto.")


def benchmarks() -> list[str]:
    """Names of all benchmarks, in order."""
    return sorted(p.stem.removeprefix("bench_") for p in folder().glob("bench_*.py"))


def find_benchmark(name: str) -> Callable[..., list[Metric]]:
    """The function `run(*, quick)` of a benchmark; `NothingHere` names the known ones."""
    path = folder() / f"bench_{name}.py"
    spec = spec_from_file_location(f"bench_{name}", path) if name in benchmarks() else None
    if spec is None or spec.loader is None:
        raise NothingHere(f"there is no benchmark {name!r}; known: {known(name, benchmarks())}.")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))  # a benchmark may share code with one beside it
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return cast("Callable[..., list[Metric]]", module.run)


def machine() -> str:
    """The machine in a line: processor, cores, its widest vectors, and the versions that matter.

    Example:
        >>> "cores" in machine()
        True
    """
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), platform.machine())
    vectors = next((v for v in ("avx512f", "avx2", "asimd") if v in info), "")
    return f"{model}, {os.cpu_count()} cores {vectors}; Python {platform.python_version()}, numpy {_version('numpy')}, numba {_version('numba')}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


HEADS = ("metric", "median", "unit", "spread", "peer", "peer's median", "ratio")


def _show(name: str, metrics: list[Metric]) -> None:
    rows = [(m.metric, m.value, m.unit, f"{m.spread:.0%}", m.peer, m.peer_value, m.ratio) for m in metrics]
    out.print(table(f"{name} on {machine()}", HEADS, rows))
    out.print()


def _keep(name: str, metrics: list[Metric], *, quick: bool) -> None:
    results = folder() / "results"
    results.mkdir(exist_ok=True)
    command = f"rialto bench {shlex.quote(name)}" + (" --quick" if quick else "")
    (results / f"{name}.json").write_text(
        json.dumps({"command": command, "machine": machine(), "metrics": plain(metrics)}, indent=1) + "\n"
    )
    text = StringIO()
    text.write(f"# {name}\n\n`{command}` on {machine()}\n\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}\n")
    for m in metrics:
        cells = (m.metric, _digits(m.value), m.unit, f"{m.spread:.0%}", m.peer, _digits(m.peer_value), _digits(m.ratio))
        text.write(f"| {' | '.join(cells)} |\n")
    (results / f"{name}.md").write_text(text.getvalue())


def _digits(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
