"""The standard's conformance kit against a baseline that only rises, and the kit's conventions on a folder of our own.

The kit stands outside of the repository, in `../shared/tck`. To raise the baseline after an improvement:
`python -m tests.test_tck`.
"""

from __future__ import annotations

import csv
from decimal import Decimal as D
from pathlib import Path

import pytest

from sancha.engine.diagnostics import SanchaError
from sancha.engine.dmn.tck import TckReport, agree, run_tck

HERE = Path(__file__).resolve().parent
KIT = HERE.parent.parent / "shared" / "tck"
BASELINE = HERE / "tck_baseline.csv"
MODELS = HERE / "dmn"


def baseline() -> dict[str, tuple[int, int]]:
    """The cases that pass in each folder, and those of them that expect a value."""
    with BASELINE.open(encoding="utf-8", newline="") as file:
        return {
            row["folder"]: (int(row["passed"]), int(row["with value passed"])) for row in csv.DictReader(file)
        }


def write_baseline(report: TckReport) -> None:
    with BASELINE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["folder", "cases", "passed", "with value", "with value passed"])
        for folder, t in report.folders.items():
            writer.writerow([folder, t.cases, t.passed, t.valued, t.valued_passed])


@pytest.fixture(scope="module")
def report() -> TckReport:
    if not KIT.is_dir():
        pytest.skip("the conformance kit is not here: put it into ../shared/tck")
    return run_tck(KIT)


def test_no_folder_passes_fewer_cases_than_the_baseline(report: TckReport) -> None:
    found = {folder: (t.passed, t.valued_passed) for folder, t in report.folders.items()}
    lost = {
        folder: (before, found.get(folder))
        for folder, before in baseline().items()
        if folder in found and found[folder] < before
    }
    details = "\n".join(f"{case.folder} {case.id}: {case.detail}" for case in report.failures)
    assert not lost, f"fewer cases pass than before: {lost}\n{details}"


def test_the_baseline_is_what_passes(report: TckReport) -> None:
    found = {folder: (t.passed, t.valued_passed) for folder, t in report.folders.items()}
    risen = {folder: now for folder, now in found.items() if now > baseline().get(folder, (0, 0))}
    assert not risen, f"more passes than the baseline says: raise it with `python -m tests.test_tck`\n{risen}"


def test_the_bar_is_met(report: TckReport) -> None:
    t = report.total
    assert t.passed * 1000 >= t.cases * 995
    assert t.valued_passed * 1000 >= t.valued * 993


# -- the conventions -----------------------------------------------------------------------------------------

HEAD = (
    '<testCases xmlns="http://www.omg.org/spec/DMN/20160719/testcase" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
)


def kit(folder: Path, model: str, cases: str) -> Path:
    """A kit of one folder with one of our models."""
    inner = folder / "level" / "ours"
    inner.mkdir(parents=True)
    for path in MODELS.glob("*.dmn"):
        (inner / path.name).write_bytes(path.read_bytes())
    text = f"{HEAD}<modelName>{model}</modelName>{cases}</testCases>"
    (inner / "ours-test-01.xml").write_text(text, encoding="utf-8")
    return folder


def result(name: str, expected: str, error: bool = False) -> str:
    flag = ' errorResult="true"' if error else ""
    return f'<resultNode name="{name}"{flag} type="decision"><expected>{expected}</expected></resultNode>'


def value(text: str, type_: str) -> str:
    return f'<value xsi:type="xsd:{type_}">{text}</value>'


NIL = '<value xsi:nil="true"/>'
APPLICANT = (
    '<inputNode name="Applicant">'
    f'<component name="Name">{value("Li", "string")}</component>'
    f'<component name="Born on">{value("1990-02-28", "date")}</component>'
    f'<component name="Monthly income">{value("5000", "decimal")}</component></inputNode>'
    f'<inputNode name="Requested amount">{value("2.4E4", "double")}</inputNode>'
    f'<inputNode name="Product">{value("bridge", "string")}</inputNode>'
)


def test_cases_of_all_kinds(tmp_path: Path) -> None:
    cases = f"""
    <testCase id="values">{APPLICANT}
      {result("Income share", value("0.400000000001", "decimal"))}
      {result("Grade", value("review", "string"))}
    </testCase>
    <testCase id="wrong">{APPLICANT}{result("Income share", value("0.40001", "decimal"))}</testCase>
    <testCase id="null">{result("Grade", NIL)}</testCase>
    <testCase id="error">{APPLICANT}{result("Nothing yet", value("1", "decimal"), error=True)}</testCase>
    <testCase id="no error">{APPLICANT}{result("Grade", NIL, error=True)}</testCase>
    <testCase id="service" type="decisionService" invocableName="Share and grade">{APPLICANT}
      {result("Income share", value("0.4", "decimal"))}{result("Grade", value("review", "string"))}
    </testCase>
    <testCase id="bkm" type="bkm" invocableName="Instalment">
      <inputNode name="principal">{value("100", "decimal")}</inputNode>
      <inputNode name="months">{value("3", "decimal")}</inputNode>
      {result("Instalment", value("33.33", "decimal"))}
    </testCase>
    <testCase id="list">
      {
        result(
            "By service",
            "<list><item><value>refuse</value></item><item><value>accept</value></item>"
            f"<item>{NIL}</item><item>{NIL}</item></list>",
        )
    }
    </testCase>
    <testCase id="nil component">
      <inputNode name="Applicant"><component name="Name" xsi:nil="true"/><component name="Born on">{
        NIL
    }</component>
        <component name="Monthly income">{value("24000", "decimal")}</component></inputNode>
      <inputNode name="Requested amount">{value("24000", "decimal")}</inputNode>
      {result("Income share", value("0.0833333333", "decimal"))}
    </testCase>
    <testCase id="unknown">{result("Nowhere", NIL)}</testCase>
    <testCase id="temporal">
      <inputNode name="Day">{value("2024-02-29T12:00:00+08:00", "dateTime")}</inputNode>
      {result("Late", value("2024-02-29T12:00:00+08:00", "string"))}
    </testCase>"""
    seen: list[tuple[str, int, int]] = []
    out = tmp_path / "out.csv"
    found = run_tck(kit(tmp_path / "kit", "lending.dmn", cases), out, lambda *at: seen.append(at))
    assert {case.id: case.passed for case in found.cases} == {
        "values": True,
        "wrong": False,
        "null": True,
        "error": True,
        "no error": False,
        "service": True,
        "bkm": True,
        "list": True,
        "nil component": True,
        "unknown": False,
        "temporal": True,
    }
    assert {case.id for case in found.cases if not case.expects_value} == {
        "null",
        "error",
        "no error",
        "unknown",
    }
    assert (found.total.cases, found.total.passed, found.total.valued, found.total.valued_passed) == (
        11,
        8,
        7,
        6,
    )
    assert seen == [("level/ours", 1, 1)]
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0] == '"level/ours","ours-test-01","values","SUCCESS",""'
    assert lines[1].startswith('"level/ours","ours-test-01","wrong","ERROR","Income share: expected 0.40001')
    text = found.text()
    assert "8 of 11 (72.72 %) of all cases, 6 of 7 (85.71 %) of those that expect a value" in text
    assert "the model has no" in text
    assert text.endswith("result nodes: 10 of 13 (76.92 %)")


def test_inputs_of_one_name_are_told_apart_by_the_namespace(tmp_path: Path) -> None:
    def given(namespace: str, text: str) -> str:
        node = f'<inputNode name="Branch" namespace="https://example.org/{namespace}">'
        return f"{node}{value(text, 'string')}</inputNode>"

    cases = f"""
    <testCase id="1">{given("limits", "west")}{given("elsewhere", "north")}
      <inputNode name="Amount">{value("1001", "decimal")}</inputNode>
      {result("Approved", value("true", "boolean"))}</testCase>"""
    assert run_tck(kit(tmp_path, "approval.dmn", cases)).total.passed == 1


def test_a_model_that_cannot_be_loaded_fails_all_its_cases(tmp_path: Path) -> None:
    root = kit(tmp_path, "absent.dmn", f'<testCase id="1">{result("Grade", NIL, error=True)}</testCase>')
    (case,) = run_tck(root).cases
    assert not case.passed
    assert "cannot be loaded" in case.detail


def test_a_folder_without_tests_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SanchaError, match="no test files"):
        run_tck(tmp_path)


def test_a_test_file_that_is_no_xml_is_not_taken_for_one(tmp_path: Path) -> None:
    root = kit(tmp_path, "lending.dmn", f'<testCase id="1">{result("Grade", NIL)}</testCase>')
    (root / "level" / "ours" / "broken.xml").write_text(HEAD, encoding="utf-8")
    (root / "level" / "ours" / "notes.xml").write_text("<notes/>", encoding="utf-8")
    cases = run_tck(root).cases
    assert [(case.file, case.passed) for case in cases] == [("broken", False), ("ours-test-01", True)]


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        (D("1.000000001"), D(1), True),
        (D("1.0000001"), D(1), False),
        (D("123456789012"), D("123456789013"), True),
        (D("1E-9"), D(0), True),
        (D("1E-7"), D(0), False),
        ([D(1), D(2)], [D(2), D(1)], False),
        ({"a": D(1), "b": D(2)}, {"b": D(2), "a": D(1)}, True),
        ({"a": D(1), "b": D(2)}, {"a": D(1)}, False),
        (D(1), True, False),
        ("1", D(1), False),
        (None, False, False),
    ],
)
def test_values_agree_by_the_kits_conventions(actual: object, expected: object, same: bool) -> None:
    assert agree(actual, expected) is same


if __name__ == "__main__":
    write_baseline(run_tck(KIT))
