"""Models in this process: versions are folders named by their content's hash, the live one is a small file that is renamed into place.

FOLDER/versions/HASH/card.json     what it is
FOLDER/versions/HASH/body          the model
FOLDER/live/NAME                   the hash of NAME's live version
FOLDER/before/NAME                 the hashes that were live before it, a line each, the latest last; an empty line = none was
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp, mkstemp
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineLost, NothingHere, known
from rialto.local.linear import Linear
from rialto.local.onnx import OnnxScorer
from rialto.local.trees import Trees
from rialto.ports import ModelCard

__all__ = ["LocalModels", "Scorer", "load_linear", "load_onnx", "load_trees"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[0-9a-f]{32}")
_BEFORE = 100  # versions that were live before, remembered by name


class Scorer(Protocol):
    """A loaded model."""

    def score(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores, shape (rows,) from (rows, inputs)."""
        ...


def load_trees(card: ModelCard, body: bytes) -> Scorer:
    """Read `Trees.to_bytes`; `BadInput` where the body is damaged or its inputs are not the card's."""
    trees = Trees.from_bytes(body)
    if trees.names != tuple(card.inputs):
        raise BadInput(
            f"the trees take {list(trees.names)}; the card of {card.name!r} says {list(card.inputs)}. They must be the same."
        )
    return trees


def load_onnx(card: ModelCard, body: bytes) -> Scorer:
    """Read an ONNX file whose one input has the card's width."""
    return OnnxScorer(body, card.inputs)


def load_linear(card: ModelCard, body: bytes) -> Scorer:
    """Read `Linear.to_bytes`; `BadInput` where the body is damaged or its inputs are not the card's."""
    linear = Linear.of_bytes(body)
    if linear.names != tuple(card.inputs):
        raise BadInput(
            f"the weights are of {list(linear.names)}; the card of {card.name!r} says {list(card.inputs)}. They must be the same."
        )
    return linear


_LOADERS: dict[str, Callable[[ModelCard, bytes], Scorer]] = {"trees": load_trees, "onnx": load_onnx, "linear": load_linear}


class LocalModels:
    """Model versions on disk or in memory; see `Models`. Safe to call from several threads, and from processes that share a folder.

    Args:
        folder: Where versions are kept, made where absent; None = in memory, gone with this object.

    Cost:
        The first score of a version reads it and checks its hash; later ones only score.

    Example:
        >>> from rialto.local.trees import Trees
        >>> stump = Trees(np.array([[0]]), np.array([[1.5]]), np.array([[-1.0, 2.0]]), names=("price",))
        >>> models = LocalModels(None)
        >>> version = models.put(ModelCard("find.ranker", "trees", ("price",)), stump.to_bytes())
        >>> models.promote("find.ranker", version)
        >>> models.live("find.ranker")[1].inputs, models.score(version, np.array([[2.0]], dtype=np.float32)).tolist()
        (('price',), [2.0])
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._shelf: _Shelf = _Memory() if folder is None else _Folder(Path(folder))
        self._loaded: dict[str, tuple[ModelCard, Scorer]] = {}
        self._lock = Lock()

    def put(self, card: ModelCard, body: bytes) -> str:
        """Keep a version and return its name, the hash of card and body; it must load, so that what is kept can be scored.

        Raises:
            BadInput: the kind is unknown, the name cannot be a file's, or the body does not load; nothing was kept.
            EngineMissing: the kind's library is not installed.
        """
        _check_name(card.name)
        text = _text(card)
        version = _hash(text, body)
        scorer = _load(card, body)
        self._shelf.put(version, text, body)
        with self._lock:
            self._loaded[version] = (card, scorer)
        return version

    def promote(self, name: str, version: str) -> None:
        """Make `version` the live one of model `name`, at once for every reader.

        Raises:
            NothingHere: there is no such version.
            BadInput: it is a version of another model.
            EngineLost: it is damaged.
        """
        _check_name(name)
        card, _ = self._version(version)
        if card.name != name:
            raise BadInput(f"version {version} is of model {card.name!r}; wanted one of {name!r}.")
        held = self._shelf.live(name)
        if held != version:
            self._shelf.go(name, version, [*self._shelf.before(name), held or ""][-_BEFORE:])

    def live(self, name: str) -> tuple[str, ModelCard] | None:
        """The live version of `name` with its card, or None where none was promoted; `EngineLost` where it is damaged."""
        _check_name(name)
        version = self._shelf.live(name)
        if version is None:
            return None
        try:
            return version, self._version(version)[0]
        except NothingHere as gone:
            raise EngineLost(f"{name!r} is live as version {version!r}, which is not there. Promote another: {gone}") from gone

    def back(self, name: str) -> str:
        """Make the version live again that was before the live one, and return it; "" = none was, and none is now.

        Raises:
            NothingHere: no version of `name` is live.
            EngineLost: the version before is damaged; the live one stays.
        """
        _check_name(name)
        held = self._shelf.live(name)
        if held is None:
            raise NothingHere(f"no version of {name!r} is live, so there is none to go back from.")
        before = self._shelf.before(name)
        if before:
            version = before[-1]
        else:  # promoted by a version of this program that kept no list
            live = self.live(name)
            version = live[1].parent if live else ""
        if version:
            self._version(version)
        self._shelf.go(name, version, before[:-1])
        return version

    def kept(self, name: str) -> tuple[tuple[str, ModelCard, float], ...]:
        """Versions of a model with their cards and when each was kept (seconds since 1970, 0 = not known), the newest first.

        Damaged ones are left out: they cannot be promoted.
        """
        _check_name(name)
        out: list[tuple[str, ModelCard, float]] = []
        for version in self._shelf.versions():
            try:
                card, _ = self._version(version)
            except (EngineLost, BadInput):
                continue
            if card.name == name:
                out.append((version, card, self._shelf.time_s(version)))
        return tuple(sorted(out, key=lambda v: (-v[2], v[0])))

    def score(self, version: str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores, shape (rows,), of (rows, inputs).

        Raises:
            NothingHere: there is no such version.
            BadInput: `inputs` is not a table with a column for each of the model's inputs.
            EngineLost: the version's hash differs from its name: it was damaged.
        """
        card, scorer = self._version(version)
        shape = np.shape(inputs)
        if len(shape) != 2 or shape[1] != len(card.inputs):
            named = ", ".join(card.inputs)
            raise BadInput(f"inputs have shape {shape}; {card.name!r} takes (rows, {len(card.inputs)}): {named}.")
        return scorer.score(inputs)

    def _version(self, version: str) -> tuple[ModelCard, Scorer]:
        with self._lock:
            held = self._loaded.get(version)
        if held is not None:
            return held
        kept = self._shelf.get(version) if _VERSION.fullmatch(version) else None
        if kept is None:
            raise NothingHere(f"there is no model version {version!r}; known: {known(version, self._shelf.versions())}.")
        text, body = kept
        if _hash(text, body) != version:
            raise EngineLost(f"model version {version} is damaged: its content's hash differs. Put it again from its source.")
        fields: dict[str, Any] = json.loads(text)
        fields["inputs"] = tuple(fields["inputs"])
        card = ModelCard(**fields)
        with self._lock:
            return self._loaded.setdefault(version, (card, _load(card, body)))


class _Shelf(Protocol):
    """Where versions lie."""

    def put(self, version: str, card: bytes, body: bytes) -> None: ...

    def get(self, version: str) -> tuple[bytes, bytes] | None: ...

    def versions(self) -> list[str]: ...

    def go(self, name: str, version: str, before: list[str]) -> None: ...

    def live(self, name: str) -> str | None: ...

    def before(self, name: str) -> list[str]: ...

    def time_s(self, version: str) -> float: ...


class _Memory:
    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, bytes]] = {}
        self._live: dict[str, str] = {}
        self._before: dict[str, list[str]] = {}

    def put(self, version: str, card: bytes, body: bytes) -> None:
        self._kept[version] = (card, body)

    def get(self, version: str) -> tuple[bytes, bytes] | None:
        return self._kept.get(version)

    def versions(self) -> list[str]:
        return sorted(self._kept)

    def go(self, name: str, version: str, before: list[str]) -> None:
        self._before[name] = before
        if version:
            self._live[name] = version
        else:
            self._live.pop(name, None)

    def live(self, name: str) -> str | None:
        return self._live.get(name)

    def before(self, name: str) -> list[str]:
        return self._before.get(name, [])

    def time_s(self, version: str) -> float:
        return 0.0


class _Folder:
    """Both kinds of write go beside their place and are renamed into it, so that a reader sees all or nothing."""

    def __init__(self, root: Path) -> None:
        self._versions, self._live, self._before = root / "versions", root / "live", root / "before"
        self._versions.mkdir(parents=True, exist_ok=True)
        self._live.mkdir(exist_ok=True)

    def put(self, version: str, card: bytes, body: bytes) -> None:
        if self.get(version) == (card, body):
            return
        fresh = Path(mkdtemp(prefix=".", dir=self._versions))
        _write(fresh / "card.json", card)
        _write(fresh / "body", body)
        place = self._versions / version
        if place.exists():  # damaged: the content that belongs to this name takes its place
            rmtree(place)
        try:
            fresh.rename(place)
        except OSError:  # another process was quicker with the same content
            rmtree(fresh)
            if self.get(version) != (card, body):
                raise
        _sync_folder(self._versions)

    def get(self, version: str) -> tuple[bytes, bytes] | None:
        place = self._versions / version
        if not place.is_dir():
            return None
        try:
            return (place / "card.json").read_bytes(), (place / "body").read_bytes()
        except FileNotFoundError:
            return b"", b""  # half a version: no hash is its, so the caller reports it as damaged

    def versions(self) -> list[str]:
        return sorted(p.name for p in self._versions.iterdir() if _VERSION.fullmatch(p.name))

    def go(self, name: str, version: str, before: list[str]) -> None:
        self._before.mkdir(exist_ok=True)
        _replace(self._before / name, "".join(f"{v}\n" for v in before).encode())
        if version:
            _replace(self._live / name, version.encode())
        else:
            (self._live / name).unlink(missing_ok=True)
            _sync_folder(self._live)

    def live(self, name: str) -> str | None:
        place = self._live / name
        return place.read_text() if place.exists() else None

    def before(self, name: str) -> list[str]:
        place = self._before / name
        return place.read_text().splitlines() if place.exists() else []

    def time_s(self, version: str) -> float:
        return (self._versions / version / "card.json").stat().st_mtime


def _replace(place: Path, body: bytes) -> None:
    number, fresh = mkstemp(prefix=".", dir=place.parent)
    os.close(number)
    _write(Path(fresh), body)
    Path(fresh).replace(place)
    _sync_folder(place.parent)


def _write(place: Path, body: bytes) -> None:
    with place.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _load(card: ModelCard, body: bytes) -> Scorer:
    if card.kind not in _LOADERS:
        raise BadInput(f"there is no kind of model {card.kind!r}; known: {known(card.kind, _LOADERS)}.")
    return _LOADERS[card.kind](card, body)


def _text(card: ModelCard) -> bytes:
    return json.dumps(asdict(card), sort_keys=True, separators=(",", ":")).encode()


def _hash(card: bytes, body: bytes) -> str:
    """Hash of both, each after its length, so that no byte can change sides."""
    digest = blake2b(len(card).to_bytes(8, "little"), digest_size=16)
    digest.update(card)
    digest.update(body)
    return digest.hexdigest()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadInput(f"model name {name!r}; wanted letters, digits, `.`, `_` and `-`, not beginning with a dot, at most 128.")
