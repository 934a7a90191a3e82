"""Files and folders that are written whole or not at all: beside their place first, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sancha.engine.diagnostics import SanchaError


@contextmanager
def replacing_file(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; it takes the name at the end, and goes away after an error."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as e:
        raise SanchaError(f"cannot write `{target.name}`: {e.strerror}", where=target, code="E0730") from e
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o644)
        beside.replace(target)
    except OSError as e:
        raise SanchaError(f"cannot write `{target.name}`: {e.strerror}", where=target, code="E0730") from e
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path, mark: str) -> Iterator[Path]:
    """A folder beside `target` to fill; it takes the name at the end, and goes away after an error.

    An older folder is replaced only if it is empty or holds the file `mark`, so that no other work is lost.
    """
    if target.exists() and not (target / mark).is_file() and (target.is_file() or any(target.iterdir())):
        raise SanchaError(
            f"`{target.name}` is there already and holds other things",
            help="name another folder, or empty this one",
            where=target,
            code="E0730",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as e:
        raise SanchaError(f"cannot write to `{target}`: {e.strerror}", where=target, code="E0730") from e
    try:
        new, old = work / "new", work / "old"
        new.mkdir()
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as e:
        raise SanchaError(f"cannot write to `{target}`: {e.strerror}", where=target, code="E0730") from e
    finally:
        shutil.rmtree(work, ignore_errors=True)
