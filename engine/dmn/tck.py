"""The conformance kit of the standard: runs a tree of its folders and tells what passes.

The format is that of the kit's `testCases.xsd`. Its conventions: numbers agree within 1e-8 of their size; an expected
error is met by an error or by null; lists agree in order, contexts entry by entry.
"""

from __future__ import annotations

import csv as csv_module
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from lxml import etree

from sancha.engine.diagnostics import SanchaError
from sancha.engine.dmn import model as m
from sancha.engine.dmn.read import MAX_BYTES
from sancha.engine.dmn.run import Model, item_kind, load
from sancha.engine.feel.errors import FeelError
from sancha.engine.feel.kinds import ANY, Kind
from sancha.engine.feel.values import equal, kind_of, parse_temporal, written
from sancha.engine.files import replacing
from sancha.engine.run.dynamic import Warning

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_TOLERANCE = Decimal("1e-8")
_NUMBERS = frozenset(
    "decimal double float integer int long short byte nonNegativeInteger positiveInteger negativeInteger "
    "nonPositiveInteger unsignedInt unsignedLong unsignedShort unsignedByte".split()
)
_TEMPORAL = {
    "date": ("date",),
    "time": ("time",),
    "dateTime": ("date and time",),
    "dateTimeStamp": ("date and time",),
    "duration": ("days and time duration", "years and months duration"),
    "dayTimeDuration": ("days and time duration",),
    "yearMonthDuration": ("years and months duration",),
}

_E = Any  # an element of lxml, which has no types


@dataclass(frozen=True, slots=True)
class NodeResult:
    """A result node of a case: the element that is asked for, and why it fails (None: it passes)."""

    name: str
    expects_value: bool
    failure: str | None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case passes if all its result nodes do. `folder` is relative to the tree, `file` has no extension."""

    folder: str
    file: str
    id: str
    nodes: tuple[NodeResult, ...]

    @property
    def passed(self) -> bool:
        return all(node.failure is None for node in self.nodes)

    @property
    def expects_value(self) -> bool:
        """Whether an engine that answers null to everything would fail."""
        return any(node.expects_value for node in self.nodes)

    @property
    def detail(self) -> str:
        return "; ".join(f"{node.name}: {node.failure}" for node in self.nodes if node.failure is not None)


@dataclass(frozen=True, slots=True)
class Tally:
    """Cases, those that passed, and both of the cases that expect a value."""

    cases: int
    passed: int
    valued: int
    valued_passed: int

    @classmethod
    def of(cls, cases: Sequence[CaseResult]) -> Tally:
        valued = [case for case in cases if case.expects_value]
        return cls(len(cases), sum(c.passed for c in cases), len(valued), sum(c.passed for c in valued))


@dataclass(frozen=True, slots=True)
class TckReport:
    cases: tuple[CaseResult, ...]

    @property
    def total(self) -> Tally:
        return Tally.of(self.cases)

    @property
    def folders(self) -> dict[str, Tally]:
        """The tally of each folder, in the order of the run."""
        found: dict[str, list[CaseResult]] = {}
        for case in self.cases:
            found.setdefault(case.folder, []).append(case)
        return {folder: Tally.of(cases) for folder, cases in found.items()}

    @property
    def nodes(self) -> tuple[int, int]:
        """The result nodes that pass, and all of them."""
        nodes = [node for case in self.cases for node in case.nodes]
        return sum(node.failure is None for node in nodes), len(nodes)

    @property
    def failures(self) -> list[CaseResult]:
        return [case for case in self.cases if not case.passed]

    def text(self) -> str:
        """A line for each folder, one for each failure, and the totals."""
        width = max((len(folder) for folder in self.folders), default=6)
        lines = [f"{'folder':<{width}}  cases passed  with value passed"]
        for folder, t in self.folders.items():
            lines.append(
                f"{folder:<{width}}  {t.cases:>5} {t.passed:>6}  {t.valued:>10} {t.valued_passed:>6}"
            )
        t = self.total
        lines.append(f"{'in all':<{width}}  {t.cases:>5} {t.passed:>6}  {t.valued:>10} {t.valued_passed:>6}")
        if self.failures:
            lines += ["", "failed:"]
            lines += [f"  {case.folder} {case.file} {case.id}: {case.detail}" for case in self.failures]
        lines += [
            "",
            f"passed {_share(t.passed, t.cases)} of all cases, "
            f"{_share(t.valued_passed, t.valued)} of those that expect a value",
            f"result nodes: {_share(*self.nodes)}",
        ]
        return "\n".join(lines)

    def write_csv(self, path: Path) -> None:
        """The lines that the kit's vendors submit: folder, test file, case, SUCCESS or ERROR, detail."""
        with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv_module.writer(file, quoting=csv_module.QUOTE_ALL, lineterminator="\n")
            for case in self.cases:
                state = "SUCCESS" if case.passed else "ERROR"
                writer.writerow([case.folder, case.file, case.id, state, case.detail])


def run_tck(
    folder: Path | str,
    csv: Path | str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> TckReport:
    """Runs all test files under a folder; `progress` hears of each file's folder, its number and their number.

    Raises SanchaError where no test file is found.
    """
    root = Path(folder)
    files = sorted(path for path in root.rglob("*.xml") if _is_test(path))
    if not files:
        raise SanchaError(
            "no test files of the conformance kit are here",
            code="E0910",
            where=root,
            help="give a folder with models (`*.dmn`) and their tests (`*.xml` with the root `testCases`)",
        )
    cases: list[CaseResult] = []
    for number, path in enumerate(files, 1):
        if progress is not None:
            progress(str(path.parent.relative_to(root)), number, len(files))
        cases += run_file(path, root)
    report = TckReport(tuple(cases))
    if csv is not None:
        report.write_csv(Path(csv))
    return report


def run_file(path: Path, root: Path) -> Iterator[CaseResult]:
    """The results of the cases of one test file."""
    folder, file = path.parent.relative_to(root).as_posix(), path.stem
    try:
        tests = _root(path)
    except (OSError, etree.XMLSyntaxError, ValueError) as error:
        yield CaseResult(folder, file, "", (NodeResult("", True, f"the test file cannot be read: {error}"),))
        return
    model: Model | None = None
    failure = None
    try:
        model = load(_model_path(path, tests))
    except SanchaError as error:
        failure = f"the model cannot be loaded: {error.message}"
    for number, case in enumerate(tests.iterchildren("{*}testCase"), 1):
        id_ = case.get("id") or case.get("name") or str(number)
        if model is None:
            nodes = tuple(
                NodeResult(n.get("name") or "", _expects_value(n), failure)
                for n in case.iterchildren("{*}resultNode")
            )
        else:
            nodes = tuple(_nodes(model, case))
        yield CaseResult(folder, file, id_, nodes)


# -- test files ----------------------------------------------------------------------------------------------


def _root(path: Path) -> _E:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("it is too large")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    return etree.fromstring(path.read_bytes(), parser)


def _is_test(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            events = etree.iterparse(file, events=("start",), resolve_entities=False, no_network=True)
            _, root = next(iter(events))
            return etree.QName(root).localname == "testCases"
    except (OSError, StopIteration, etree.XMLSyntaxError):
        return False


def _model_path(path: Path, tests: _E) -> Path:
    named = (tests.findtext("{*}modelName") or "").strip()
    if named:
        found = path.parent / named
        return found if found.suffix or found.is_file() else found.with_suffix(".dmn")
    models = sorted(path.parent.glob("*.dmn"))
    return models[0] if models else path.with_suffix(".dmn")


def _nodes(model: Model, case: _E) -> Iterator[NodeResult]:
    results = list(case.iterchildren("{*}resultNode"))
    try:
        values, warnings = _evaluated(model, case, results)
        failure = None
    except SanchaError as error:
        failure = error.message
    except Exception as error:  # a defect of the engine is one failed case, with its reason
        failure = f"{type(error).__name__}: {error}"
    for node in results:
        name = node.get("name") or ""
        expects = _expects_value(node)
        if failure is not None:
            yield NodeResult(name, expects, failure)
            continue
        actual = values.get(name)
        expected = node.find("{*}expected")
        try:
            difference = None if _is_error(node) and actual is None else compare(actual, expected)
        except FeelError as error:
            difference = error.message
        if difference is not None and actual is None and warnings:
            difference += f" ({warnings[0]})"
        yield NodeResult(name, expects, difference)


def _is_error(node: _E) -> bool:
    return node.get("errorResult") in ("true", "1")


def _expects_value(node: _E) -> bool:
    expected = node.find("{*}expected")
    if _is_error(node) or expected is None:
        return False
    part = _part(expected)
    return part is not None and not _is_nil(part)


def _evaluated(model: Model, case: _E, results: Sequence[_E]) -> tuple[dict[str, Any], tuple[Warning, ...]]:
    """The values of the result nodes by name."""
    inputs: dict[str, Any] = {}
    for node in case.iterchildren("{*}inputNode"):
        name = " ".join((node.get("name") or "").split())
        if node.get("namespace"):
            name = f"{{{node.get('namespace')}}}{name}"
        inputs[name] = read_value(node, model.input_kind(name))
    names = [" ".join((node.get("name") or "").split()) for node in results]
    invocable = case.get("invocableName")
    if case.get("type") in ("decisionService", "bkm") and invocable:
        arguments = {name.rpartition("}")[2]: value for name, value in inputs.items()}
        evaluation = model.invoke(" ".join(invocable.split()), arguments)
        values = evaluation.values
        if case.get("type") == "bkm" or not set(values) & set(names):
            (first, *_) = [*values.values(), None]
            values = dict.fromkeys(names, first)
        return {n.get("name"): values.get(name) for n, name in zip(results, names, strict=True)}, (
            evaluation.warnings
        )
    decisions = [name for name in names if model.find(name, m.Decision) is not None]
    evaluation = model.evaluate(inputs, decisions)
    values, warnings = dict(evaluation.values), list(evaluation.warnings)
    for name in names:
        if name not in values:
            invoked = model.invoke(name, inputs)
            outputs = invoked.values
            values[name] = next(iter(outputs.values())) if len(outputs) == 1 else outputs
            warnings += invoked.warnings
    return {n.get("name"): values.get(name) for n, name in zip(results, names, strict=True)}, tuple(warnings)


# -- values of the test files --------------------------------------------------------------------------------


def read_value(element: _E, kind: Kind = ANY) -> Any:
    """The value within an input node, a component, an item; the type is asked where the XML tells none."""
    part = _part(element)
    if part is None or _is_nil(part):
        return None
    name = etree.QName(part).localname
    if name == "value":
        return _read_simple(part, kind)
    if name == "list":
        return [read_value(child, item_kind(kind)) for child in part.iterchildren("{*}item")]
    fields = dict((item_kind(kind) if kind.name == "list" else kind).fields or ())
    return {
        child.get("name"): read_value(child, fields.get(child.get("name"), ANY))
        for child in element.iterchildren("{*}component")
    }


def _part(element: _E) -> _E | None:
    """The `value`, `list` or first `component` within an element."""
    for child in element:
        if isinstance(child.tag, str) and etree.QName(child).localname in ("value", "list", "component"):
            return child
    return None


def _is_nil(element: _E) -> bool:
    """Whether a value or list is null; of a component that is, only the component's own value."""
    if etree.QName(element).localname == "component":
        return False
    return element.get(f"{_XSI}nil") in ("true", "1")


def _read_simple(element: _E, kind: Kind) -> Any:
    text = element.text or ""
    type_ = (element.get(f"{_XSI}type") or "").rpartition(":")[2]
    if not type_:
        if kind.name in _KIND_TYPES:
            type_ = _KIND_TYPES[kind.name]
        else:
            return text
    if type_ == "boolean":
        return text.strip() in ("true", "1")
    if type_ in _NUMBERS:
        try:
            number = Decimal(text.strip())
        except InvalidOperation:
            raise FeelError(f"`{text}` is no number") from None
        if not number.is_finite():
            raise FeelError(f"`{text}` is no number of FEEL")
        return number
    if type_ in _TEMPORAL:
        value = parse_temporal(text.strip())
        if value is None or kind_of(value) not in _TEMPORAL[type_]:
            raise FeelError(f"`{text}` is no {type_}")
        return value
    return text


_KIND_TYPES = {
    "number": "decimal",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "date and time": "dateTime",
    "days and time duration": "duration",
    "years and months duration": "duration",
}


# -- comparison ----------------------------------------------------------------------------------------------


def compare(actual: Any, expected: _E | None) -> str | None:
    """How a value differs from what an element expects; None: it does not."""
    part = None if expected is None else _part(expected)
    if part is None or _is_nil(part):
        return None if actual is None else f"expected null, got {_shown(actual)}"
    kind = Kind(kind_of(actual)) if actual is not None else ANY
    wanted = read_value(expected, kind)
    if agree(actual, wanted):
        return None
    return f"expected {_shown(wanted)}, got {_shown(actual)}"


def agree(actual: Any, expected: Any) -> bool:
    """Whether two values of FEEL are the same by the kit's conventions."""
    if isinstance(actual, Decimal) and isinstance(expected, Decimal):
        return abs(actual - expected) <= _TOLERANCE * max(
            abs(expected), Decimal(1) if not expected else abs(expected)
        )
    if isinstance(actual, list) and isinstance(expected, list):
        return len(actual) == len(expected) and all(map(agree, actual, expected))
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        return actual.keys() == expected.keys() and all(agree(actual[k], expected[k]) for k in expected)
    return equal(actual, expected) is True


def _shown(value: Any) -> str:
    text = written(value)
    return text if len(text) <= 300 else text[:297] + "…"


def _share(part: int, whole: int) -> str:
    """A share in percent, never rounded up to 100."""
    if not whole:
        return "none"
    percent = (Decimal(100) * part / whole).quantize(Decimal("0.01"), "ROUND_DOWN")
    return f"{part} of {whole} ({percent} %)"
