"""`sancha fmt`: one layout, the same meaning, every comment; and a file in error stays as it is."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_feel import TREES

from sancha.engine.diagnostics import PackError
from sancha.engine.feel import core as c
from sancha.engine.feel import syntax as s
from sancha.engine.feel.layout import INDENT, lay_out, lay_out_cell, width_of
from sancha.engine.feel.parser import parse, parse_tests
from sancha.engine.feel.printer import cell_to_text, to_text
from sancha.engine.policy import models
from sancha.engine.policy.format import RULE_ORDER, format_file, format_paths, format_table, format_yaml
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.source import read_yaml
from sancha.engine.policy.yaml_layout import comments

ROOT = Path(__file__).resolve().parent.parent
SANCHA = Path(sys.executable).with_name("sancha")
PACKS = [ROOT / "rules", *sorted(ROOT.glob("examples/*/pack")), ROOT / "tests" / "good" / "minimal"]


def formatted(text: str, folder: Path, name: str = "file.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return format_file(path).after


# -- expressions ------------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(TREES, st.integers(10, 120))
def test_an_expression_in_lines_is_the_same_expression(tree: s.Node, width: int) -> None:
    text = to_text(tree)
    assert lay_out(text, 10**6) == [text]
    lines = lay_out(text, width)
    again = "\n".join(lines)
    assert to_text(parse(again)) == text
    assert lay_out(again, width) == lines
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1  and(b>2 or c<-3)", ["a = 1 and (b > 2 or c < -3)"]),
        ('x in("a","b")and not( y )', ['x in ("a", "b") and not(y)']),
        ("x in ]1 .. 5[ or xs [y in[1..2)] . z = [ ]", ["x in ]1..5[ or xs[y in [1..2)].z = []"]),
        ("days between( a,b ) between(1)and 2", ["days between(a, b) between (1) and 2"]),
        ('@ "2024-01-31"+@"P1M">-x', ['@"2024-01-31" + @"P1M" > -x']),
        ("1.50 + 1e2", ["1.50 + 1e2"]),
        (
            "first_condition_that_is_long and (second_one or third_one_of_them)",
            ["first_condition_that_is_long", "and (second_one or third_one_of_them)"],
        ),
        (
            "every v in visits satisfies v.on_site and v.date <= report.date or v.remote",
            [
                "every v in visits satisfies",
                "  v.on_site and v.date <= report.date",
                "  or v.remote",
            ],
        ),
        (
            "if first = null or second = null then 0.5 else if first > second then 1 else 0",
            [
                "if first = null or second = null",
                "then 0.5",
                "else if first > second",
                "then 1",
                "else 0",
            ],
        ),
    ],
)
def test_layout(text: str, expected: list[str]) -> None:
    assert lay_out(text, 38) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("-", "-"),
        (">=5", ">= 5"),
        ('"a","b"', '"a", "b"'),
        ("not( [1..3),>7 )", "not([1..3), > 7)"),
        ("<-3", "< -3"),
    ],
)
def test_cells(cell: str, expected: str) -> None:
    assert lay_out_cell(cell) == expected
    assert cell_to_text(parse_tests(expected)) == cell_to_text(parse_tests(cell))


def test_lines_are_indented_by_the_step_of_the_files() -> None:
    lines = lay_out("some v in visits satisfies v.date <= report.date", 30)
    assert lines[1].startswith(INDENT) and width_of("三查") == 4


# -- YAML -------------------------------------------------------------------------------------------------------------

RULE = """\
# The rule of two visits.

rule:   PRE-20   # its id
impact: control
# Why the scope is so.
applies when: >-
  application.product in ("working_capital","personal_business")
  and application.amount>parameters.dual_visit_amount and approval.decision = "approved" and loan.amount > 1


title: { en: 'Two people visit', zh:   "双人实地调查" }
versions:
- in force: { until: 2024-06-30, from: 2015-01-01 }  # the old one
  require: "count(visits)>=2"
  # and nothing more
- in force:
    from: 2024-07-01
  require: |
    some v in visits satisfies   /* at least one */
      v.on_site
"""


def test_a_rule(tmp_path: Path) -> None:
    assert formatted(RULE, tmp_path) == (
        """\
# The rule of two visits.

rule: PRE-20  # its id

title: {en: Two people visit, zh: 双人实地调查}
# Why the scope is so.
applies when: |-
  application.product in ("working_capital", "personal_business")
  and application.amount > parameters.dual_visit_amount
  and approval.decision = "approved"
  and loan.amount > 1
versions:
  - in force: {from: 2015-01-01, until: 2024-06-30}  # the old one
    require: count(visits) >= 2
    # and nothing more
  - in force:
      from: 2024-07-01
    require: |
      some v in visits satisfies   /* at least one */
        v.on_site
impact: control
"""
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:   'x'\n", "a: x\n"),
        ("a: 'no'\nb: \"1\"\nc: no\nd: 1.10\n", 'a: "no"\nb: "1"\nc: no\nd: 1.10\n'),
        ("a: ~\nb:\nc: null\nd: 'null'\n", 'a: ~\nb:\nc: null\nd: "null"\n'),
        ("a: 'it''s \"so\"'\n", 'a: it\'s "so"\n'),
        ("a: '\"so\" it''s'\n", "a: '\"so\" it''s'\n"),
        ('a: {b: "x, y", c: "z"}\n', 'a: {b: "x, y", c: z}\n'),
        ("a:\n- 1\n-  2\n", "a:\n  - 1\n  - 2\n"),
        ("# only\n", "# only\n"),
        ("a: 1\n---\n# of the second\nb: 2\n# end\n", "a: 1\n---\n# of the second\nb: 2\n# end\n"),
        ("a: &x [1,2]\nb: *x\n", "a: &x [1, 2]\nb: *x\n"),
        ("a: [1, # one\n  2]\n", "a: [\n  1,  # one\n  2\n]\n"),
        ("a: # note\n  b: 1\n", "a:  # note\n  b: 1\n"),
        ("a: |+\n  x\n\nb: 1\n", "a: |+\n  x\n\nb: 1\n"),
        ("a: >-\n  x: y\n  z\n", "a: >-\n  x: y\n  z\n"),
        ("a: |2-\n    x\n   y\n", 'a: "  x\\n y"\n'),
        ("a: {}\nb: []\n", "a: {}\nb: []\n"),
        ("- a: 1\n  b: 2\n# before c\n- c\n", "- a: 1\n  b: 2\n# before c\n- c\n"),
        ("a:\n    b: 1\n    # at the end of a\nc: 1\n", "a:\n  b: 1\n  # at the end of a\nc: 1\n"),
        ("a:\n    b: 1\n# above c\nc: 1\n", "a:\n  b: 1\n# above c\nc: 1\n"),
        ("\ufeffa: 1\r\nb: 2\r\n", "a: 1\nb: 2\n"),
    ],
)
def test_forms_of_yaml(tmp_path: Path, text: str, expected: str) -> None:
    once = formatted(text, tmp_path)
    assert once == expected
    assert formatted(once, tmp_path) == once


WORDS = st.sampled_from(
    ["x", "三查", "no", "1", "2024-01-31", "two words", "a: b", "a #b", "it's", '"q"', "-", "[x", "{y}", "a, b", "",
     "  lead", "tab\there", "line\nbreak", "\\", "%p", "null", "x" * 130, "long words " * 15 + "end", "文字 " * 40]
)  # fmt: skip


class Writer:
    """Writes a value as YAML in forms that are drawn, with comments."""

    def __init__(self, rng: random.Random) -> None:
        self.random = rng
        self.count = 0

    def chance(self, percent: int) -> bool:
        return self.random.random() * 100 < percent

    def note(self) -> str:
        if not self.chance(15):
            return ""
        self.count += 1
        return f"{' ' * self.random.randint(1, 4)}# note {self.count}"

    def notes(self, column: int) -> list[str]:
        out = []
        while self.chance(15):
            self.count += 1
            out += [""] if self.chance(30) else []
            out.append(" " * (column if self.chance(80) else 0) + f"# own line {self.count}")
        return out

    def scalar(self, text: str, flow: bool) -> str:
        simple = text.isalnum() and text != "null"
        forms = [lambda: '"' + "".join(ESCAPES.get(char, char) for char in text) + '"']
        if not any(char in text for char in "\n\t\x85\u2028"):
            forms.append(lambda: "'" + text.replace("'", "''") + "'")
        if simple:
            forms.append(lambda: text)
        return str(self.random.choice(forms)())

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",  ".join(f"{self.scalar(k, True)}: {self.flow(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[ " + ",".join(map(self.flow, value)) + "]"
        return self.scalar(value, True)

    def lines(self, value: Any, column: int, head: str) -> list[str]:
        """The lines of an entry whose first line begins with `head`."""
        if isinstance(value, str):
            if value and value == value.strip() and "\n" not in value and self.chance(30):
                inner = " " * (column + self.random.randint(1, 4))
                words = value.split(" ") if value == " ".join(value.split()) else [value]
                return [
                    f"{head} {self.random.choice(['>-', '|-'])}{self.note()}",
                    inner + " ".join(words),
                ]
            return [f"{head} {self.scalar(value, False)}{self.note()}"]
        if not value or self.chance(30):
            return [f"{head} {self.flow(value)}{self.note()}"]
        inner = column + self.random.randint(1, 4)
        return [f"{head}{self.note()}", *self.block(value, inner)]

    def block(self, value: Any, column: int) -> list[str]:
        out: list[str] = []
        pad = " " * column
        for key in value if isinstance(value, dict) else range(len(value)):
            out += self.notes(column)
            head = f"{pad}{self.scalar(key, False)}:" if isinstance(value, dict) else f"{pad}-"
            out += self.lines(value[key], column, head)
        return out


ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\x85": "\\N", "\u2028": "\\L"}
VALUES = st.recursive(
    WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=4) | st.lists(VALUES, min_size=1, max_size=4)


@settings(max_examples=200)
@given(value=DOCUMENTS, seed=st.integers(0, 10**9))
def test_any_yaml_keeps_its_values_and_comments(value: Any, seed: int, tmp_path_factory: Any) -> None:
    text = "\n".join(Writer(random.Random(seed)).block(value, 0)) + "\n"
    folder = tmp_path_factory.getbasetemp()
    once = formatted(text, folder)
    path = folder / "once.yaml"
    path.write_text(once, encoding="utf-8")
    assert read_yaml(path, "once")[0].value == value
    assert sorted(comments(once)) == sorted(comments(text))
    assert formatted(once, folder) == once


def test_the_order_of_a_rule_names_all_its_keys() -> None:
    assert set(RULE_ORDER) == {f.alias or n for n, f in models.RuleFile.model_fields.items()}


# -- packs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", PACKS, ids=lambda p: p.parent.name + "-" + p.name)
def test_a_pack_means_the_same(source: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(source, tmp_path / "pack")
    notes = {p: comments(p.read_text(encoding="utf-8")) for p in folder.rglob("*.yaml")}
    done, defects = format_paths([folder])
    assert not defects
    for file in done:
        file.write()
    assert not any(file.changed for file in format_paths([folder])[0])
    for path, before in notes.items():
        assert sorted(comments(path.read_text(encoding="utf-8"))) == sorted(before), path
    assert meaning(load_pack(folder)) == meaning(load_pack(source))


def meaning(pack: Pack) -> dict[str, Any]:
    """All that a pack says, without the places where it says it."""
    rules = {
        name: (rule.judged, rule.versions, rule.where, rule.group, rule.measure, rule.title, rule.finding)
        for name, rule in pack.rules.items()
    }
    decisions = {name: (d.outputs, d.versions, d.title, d.called) for name, d in pack.decisions.items()}
    return {
        "rules": rules,
        "decisions": decisions,
        "parameters": pack.parameters,
        "vocabulary": pack.vocabulary,
        "waivers": pack.waivers,
        "calendar": pack.calendar,
        "sources": pack.sources,
        "causes": pack.causes,
        "title": pack.title,
    }


def test_the_packs_of_this_repository_are_formatted() -> None:
    done, defects = format_paths([ROOT / "rules", ROOT / "examples"])
    assert not defects
    assert [str(file.path.relative_to(ROOT)) for file in done if file.changed] == []


def test_meanings_can_differ() -> None:
    """The comparison above would notice."""
    rule = load_pack(ROOT / "rules").rules["PRE-20"]
    assert rule.versions[0].require != c.TRUE


# -- tables -----------------------------------------------------------------------------------------------------------


def test_a_table() -> None:
    text = 'kind ,amount, cap,note\n\n"a",>=5 , 0.70 ,"x, y"\n "b" ,"[1..3),>7",0.5,\n'
    text = text.replace(' "b" ', '"b"')
    expected = 'kind,amount,cap,note\na,>= 5,0.70,"x, y"\nb,"[1..3), > 7",0.5,\n'
    assert format_table(text, "t.csv", frozenset({"kind", "amount"})) == expected
    assert format_table(expected, "t.csv", frozenset({"kind", "amount"})) == expected


def test_a_table_that_excel_saved_keeps_its_mark(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("\ufeffa,b\r\n>1,2\r\n", encoding="utf-8", newline="")
    (tmp_path / "t.yaml").write_text("table: t\ninputs: [{name: a}]\nrows: t.csv\n", encoding="utf-8")
    assert format_file(table).after == "\ufeffa,b\n> 1,2\n"


def test_a_table_in_error() -> None:
    with pytest.raises(PackError) as caught:
        format_table("a,b\n> ,2\n", "t.csv", frozenset({"a"}))
    place = caught.value.diagnostics[0].place
    assert place is not None and (place.line, place.file) == (2, "t.csv")


# -- the command ------------------------------------------------------------------------------------------------------


def sancha(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SANCHA), *map(str, arguments)], capture_output=True, text=True)


def test_the_command(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "tests" / "good" / "minimal", tmp_path / "pack")
    file = next(folder.glob("pre_loan/*.yaml"))
    tidy = file.read_text(encoding="utf-8")
    file.write_text(tidy.replace(": ", ":   ", 1), encoding="utf-8")
    done = sancha("fmt", "--check", "--pack", folder)
    assert (done.returncode, done.stdout) == (1, f"would format {file}\n"), done.stderr
    done = sancha("fmt", "--diff", file)
    assert done.returncode == 1 and "\n+" in done.stdout and file.read_text(encoding="utf-8") != tidy
    assert sancha("fmt", "--pack", folder).returncode == 0
    assert file.read_text(encoding="utf-8") == tidy
    assert sancha("fmt", "--check", "--pack", folder).returncode == 0
    assert not [p for p in folder.rglob("*") if p.name.startswith(".")]


@pytest.mark.parametrize(
    "fault", ["rule: [\n", "rule: A-1\nrequire: a = = b\n", "a: 1\na: 2\n", "rule: \x01\n"]
)
def test_a_file_in_error_stays_as_it_is(tmp_path: Path, fault: str) -> None:
    (tmp_path / "bad.yaml").write_text(fault, encoding="utf-8")
    (tmp_path / "good.yaml").write_text("a:  1\n", encoding="utf-8")
    (tmp_path / "pack.yaml").write_text("pack: p\n", encoding="utf-8")
    done = sancha("fmt", tmp_path)
    assert done.returncode == 2 and "bad.yaml" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "bad.yaml").read_text(encoding="utf-8") == fault
    assert (tmp_path / "good.yaml").read_text(encoding="utf-8") == "a: 1\n"


def test_a_form_of_yaml_that_is_not_kept(tmp_path: Path) -> None:
    """What the layout cannot hold is told, the file stays, and the others are formatted."""
    (tmp_path / "pack.yaml").write_text("%YAML 1.1\n---\npack: p\n? [a]\n: 1\n", encoding="utf-8")
    (tmp_path / "causes.yaml").write_text("C1:  {en: x}\n", encoding="utf-8")
    done, defects = format_paths([tmp_path])
    assert [file.path.name for file in done] == ["causes.yaml"] and len(defects) >= 1


def test_other_files_of_a_folder_stay_and_links_too(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:   {a: !tag x}\n", encoding="utf-8")
    (tmp_path / "rule.yaml").write_text("rule:  A-1\n", encoding="utf-8")
    (tmp_path / "link.yaml").symlink_to("rule.yaml")
    done, defects = format_paths([tmp_path])
    assert not defects and {file.path.name for file in done} == {"rule.yaml", "link.yaml"}
    for file in done:
        file.write()
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "rule.yaml").read_text(encoding="utf-8") == "rule: A-1\n"


def test_no_pack_and_no_paths(tmp_path: Path) -> None:
    done = subprocess.run([str(SANCHA), "fmt"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "give PATHS or --pack" in done.stderr
    assert sancha("fmt", tmp_path / "nowhere.yaml").returncode == 2
    assert format_yaml("", "empty", []) == ""
