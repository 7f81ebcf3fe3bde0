"""A trained cross-encoder as one file: its card, its head, and the weights that training changed; the rest comes from the installed package."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rialto.errors import EngineLost, NothingHere, known
from rialto.local.cross_graph import CrossShape, Head

__all__ = ["CrossModel", "CrossShelf"]


@dataclass(frozen=True)
class CrossModel:
    """What was trained, and from what.

    Args:
        shape: Layers, and how many of them stand apart.
        head: How the score comes of the states.
        weights: The weights that differ from the installed ones, by name; kept as float16.
        data: Fingerprint of the training data, "" = not trained.
        params: How it was trained, as text.
        metrics: What was measured.

    Example:
        >>> model = CrossModel.untrained(CrossShape(2, 2))
        >>> CrossModel.load(model.save()).version == model.version
        True
    """

    shape: CrossShape
    head: Head
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    data: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def untrained(cls, shape: CrossShape) -> CrossModel:
        """The sentence encoder's own weights, and a head that adds the cosine and the likeness of words."""
        return cls(shape, Head())

    @property
    def version(self) -> str:
        """A hash of what the scores depend on, 16 hexadecimal digits."""
        digest = blake2b(json.dumps([asdict(self.shape), self.head.cos, self.head.sim]).encode(), digest_size=8)
        digest.update(self.head.states.astype("<f4").tobytes())
        for name in sorted(self.weights):
            digest.update(name.encode())
            digest.update(self.weights[name].astype("<f2").tobytes())
        return digest.hexdigest()

    def save(self) -> bytes:
        """One npz file, without pickle; about 3.5 MB a trained layer."""
        card = {
            "shape": asdict(self.shape), "cos": self.head.cos, "sim": self.head.sim, "data": self.data,
            "params": dict(self.params), "metrics": dict(self.metrics),
        }  # fmt: skip
        held: dict[str, NDArray[Any]] = {f"weight:{n}": v.astype(np.float16) for n, v in self.weights.items()}
        held |= {"card": np.frombuffer(json.dumps(card, sort_keys=True).encode(), np.uint8), "head": self.head.states}
        body = BytesIO()
        np.savez(body, allow_pickle=False, **held)
        return body.getvalue()

    @classmethod
    def load(cls, body: bytes) -> CrossModel:
        """The model that `save` wrote; `EngineLost` where the bytes are damaged."""
        try:
            with np.load(BytesIO(body), allow_pickle=False) as kept:
                card = json.loads(kept["card"].tobytes())
                head = Head(kept["head"].astype(np.float32), float(card["cos"]), float(card["sim"]))
                weights = {n.removeprefix("weight:"): kept[n].astype(np.float32) for n in kept.files if n.startswith("weight:")}
                shape = CrossShape(**card["shape"])
                return cls(shape, head, weights, card["data"], card["params"], card["metrics"])
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
            raise EngineLost(f"the {len(body)} bytes are no cross-encoder ({error}); train it again.") from error


class CrossShelf:
    """Trained cross-encoders in a folder: `VERSION.npz` each, and `live`, a small file with the version that serves.

    Args:
        folder: Made when something is put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, model: CrossModel) -> str:
        """Keep a model and return its version; the same weights give the same one."""
        self._write(f"{model.version}.npz", model.save())
        return model.version

    def promote(self, version: str) -> None:
        """Let a version serve; `NothingHere` where there is none of this name."""
        if not self._place(version).is_file():
            raise NothingHere(
                f"there is no cross-encoder {version!r} in {self._folder}; known: {known(version, self.versions())}."
            )
        if (now := self.serving()) != version:
            self._write("before", "".join(f"{v}\n" for v in [*self._before(), now]).encode())
        self._write("live", version.encode())

    def back(self) -> str:
        """Let the version serve that did before, and return it; "" = none did. `NothingHere` where none serves."""
        if not self.serving():
            raise NothingHere(f"no cross-encoder of {self._folder} serves, so there is none to go back from.")
        before = self._before()
        version = before[-1] if before else ""
        if version and not self._place(version).is_file():
            raise NothingHere(f"the cross-encoder {version!r} that served before is no longer in {self._folder}.")
        self._write("before", "".join(f"{v}\n" for v in before[:-1]).encode())
        if version:
            self._write("live", version.encode())
        else:
            (self._folder / "live").unlink(missing_ok=True)
        return version

    def versions(self) -> list[str]:
        """Names of all that are kept."""
        return sorted(p.stem for p in self._folder.glob("*.npz"))

    def serving(self) -> str:
        """Name of the version that serves; "" = none."""
        name = self._folder / "live"
        return name.read_text().strip() if name.is_file() else ""

    def read(self, version: str) -> tuple[CrossModel, float]:
        """A version, and when it was kept, seconds since 1970; `EngineLost` where it is gone or damaged."""
        place = self._place(version)
        if not place.is_file():
            raise EngineLost(f"there is no cross-encoder {version!r} in {self._folder}; train it again.")
        return CrossModel.load(place.read_bytes()), place.stat().st_mtime

    def _before(self) -> list[str]:
        name = self._folder / "before"
        return name.read_text().splitlines() if name.is_file() else []

    def live(self) -> CrossModel | None:
        """The model that serves, or None where none was promoted; `EngineLost` where its file is gone or damaged."""
        name = self._folder / "live"
        if not name.is_file():
            return None
        place = self._place(name.read_text().strip())
        if not place.is_file():
            raise EngineLost(f"{name} names {place.name}, which is not there; train the cross-encoder again, or remove {name}.")
        return CrossModel.load(place.read_bytes())

    def _place(self, version: str) -> Path:
        return self._folder / f"{version if version.isalnum() else '-'}.npz"

    def _write(self, name: str, body: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f"{name}.{uuid4().hex}"
        try:
            unfinished.write_bytes(body)
            unfinished.replace(self._folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
