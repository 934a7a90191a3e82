"""Files and folders that are written whole or not at all: beside their place first, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sancha.engine.diagnostics import SanchaError


def write_file(target: Path, content: str | bytes) -> None:
    """Puts the content, text as UTF-8, in the place of `target`, as `replacing` does."""
    with replacing(target) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file to: it takes the name at the end, and goes away after any error.

    The file that is replaced passes on its mode, and is gone only when the new one is on the disk; a link stays a link.
    Folders above are made. What is no regular file, such as a pipe, is written to directly. Raises SanchaError, E0730,
    where the disk refuses.
    """
    with _told(target):
        place = target.resolve()
        if place.exists() and not place.is_file():
            if place.is_dir():
                raise _os_error(errno.EISDIR)
            yield target
            return
        _make(place.parent)
        beside = _beside(place)
        try:
            os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less the umask
            yield beside
            if place.exists():
                with beside.open("rb+") as file:
                    os.fsync(file.fileno())
                beside.chmod(stat.S_IMODE(place.stat().st_mode))
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target`, which must not exist, to fill: it takes the name at the end, and goes away after any
    error. Raises SanchaError, E0730 where the disk refuses."""
    with _told(target):
        if target.exists() or target.is_symlink():
            raise SanchaError(f"`{target}` exists already", help="name a folder that does not exist yet")
        _make(target.parent)
        beside = _beside(target)
        try:
            beside.mkdir()
            yield beside
            beside.rename(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def replacing_folder(target: Path, mark: str) -> Iterator[Path]:
    """A folder beside `target` to fill: it takes the name at the end, and goes away after any error.

    An older folder is replaced only if it is empty or holds the file `mark`, so that no other work is lost. Raises
    SanchaError, E0730, for another one and where the disk refuses.
    """
    with _told(target):
        if target.exists() and not (target / mark).is_file() and (target.is_file() or any(target.iterdir())):
            raise SanchaError(
                f"`{target.name}` is there already and holds other things",
                help="name another folder, or empty this one",
                where=target,
                code="E0730",
            )
        _make(target.parent)
        new = _beside(target)
        try:
            new.mkdir()
            yield new
            take_place(new, target)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def take_place(new: Path, target: Path) -> None:
    """Gives the folder `new` the name `target`. An older one of that name goes away last; after an error it stays."""
    if not target.exists():
        new.rename(target)
        return
    old = _beside(target)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise _os_error(errno.ENOTDIR) from None


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """Errors of the disk as ours."""
    try:
        yield
    except BrokenPipeError:
        raise  # who reads a pipe has read enough
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise SanchaError(
            f"cannot write `{target.name}`: {error.strerror or error}",
            where=target,
            code="E0730",
            help="free some space and run it again; nothing was left half-written" if full else None,
        ) from error
