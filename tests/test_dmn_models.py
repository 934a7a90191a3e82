"""Small models, each of one subject, with what the standard says that they give.

Beside a model `tests/dmn/models/*/NAME.dmn` stands `NAME.json`: `cases`, each with the values `given`, the decisions
asked for (`only`; all, where it lacks) or the function to `invoke`, what that `gives`, and the messages of which a run
`warns`, all of them, in order, each in part. `defects` are those that a check of the model tells. A model without such
a file is there to be imported.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sancha.cli import app
from sancha.engine.dmn import model as m
from sancha.engine.dmn.check import check_model
from sancha.engine.dmn.run import Evaluation, Model, from_json, load, to_json

MODELS = Path(__file__).resolve().parent / "dmn" / "models"
NAMESPACES = (
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
    "http://www.omg.org/spec/DMN/20180521/MODEL/",
    "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "https://www.omg.org/spec/DMN/20211108/MODEL/",
    "https://www.omg.org/spec/DMN/20230324/MODEL/",
    "https://www.omg.org/spec/DMN/20240513/MODEL/",
)
EXPECTED = sorted(MODELS.rglob("*.json"))


def name(path: Path) -> str:
    return path.relative_to(MODELS).with_suffix("").as_posix()


def expected(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)  # type: ignore[no-any-return]


def evaluated(model: Model, case: dict[str, Any]) -> Evaluation:
    if "invoke" in case:
        return model.invoke(case["invoke"], {k: from_json(v) for k, v in case["given"].items()})
    given = {k: from_json(v, model.input_kind(k)) for k, v in case.get("given", {}).items()}
    return model.evaluate(given, case.get("only"))


@pytest.mark.parametrize("path", EXPECTED, ids=name)
def test_a_model_gives_what_is_expected(path: Path) -> None:
    model = load(path.with_suffix(".dmn"))
    for number, case in enumerate(expected(path)["cases"], 1):
        found = evaluated(model, case)
        gives = {key: to_json(value) for key, value in found.values.items()}
        assert gives == case["gives"], f"case {number}"
        messages = [warning.message for warning in found.warnings]
        warns = case.get("warns", [])
        assert len(messages) == len(warns), (f"case {number}", messages)
        for message, part in zip(messages, warns, strict=True):
            assert part in message, (f"case {number}", messages)


@pytest.mark.parametrize("path", EXPECTED, ids=name)
def test_a_model_has_the_defects_that_are_expected(path: Path) -> None:
    found = [f"{d.code} {d.message}" for d in check_model(path.with_suffix(".dmn"))]
    defects = expected(path).get("defects", [])
    assert len(found) == len(defects), found
    for message, part in zip(found, defects, strict=True):
        assert part in message, found


@pytest.mark.parametrize("path", EXPECTED, ids=name)
def test_each_warning_has_its_place_in_the_model(path: Path) -> None:
    model = load(path.with_suffix(".dmn"))
    for case in expected(path)["cases"]:
        for warning in evaluated(model, case).warnings:
            if warning.kind == "unknown input":
                continue
            place = model.place_of(warning)
            assert place is not None, warning
            assert place.line > 1, warning


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_each_edition_of_the_standard_is_read(namespace: str, tmp_path: Path) -> None:
    for subject in ("graph/services", "tables/several-outputs", "boxed/contexts", "text/prefixes"):
        source = (MODELS / f"{subject}.dmn").read_text(encoding="utf-8")
        for known in NAMESPACES:
            source = source.replace(f'="{known}"', f'="{namespace}"')
        path = tmp_path / "model.dmn"
        path.write_text(source, encoding="utf-8")
        model = load(path)
        assert not model.problems
        for case in expected(MODELS / f"{subject}.json")["cases"]:
            found = evaluated(model, case)
            assert {key: to_json(value) for key, value in found.values.items()} == case["gives"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_messages_show_the_model_in_its_own_encoding(encoding: str, tmp_path: Path) -> None:
    text = (
        f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>\n'
        '<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" name="额度" namespace="https://example.org/">\n'
        '<decision id="_1" name="授信额度"><variable name="授信额度"/>\n'
        "<literalExpression><text>申请金额 * 2</text></literalExpression></decision>\n</definitions>"
    )
    path = tmp_path / "model.dmn"
    path.write_bytes(text.encode(encoding))
    (found,) = check_model(path)
    assert found.place is not None
    assert (found.place.line, found.place.text) == (4, text.splitlines()[3])
    assert found.place.text[found.place.column - 1 :].startswith("申请金额 * 2")


def test_a_run_tells_the_defects_and_then_its_warnings(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.json"
    inputs.write_text('{"x": 4}', encoding="utf-8")
    done = CliRunner().invoke(
        app, ["dmn", "run", str(MODELS / "text" / "markup.dmn"), "--input", str(inputs)]
    )
    assert done.exit_code == 0
    assert json.loads(done.stdout)["Table"] == "large"
    assert [line.rpartition(".dmn:")[2] for line in done.stderr.splitlines()] == [
        "44:9: `+` does not take number and string",
        '55:64: decision "Languages", item 3: the expression language `javascript` is not FEEL',
        '56:81: decision "Languages", item 4: the expression language `https://www.w3.org/TR/xpath` is not FEEL',
    ]
    twice = CliRunner().invoke(app, ["dmn", "run", str(MODELS / "text" / "twice.dmn"), "--decision", "Table"])
    assert twice.exit_code == 0
    lines = [int(line.rpartition(".dmn:")[2].split(":")[0]) for line in twice.stderr.splitlines()]
    assert len(lines) == 7
    assert lines == sorted(lines)


def test_every_model_is_used() -> None:
    alone = {name(path) for path in MODELS.rglob("*.dmn") if not path.with_suffix(".json").exists()}
    imported = set()
    for path in EXPECTED:
        pending: list[m.Definitions] = [load(path.with_suffix(".dmn")).definitions]
        while pending:
            for item in pending.pop().imports:
                if item.definitions is not None:
                    imported.add(name(item.definitions.path))
                    pending.append(item.definitions)
    assert alone <= imported
