"""Errors as an interface: packs in error and exactly what is said of them, and a page for every code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sancha.engine.diagnostics import (
    Diagnostic,
    PackError,
    Place,
    SanchaError,
    _width,
    explanation,
    known_codes,
)
from sancha.engine.feel.check import Scope, check
from sancha.engine.feel.types import BOOLEAN
from sancha.engine.policy.lower import lower
from sancha.engine.policy.pack import load_pack

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GOOD = HERE / "good" / "minimal"
BAD = sorted(p for p in (HERE / "bad").iterdir() if p.is_dir())


def said_of(folder: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of the minimal pack with the files of a folder in it. A file `x.remove` takes `x` away."""
    pack = work / "pack"
    shutil.copytree(GOOD, pack)
    for file in folder.rglob("*"):
        relative = file.relative_to(folder)
        if file.is_dir() or relative.name == "expected.txt":
            continue
        if relative.suffix == ".remove":
            (pack / relative.with_suffix("")).unlink()
            continue
        (pack / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, pack / relative)
    monkeypatch.chdir(work)
    with pytest.raises(SanchaError) as error:
        lower(load_pack(Path("pack")))
    return error.value.render() + "\n"


@pytest.mark.parametrize("folder", BAD, ids=lambda p: p.name)
def test_what_is_said_of_a_pack_in_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (folder / "expected.txt").read_text(encoding="utf-8")
    assert said_of(folder, tmp_path, monkeypatch) == expected


def test_the_minimal_pack_is_good() -> None:
    pack = load_pack(GOOD)
    lower(pack)
    assert (len(pack.rules), len(pack.decisions), len(pack.waivers)) == (4, 2, 1)


def test_every_rule_of_the_house_has_an_example_in_error() -> None:
    """Each code that a pack can cause stands in an `expected.txt`."""
    said = "".join((folder / "expected.txt").read_text(encoding="utf-8") for folder in BAD)
    shown = set(re.findall(r"error\[(E0\d{3})\]", said))
    of_packs = {code for code in known_codes() if code[:3] in ("E03", "E04")}
    assert of_packs <= shown, sorted(of_packs - shown)


def built(work: Path, name: str, text: str) -> PackError:
    """What is said of the minimal pack with one file written anew."""
    shutil.copytree(GOOD, work / "pack")
    (work / "pack" / name).write_text(text, encoding="utf-8")
    with pytest.raises(PackError) as error:
        load_pack(work / "pack")
    return error.value


def test_an_expression_of_more_than_100_000_characters(tmp_path: Path) -> None:
    rule = (GOOD / "pre_loan" / "CR-01.yaml").read_text(encoding="utf-8")
    many = ", ".join(f'"分行{i:05}"' for i in range(10_000))
    error = built(
        tmp_path, "pre_loan/CR-01.yaml", rule.replace('loan.product = "working"', f"loan.branch in ({many})")
    )
    assert [d.code for d in error.diagnostics] == ["E0104"]
    assert all(len(line) < 200 for line in error.render().split("\n"))


def test_brackets_without_end(tmp_path: Path) -> None:
    """The YAML reader works by recursion and would exhaust the stack of the process."""
    for i, text in enumerate(
        ("[" * 200_000, "- " * 200_000, "{a: " * 100_000, "[" * 200_000 + "]" * 200_000)
    ):
        error = built(tmp_path / str(i), "sources.yaml", text)
        assert [d.message for d in error.diagnostics] == ["nested more than 50 deep"]


# -- rendering ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "length", "marked"),
    [
        ("a = b", 5, 1, "    ^"),
        ("三查 = b", 6, 1, "       ^"),
        ("三查 = b", 1, 2, "^^^^"),
        ("ａ = b", 5, 1, "     ^"),
        ("e\u0301 = b", 6, 1, "    ^"),
        ("\ta = b", 2, 1, " ^"),
        ("a", 2, 1, " ^"),
        ("", 1, 1, ""),
    ],
)
def test_the_mark_stands_under_the_text(text: str, column: int, length: int, marked: str) -> None:
    lines = Diagnostic("E0102", "wrong", Place("f.yaml", 7, column, length, text)).render().split("\n")
    assert lines[:2] == ["error[E0102]: wrong", f" --> f.yaml:7:{column}"]
    assert lines[2:] == (["  |", f"7 | {text}".replace("\t", " "), f"  | {marked}"] if text else [])


@pytest.mark.parametrize("column", [1, 50, 500, 990, 999, 1000])
def test_of_a_long_line_the_marked_part_is_shown(column: int) -> None:
    text = "".join(str(i % 10) for i in range(1, 1001))
    _, _, _, line, mark = Diagnostic("E0102", "wrong", Place("f", 1, column, 3, text)).render().split("\n")
    assert len(line) < 140
    assert line[mark.index("^")] == text[column - 1]


def test_an_error_without_a_code_has_none() -> None:
    assert (
        SanchaError("wrong", where=Place("f", 1, 1), help="mend it").render()
        == "error: wrong\n --> f:1:1\n  = help: mend it"
    )


# -- pages -------------------------------------------------------------------------------------------------


def used_codes() -> set[str]:
    files = [
        ROOT / "cli.py",
        *(f for part in ("engine", "audit", "surveys", "features") for f in (ROOT / part).rglob("*.py")),
    ]
    return {code for file in files for code in re.findall(r'"(E0\d{3})"', file.read_text(encoding="utf-8"))}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert used_codes() == set(known_codes())


@pytest.mark.parametrize("code", known_codes())
def test_a_page_is_a_page(code: str) -> None:
    page = explanation(code.lower())
    assert page is not None
    assert re.match(rf"# {code}: [a-z`].*[^.]\n\n", page)
    assert "**To mend it:**" in page
    assert max(map(len, page.split("\n"))) <= 130
    assert len(page.split("\n")) <= 45
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, re.M | re.S)
    assert all(_width(line) <= 78 for block in blocks for line in block.split("\n")), "wider than a terminal"
    for word in ("违法", "guilty", "must be punished"):
        assert word not in page or f'"{word}"' in page  # as a word that is named, not used


def test_there_is_no_page_of_a_code_that_nobody_uses() -> None:
    assert explanation("E0999") is None
    assert explanation("../E0101") is None


@pytest.fixture(scope="module")
def scope() -> Scope:
    return load_pack(ROOT / "rules").scope


@pytest.mark.parametrize("code", [c for c in known_codes() if c[:3] in ("E01", "E02") and c != "E0106"])
def test_the_examples_of_a_page_are_wrong_and_right(code: str, scope: Scope) -> None:
    page = explanation(code) or ""
    wrong = re.findall(r"^wrong  (.+)$", page, re.M)
    right = re.findall(r"^right  (.+)$", page, re.M)
    assert wrong and len(wrong) == len(right)
    for expression in wrong:
        _, defects = check(expression, scope, BOOLEAN)
        assert {d.code for d in defects} == {code}, (expression, defects)
    for expression in right:
        _, defects = check(expression, scope, BOOLEAN)
        assert not defects, (expression, defects)


# -- any pack ----------------------------------------------------------------------------------------------

FILES = sorted(p.relative_to(GOOD) for p in GOOD.rglob("*") if p.suffix in (".yaml", ".csv", ".md"))
SLIPS = [
    "",
    " ",
    "\n",
    "\t",
    "- ",
    ": ",
    ":",
    "'",
    '"',
    "[",
    "]",
    "{",
    "}",
    "#",
    "&a ",
    "*a",
    "!x ",
    "|",
    ">",
    ",",
]
SLIPS += [
    "@",
    "%",
    "null",
    "~",
    "<<: ",
    "---\n",
    "...",
    "三查",
    "；",
    "\x00",
    "\ufeff",
    "0",
    "-1",
    "1e9",
    "2024-02-30",
]
SLIPS += [
    "true",
    "..",
    "count(",
    "some x in ",
    " and ",
    "parameters.",
    "loan",
    "visits",
    "due",
    "as_of",
    "CR-02",
    "steps",
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(FILES), st.floats(0, 1), st.integers(0, 12), st.sampled_from(SLIPS)),
        min_size=1,
        max_size=3,
    )
)
def test_any_slip_is_said_or_harmless(tmp_path: Path, slips: list[tuple[Path, float, int, str]]) -> None:
    """Files with pieces cut out and put in: the pack is good, or there is an error with its place."""
    pack = tmp_path / "pack"
    shutil.rmtree(pack, ignore_errors=True)
    shutil.copytree(GOOD, pack)
    for name, where, cut, put in slips:
        text = (pack / name).read_text(encoding="utf-8")
        at = int(where * len(text))
        (pack / name).write_text(text[:at] + put + text[at + cut :], encoding="utf-8")
    try:
        lower(load_pack(pack))
    except PackError as error:
        assert error.diagnostics
        for defect in error.diagnostics:
            assert explanation(defect.code), defect
            assert defect.message
            place = defect.place
            if place is not None:
                lines = Path(place.file).read_bytes().decode("utf-8-sig", "replace").split("\n")
                assert 1 <= place.line <= len(lines), defect
                assert not place.text or place.column <= len(place.text) + 1, defect
        assert error.render()
