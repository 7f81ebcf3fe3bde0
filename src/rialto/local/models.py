"""Models in this process: versions are folders named by their content's hash, the live one is a small file that is renamed into place.

FOLDER/versions/HASH/card.json     what it is
FOLDER/versions/HASH/body          the model
FOLDER/live/NAME                   the hash of NAME's live version
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
from rialto.local.onnx import OnnxScorer
from rialto.local.trees import Trees
from rialto.ports import ModelCard

__all__ = ["LocalModels", "Scorer", "load_onnx", "load_trees"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[0-9a-f]{32}")


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


_LOADERS: dict[str, Callable[[ModelCard, bytes], Scorer]] = {"trees": load_trees, "onnx": load_onnx}


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
        self._shelf.promote(name, version)

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

    def promote(self, name: str, version: str) -> None: ...

    def live(self, name: str) -> str | None: ...


class _Memory:
    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, bytes]] = {}
        self._live: dict[str, str] = {}

    def put(self, version: str, card: bytes, body: bytes) -> None:
        self._kept[version] = (card, body)

    def get(self, version: str) -> tuple[bytes, bytes] | None:
        return self._kept.get(version)

    def versions(self) -> list[str]:
        return sorted(self._kept)

    def promote(self, name: str, version: str) -> None:
        self._live[name] = version

    def live(self, name: str) -> str | None:
        return self._live.get(name)


class _Folder:
    """Both kinds of write go beside their place and are renamed into it, so that a reader sees all or nothing."""

    def __init__(self, root: Path) -> None:
        self._versions, self._live = root / "versions", root / "live"
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

    def promote(self, name: str, version: str) -> None:
        number, fresh = mkstemp(prefix=".", dir=self._live)
        os.close(number)
        _write(Path(fresh), version.encode())
        Path(fresh).replace(self._live / name)
        _sync_folder(self._live)

    def live(self, name: str) -> str | None:
        place = self._live / name
        return place.read_text() if place.exists() else None


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
