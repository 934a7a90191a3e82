"""The JSON Schemas accept what the readers accept, refuse what a schema can know to be wrong, and explain each key."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from sancha.audit.engagement_file import EngagementFile, RepliesFile
from sancha.engine.book.loan_file import loan_file_from_json
from sancha.engine.diagnostics import PackError, SanchaError
from sancha.engine.policy.json_schema import KINDS, PART, loan_file, schemas
from sancha.engine.policy.pack import load_pack
from sancha.surveys.instrument import Instrument

ROOT = Path(__file__).resolve().parent.parent
SANCHA = Path(sys.executable).with_name("sancha")
MORE = {"engagement": EngagementFile, "responses": RepliesFile, "instrument": Instrument}
BAD = sorted(p for p in (ROOT / "tests" / "bad").iterdir() if p.is_dir())


@cache
def validators() -> dict[str, Draft7Validator]:
    return {name: Draft7Validator(schema) for name, schema in schemas(MORE).items()}


def typed(node: yaml.Node) -> Any:
    """A value as YAML 1.2 types it: as an editor sees it."""
    if isinstance(node, yaml.ScalarNode):
        text = node.value
        if node.style:
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            return None
        if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
            return text.lower() == "true"
        if re.fullmatch(r"[-+]?[0-9]+", text):
            return int(text)
        if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
            return float(text)
        return text
    if isinstance(node, yaml.SequenceNode):
        return [typed(item) for item in node.value]
    return {str(key.value): typed(value) for key, value in node.value}


def kind_of(path: Path) -> str:
    """The schema of a file, by the globs that the settings name."""
    for kind in KINDS:
        for glob in kind.globs:
            if fnmatch(f"/{path.as_posix()}", glob.replace("**/*", "*").replace("**", "*")):
                return kind.name
    return PART.name


def faults(path: Path, root: Path) -> Iterator[str]:
    validator = validators()[kind_of(path.relative_to(root))]
    for node in yaml.compose_all(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader):
        if node is not None:
            for error in validator.iter_errors(typed(node)):
                yield f"{path.relative_to(root)}: {error.json_path}: {error.message[:300]}"


def yaml_files(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*.yaml")) if not any(x.startswith(".") for x in p.parts)]


@pytest.mark.parametrize("folder", ["rules", "examples", "surveys", "tests/good"])
def test_what_ships_is_valid(folder: str) -> None:
    files = [p for p in yaml_files(ROOT / folder) if p.name != "texts.yaml"]
    assert files
    assert [fault for path in files for fault in faults(path, ROOT)] == []


ENGAGEMENT = """\
engagement: SME-2024-01
title: {en: Small loans, zh: 小微贷款}
auditee: {zh: 金塬支行}
authors: [Zhao Min, 王立]
report date: 2025-01-20
languages: [zh, en]
book: book
pack: ../rules
scope: {branches: [金塬支行], stages: [pre-loan], rules: [PRE-20]}
period: {from: 2024-01-01, until: 2024-12-31}
questionnaire: {instrument: instrument.yaml, responses: answers.csv, invited: 400}
tolerance: {exceptions: 0, unknown: 0.05}
materiality: 1000000
distressed: {fact: loan.grade, values: [substandard, doubtful, loss]}
"""
RESPONSES = """\
responses:
  - {finding: PRE-20, author: Zhao Min, accepted: true, owner: unit head, due: 2025-03-01, confirmed: true}
"""


@pytest.mark.parametrize(("name", "text"), [("engagement", ENGAGEMENT), ("responses", RESPONSES)])
def test_files_of_an_engagement(name: str, text: str) -> None:
    value = typed(yaml.compose(text, Loader=yaml.SafeLoader))
    assert list(validators()[name].iter_errors(value)) == []
    assert list(validators()[name].iter_errors({**value, "enigma": 1}))
    assert list(validators()[name].iter_errors({k: v for k, v in value.items() if k not in (name, "book")}))


#: Errors that the structure of a file tells, without knowing what its texts mean.
STRUCTURAL = {"E0303", "E0304", "E0305", "E0306", "E0401", "E0405"}
#: Those of them that no schema can know.
BEYOND = {
    "duplicate-key": "two keys of one name",
    "portfolio-rule-waived": "a rule of another file",
    "trigger": "the types of expressions",
}


@pytest.mark.parametrize("case", BAD, ids=lambda p: p.name)
def test_what_a_schema_can_know_is_refused(case: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "tests" / "good" / "minimal", tmp_path / "pack")
    shutil.copytree(case, folder, dirs_exist_ok=True)
    for removed in folder.rglob("*.remove"):
        removed.with_name(removed.name.removesuffix(".remove")).unlink(missing_ok=True)
    try:
        load_pack(folder)
    except PackError as error:
        found = error.diagnostics
    except SanchaError:
        return
    files = {d.place.file for d in found if d.code in STRUCTURAL and d.place is not None}
    for file in files:
        try:
            refused = list(faults(Path(file), folder))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        assert refused or case.name in BEYOND, f"{file}: {[d.message for d in found]}"


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("part", "rule: CR-01\nkind: trigger\nrequire: 'true'", "require"),
        ("part", "rule: CR-01\nimpact: grave", "impact"),
        ("part", "rule: cr1", "rule"),
        ("part", "table: t\nhit policy: last", "hit policy"),
        ("part", "decision: 1a\ntype: amount", "type"),
        ("part", "rool: CR-01", "rule"),
        ("pack", "pack: x\nlanguages: en", "languages"),
        (
            "vocabulary",
            "groups: {g: {label: {en: G}, facts: {f: {type: list of text, label: {en: F}}}}}",
            "type",
        ),
        ("vocabulary", "groups: {'a b': {label: {en: G}, facts: {}}}", "groups"),
        ("calendar", "holidays: [2024-1-1]", "holidays"),
        ("calendar", "weekend: [sonntag]", "weekend"),
        ("parameters", "parameters: {p: {label: {en: P}, type: money, values: []}}", "values"),
        ("waivers", "waivers: [{waiver: W, level: high}]", "level"),
        ("causes", "C1: just text", "C1"),
        ("mapping", "sources: {a: {encodin: utf-8}}", "encodin"),
        ("mapping", "facts: {a.b: {column: A, unit: furlong}}", "facts"),
    ],
)
def test_refused(name: str, text: str, path: str) -> None:
    value = typed(yaml.compose(text, Loader=yaml.SafeLoader))
    errors = list(validators()[name].iter_errors(value))
    said = " ".join(f"{e.json_path} {e.message} {list(e.context or ())}" for e in errors)
    assert path in said, said


def test_every_schema_is_a_schema_and_closed() -> None:
    for name, schema in schemas(MORE).items():
        Draft7Validator.check_schema(schema)
        for part in [schema, *schema.get("$defs", {}).values()]:
            if "properties" in part and name != PART.name:
                assert part["additionalProperties"] is False


def test_every_key_is_explained() -> None:
    for schema in schemas(MORE).values():
        for part in [schema, *schema.get("$defs", {}).values()]:
            for key, value in part.get("properties", {}).items():
                assert value.get("description", "").endswith("."), key


def test_names_in_chinese_are_names() -> None:
    value = {"vocabulary": "v", "groups": {"借款人": {"label": {"zh": "借款人"}, "facts": {"金额": {
        "type": "money", "label": {"zh": "金额"}}}}}}  # fmt: skip
    assert list(validators()["vocabulary"].iter_errors(value)) == []


def test_a_pack_offers_its_names() -> None:
    made = schemas(MORE, load_pack(ROOT / "rules"))
    rule = made["part"]["$defs"]["RuleFile"]["properties"]
    assert "C02" in rule["cause"]["examples"] and "approval.decided_on" in rule["judged on"]["examples"]
    assert "investigation.2" in rule["clause"]["examples"]
    assert "S14" in made["parameters"]["$defs"]["SourceRef"]["properties"]["document"]["examples"]


def test_loan_files(tmp_path: Path) -> None:
    pack = load_pack(ROOT / "rules")
    schema = loan_file(pack.vocabulary)
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    files = sorted((ROOT / "rules" / "files").glob("*.json"))
    assert files
    for path in files:
        assert list(validator.iter_errors(json.loads(path.read_text(encoding="utf-8")))) == [], path.name
    for wrong in (
        {"application": {"amuont": 1}},
        {"application": {"amount": "five"}},
        {"application": {"product": "mortgage"}},
        {"visits": [{"date": "2024-1-1"}]},
        {"visit": []},
        {"borrower": {"employees": 1.5}},
    ):
        assert list(validator.iter_errors(wrong)), wrong
        with pytest.raises(SanchaError):
            loan_file_from_json(json.loads(json.dumps(wrong), parse_float=Decimal), pack.vocabulary)
    assert "企业" in json.dumps(schema, ensure_ascii=False)


def sancha(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SANCHA), *map(str, arguments)], capture_output=True, text=True)


def test_the_command(tmp_path: Path) -> None:
    done = sancha("schema", "--out", tmp_path / "schemas")
    assert done.returncode == 0, done.stderr
    files = sorted(p.name for p in (tmp_path / "schemas").iterdir())
    assert files == sorted(f"{name}.schema.json" for name in schemas(MORE))
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert sancha("schema", "--out", tmp_path / "file").returncode == 2


def test_init_puts_the_settings_beside_the_pack(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    assert sancha("init", folder).returncode == 0
    settings = json.loads((folder / ".vscode" / "settings.json").read_text(encoding="utf-8"))
    for path, globs in settings["yaml.schemas"].items():
        schema = json.loads((folder / path).read_text(encoding="utf-8"))
        Draft7Validator.check_schema(schema)
        assert globs
    for entry in settings["json.schemas"]:
        assert (folder / entry["url"]).is_file()
    extensions = json.loads((folder / ".vscode" / "extensions.json").read_text(encoding="utf-8"))
    assert extensions["recommendations"] == ["redhat.vscode-yaml"]
    assert load_pack(folder).digest == load_pack(ROOT / "rules").digest
