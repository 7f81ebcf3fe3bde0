"""The shop's own secret, from which shoppers' pseudonyms are made: random, made once, readable by this user alone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from rialto.errors import EngineBusy, EngineLost

__all__ = ["shopper_key"]

_BYTES = 32


def shopper_key(home: Path) -> bytes:
    """The key kept under the home folder, made where there is none; whoever deletes it forgets every shopper.

    Raises:
        EngineBusy: it cannot be written.
        EngineLost: it is damaged.
    """
    file = home / "shoppers.key"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            draft = file.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                stream.write(os.urandom(_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
            try:
                with suppress(FileExistsError):  # of two processes one is first, and both read its key
                    os.link(draft, file)
            finally:
                draft.unlink()
        key = file.read_bytes()
    except OSError as e:
        raise EngineBusy(f"the key for shoppers' pseudonyms cannot be kept at {file}: {e.strerror or e}.") from None
    if len(key) != _BYTES:
        raise EngineLost(
            f"{file} has {len(key)} bytes; wanted {_BYTES}. Remove it: shoppers are strangers then, and nothing else is lost."
        )
    return key
