"""The benchmarks measure what they say: every way to run gives the same codes, and the chart is of the tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from sancha.engine.policy.pack import load_pack
from sancha.engine.run.replay import replay

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
FILES = 3_000
#: A way in a process of its own, as the benchmark runs it: a library that crashes or warns is no test that stops.
CHILD = """
import argparse, json, sys
from pathlib import Path
import peers
way, book, files = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
peers.RECORDS[way] = files
codes = peers.WAYS[way](book, book, argparse.Namespace())()
print(json.dumps({rule: [int(code) for code in found] for rule, found in codes.items()}))
"""
WAYS = ("numpy", "zen", "zen by rule", "durable_rules", "durable_rules by file")
TABLE = """# Measured

1,000 files, 60 rules; 3 rounds.

| | seconds | files × rules a second |
|---|---|---|
| codes | 0.01 | 6,000,000 |
| <other> | 1.00 | 60,000 |
| scan | 0.001 | 60,000,000 |

| another table | seconds |
|---|---|
| codes | 3 |
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the simple rules as a pack, a book of them, and its replay."""
    pytest.importorskip("zen", reason="zen-engine is not installed: extra `benchmark`")
    folder = tmp_path_factory.mktemp("peers")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import mix

        mix.write_pack(folder / "pack", ("simple",))
        vocabulary = load_pack(folder / "pack").vocabulary
        mix.write_book(folder / "book", vocabulary, FILES, lists=False)
    replay(folder / "book", folder / "pack", folder / "run", progress=False, exceptions=False)
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_a_peer_gives_the_codes_of_the_replay(judged: Path, way: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, way, str(judged / "book"), str(FILES)],
        cwd=BENCHMARKS,
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    codes = pq.read_table(judged / "run" / "codes.parquet")
    assert set(found) == set(codes.column_names) - {"loan_id"}
    for rule, of_rule in found.items():
        np.testing.assert_array_equal(of_rule, codes[rule].to_numpy(), err_msg=f"{way}, {rule}")
    # The comparison says something: every code occurs.
    assert {code for of_rule in found.values() for code in of_rule} == {0, 1, 2, 3}


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_published_table_is_read_again(benchmarks: None, tmp_path: Path) -> None:
    import published

    (tmp_path / "columns.md").write_text(TABLE, encoding="utf-8")
    (table,) = published.read_all(tmp_path)
    assert (table.source, table.files, table.rules) == ("columns", 1_000, 60)
    assert table.rates == {"codes": 6e6, "<other>": 6e4, "scan": 6e7}


def test_what_is_published_names_machine_and_versions_but_no_host(
    benchmarks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platform

    import published

    monkeypatch.setattr(published, "RESULTS", tmp_path)
    monkeypatch.setattr(platform, "node", lambda: pytest.fail("the host's name was asked for"))
    path = published.publish(
        "simple", "Title", "python x.py", ["duckdb"], "1,000 files, 60 rules", TABLE.splitlines()[4:10]
    )
    text = path.read_text(encoding="utf-8")
    assert f"Python {platform.python_version()}, duckdb " in text and " GiB of memory, " in text
    assert [p.name for p in tmp_path.iterdir()] == ["simple.md"]
    assert published.read(path)[0].rates["codes"] == 6e6


def test_the_chart_has_a_bar_for_each_way_the_fastest_first(benchmarks: None, tmp_path: Path) -> None:
    import chart
    import published

    (tmp_path / "columns.md").write_text(TABLE, encoding="utf-8")
    text = chart.draw(published.read_all(tmp_path))
    assert text == chart.draw(published.read_all(tmp_path))
    root = ElementTree.fromstring(text)
    shapes = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("class") != "ground"]
    widths = [float(e.get("width", 0)) for e in shapes]
    assert [e.get("class") for e in shapes] == ["ours", "theirs"]
    # Two decades apart of the three that are shown.
    assert widths[0] - widths[1] == pytest.approx((chart.WIDTH - 2 * chart.MARGIN) / 3 * 2, abs=0.2)
    words = "".join(root.itertext())
    assert "6.0 million" in words and "60,000" in words and "<other>" in words
    assert "href" not in text and "url(" not in text and "prefers-color-scheme: dark" in text


def test_the_chart_is_of_the_published_tables(benchmarks: None) -> None:
    import chart
    import published

    tables = published.read_all()
    assert chart.CHART.exists() == bool(tables), "run benchmarks/chart.py"
    if tables:
        assert chart.CHART.read_text(encoding="utf-8") == chart.draw(tables), "run benchmarks/chart.py"
