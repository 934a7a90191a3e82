"""The package as a wheel, away from the checkout: the demonstration pack travels with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(folder / "site")
    assert all(name.startswith(("sancha/", "sancha-")) for name in names), (
        "the wheel claims other top-level names"
    )
    return folder / "site"


def sancha(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line of the unpacked wheel in a folder away from the checkout."""
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from sancha.cli import main; main()"
    environment = {**os.environ, "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
    )


def test_the_pack_travels_with_the_wheel(site: Path, tmp_path: Path) -> None:
    where = sancha(site, tmp_path, "check")
    assert where.returncode == 0, where.stderr
    assert "no errors" in where.stdout
    made = sancha(site, tmp_path, "init", "policy")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "policy" / "pack.yaml").is_file()
    assert list((tmp_path / "policy" / "features").rglob("*.feature"))
    assert not list((tmp_path / "policy").rglob("*.py"))
    assert sancha(site, tmp_path, "check", "policy").returncode == 0
    tested = sancha(site, tmp_path, "test", "policy", "-k", "CON-01")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    again = sancha(site, tmp_path, "init", "policy")
    assert again.returncode == 2 and "exists already" in again.stderr


def test_data_files_travel_with_the_wheel(site: Path, tmp_path: Path) -> None:
    explained = sancha(site, tmp_path, "explain", "E0201")
    assert explained.returncode == 0, explained.stderr
    assert "E0201" in explained.stdout
    for file in ("surveys/instrument.yaml", "audit/texts.yaml", "rules/vocabulary.yaml"):
        assert (site / "sancha" / file).is_file(), file
