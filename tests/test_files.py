"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sancha.engine.diagnostics import SanchaError
from sancha.engine.dmn.tck import TckReport
from sancha.engine.feel import types as t
from sancha.engine.files import new_folder, replacing, replacing_folder, write_file
from sancha.engine.policy.format import Formatted
from sancha.engine.policy.spreadsheet import Column, TableShape, export_xlsx


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "some" / "folder" / "表.csv"
    with replacing(target) as beside:
        beside.write_text("half")
        assert not target.exists() and beside.parent == target.parent
        beside.write_text("whole")
    assert target.read_text() == "whole" and list(target.parent.iterdir()) == [target]
    write_file(target, "第二")
    assert target.read_bytes() == "第二".encode() and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SanchaError])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(error), replacing(target) as beside:
        beside.write_text("new")
        raise error("")
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
def test_modes_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "table.csv", tmp_path / "link.csv"
    before = os.umask(0o027)
    try:
        write_file(target, "1")
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640, "a new file has the mode that the user's umask leaves"
    target.chmod(0o600)
    link.symlink_to(target.name)
    write_file(link, "2")
    assert link.is_symlink() and target.read_text() == "2"
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write_file, args=(pipe, "through"))
    writer.start()
    assert pipe.read_text() == "through"
    writer.join()
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for target, said in {
        tmp_path / "file" / "below": "cannot write `below`: Not a directory",
        tmp_path / "folder": "cannot write `folder`: Is a directory",
    }.items():
        with pytest.raises(SanchaError) as error:
            write_file(target, "x")
        assert (error.value.code, error.value.message, error.value.where) == ("E0730", said, target)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_full_disk_leaves_what_was_there(small_disk: Path) -> None:
    target = small_disk / "table.csv"
    target.write_text("old")
    with pytest.raises(SanchaError, match="No space left on device") as error:
        write_file(target, b"x" * 100_000)
    assert error.value.code == "E0730" and "free some space" in (error.value.help or "")
    assert target.read_text() == "old" and list(small_disk.iterdir()) == [target]
    for folder in (new_folder(small_disk / "pack"), replacing_folder(small_disk / "pack", "mark")):
        with (
            pytest.raises(SanchaError, match="cannot write `pack`: No space left on device"),
            folder as beside,
        ):
            (beside / "file").write_bytes(b"x" * 100_000)
        assert list(small_disk.iterdir()) == [target]


def formatted(path: Path) -> None:
    Formatted(path, "old", "new").write()


def tck_lines(path: Path) -> None:
    TckReport(()).write_csv(path)


def workbook(path: Path) -> None:
    shape = TableShape("level", "first", (Column("amount", t.MONEY),), (Column("level", t.INTEGER),))
    export_xlsx(shape, [["-", "1"]], [], path)


@pytest.mark.parametrize("write", [formatted, tck_lines, workbook])
def test_what_commands_write_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    def fails(path: Path, target: Path) -> None:
        assert path.stat().st_size > 0 or write is tck_lines
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "file"
    target.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(SanchaError, match="cannot write `file`"):
            write(target)
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
    write(target)
    assert target.read_bytes() != b"old" and list(tmp_path.iterdir()) == [target]


def test_a_new_folder_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "above" / "pack"
    with new_folder(target) as beside:
        (beside / "pack.yaml").touch()
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["pack.yaml"]
    with pytest.raises(SanchaError, match="exists already"), new_folder(target):
        raise AssertionError("not to be filled")
    with pytest.raises(ValueError, match="half"), new_folder(tmp_path / "other") as beside:
        (beside / "pack.yaml").touch()
        raise ValueError("half")
    assert [p.name for p in tmp_path.iterdir()] == ["above"]
    assert [p.name for p in target.parent.iterdir()] == ["pack"]


def test_a_folder_is_replaced_by_its_like_alone(tmp_path: Path) -> None:
    target = tmp_path / "tables"
    for text in ("1", "2"):
        with replacing_folder(target, "mark.json") as beside:
            (beside / "mark.json").write_text(text)
        assert (target / "mark.json").read_text() == text
    with pytest.raises(ValueError, match="half"), replacing_folder(target, "mark.json") as beside:
        (beside / "mark.json").write_text("3")
        raise ValueError("half")
    assert (target / "mark.json").read_text() == "2" and list(tmp_path.iterdir()) == [target]
    (target / "mark.json").rename(target / "letter.txt")
    with (
        pytest.raises(SanchaError, match="holds other things") as error,
        replacing_folder(target, "mark.json"),
    ):
        raise AssertionError("not to be filled")
    assert error.value.code == "E0730" and (target / "letter.txt").is_file()
