"""`sancha fmt`: the files of a pack in one layout. What they say stays the same, and that is checked each time."""

from __future__ import annotations

import csv
import difflib
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sancha.engine.diagnostics import Diagnostic, PackError, Place, SanchaError
from sancha.engine.feel.layout import has_comment, lay_out_cell
from sancha.engine.feel.lexer import FeelSyntaxError
from sancha.engine.feel.parser import parse
from sancha.engine.feel.printer import to_text
from sancha.engine.files import write_file
from sancha.engine.policy import models
from sancha.engine.policy.source import Document, Key, read_text, read_yaml
from sancha.engine.policy.yaml_layout import (
    Alias,
    Collection,
    Node,
    Parts,
    Scalar,
    comments,
    lay_out_yaml,
    without_unit,
)

#: The order of the keys of a rule, of every kind: what it is, when it holds, what it asks, what follows.
RULE_ORDER = (
    "rule",
    "kind",
    "title",
    "stage",
    "judged on",
    "in force",
    "for each",
    "applies when",
    "from",
    "within",
    "expect",
    "where",
    "group by",
    "measure",
    "require",
    "versions",
    "impact",
    "hard law",
    "signal",
    "cause",
    "clause",
    "source",
    "waivable by",
    "finding",
    "recommend",
)
_RULE_EXPRESSIONS = frozenset(
    (
        "judged on",
        "for each",
        "applies when",
        "from",
        "within",
        "expect",
        "where",
        "group by",
        "measure",
        "require",
    )
)


@dataclass(frozen=True, slots=True)
class Formatted:
    """A file, its text as it stands and as it should stand."""

    path: Path
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def diff(self) -> str:
        """The change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            str(self.path),
            str(self.path),
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def write(self) -> None:
        """Puts the new text in place of the old one, whole or not at all."""
        write_file(self.path, self.after)


def format_paths(paths: Iterable[Path]) -> tuple[list[Formatted], list[Diagnostic]]:
    """All YAML files and CSV tables below the paths, formatted but not written, and what could not be read.

    A file in error is not among the first. A folder stands for the files of Sancha below it, but for hidden
    ones. Raises SanchaError for a path that is neither a folder nor a YAML or CSV file.
    """
    done: dict[Path, Formatted] = {}
    defects: list[Diagnostic] = []
    for path in paths:
        for file in _files(path):
            if file in done:
                continue
            try:
                done[file] = format_file(file)
            except PackError as error:
                defects.extend(error.diagnostics)
            except SanchaError as error:
                defects.append(Diagnostic("", error.message, Place(str(file), 1, 1), error.help))
    return list(done.values()), defects


def format_file(path: Path) -> Formatted:
    """One YAML file or CSV table. Raises PackError where it cannot be read, or holds an expression that is none."""
    before = _as_it_stands(path)
    text = read_text(path, str(path))
    if path.suffix == ".csv":
        mark = "\ufeff" if before.startswith("\ufeff") else ""  # by which Excel knows that it is UTF-8
        return Formatted(path, before, mark + format_table(text, str(path), _tests_of(path)))
    return Formatted(path, before, format_yaml(text, str(path), read_yaml(path, str(path))))


def _as_it_stands(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""  # `read_text` says why


_FIRST_KEY = re.compile(
    rb"^(rule|decision|table|pack|vocabulary|parameters|waivers|mapping|instrument|engagement|responses):",
    re.M,
)


def _is_ours(file: Path) -> bool:
    """Whether a YAML file is one that Sancha reads: it stands in a pack, or says what it is."""
    if any((folder / "pack.yaml").is_file() for folder in file.parents):
        return True
    try:
        return _FIRST_KEY.search(file.read_bytes()) is not None
    except OSError:
        return True  # reading it says why it cannot be


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for file in sorted([*path.rglob("*.yaml"), *path.rglob("*.csv")]):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if not hidden and (_is_ours(file) if file.suffix == ".yaml" else _tests_of(file) is not None):
                yield file
    elif path.suffix in (".yaml", ".csv"):
        yield path
    elif path.exists():
        raise SanchaError(f"`{path}` is no file of a pack", help="YAML files and CSV tables are formatted")
    else:
        raise SanchaError(f"there is no file `{path}`")


# -- YAML -------------------------------------------------------------------------------------------------------------


def format_yaml(text: str, shown: str, documents: Sequence[Document]) -> str:
    """The text of a YAML file, read as `documents`, in one layout."""
    for document in documents:
        _check_expressions(document)
    try:
        after = lay_out_yaml(text, _parts)
    except AssertionError:
        raise SanchaError(
            "the file uses a form of YAML that cannot be formatted", where=shown, help="it stays as it is"
        ) from None
    if not _same(text, after, shown):
        raise SanchaError(
            "the formatted file would not say the same",
            where=shown,
            help="it stays as it is; please report this with the file",
        )
    return after


def _parts(root: Node) -> Parts:
    """Which scalars of a document are expressions, and the order of its keys."""
    entries = root.entries if isinstance(root, Collection) and root.mapping else []
    keys = {e.key.value: e.value for e in entries if isinstance(e.key, Scalar)}
    kind = next((k for k in ("rule", "decision", "table", "waivers") if k in keys), "")
    repeated = any(isinstance(node, Alias) for node in _nodes(root))

    def order(path: Key) -> Sequence[str] | None:
        return None if repeated else _order(kind, keys, path)

    return lambda path: is_expression(kind, path), order


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Collection):
        for entry in node.entries:
            if entry.key is not None:
                yield entry.key
            yield from _nodes(entry.value)


def is_expression(kind: str, path: Key) -> bool:
    """Whether the text at a path of a document of this kind (`rule`, `decision`, …) is an expression."""
    match kind, path:
        case ("rule", (key,)) | ("rule", ("versions", int(), key)):
            return key in _RULE_EXPRESSIONS
        case ("decision", ("value",)) | ("decision", ("versions", int(), "value")):
            return True
        case ("table", ("inputs", int(), "expression")) | ("waivers", ("waivers", int(), "scope")):
            return True
    return False


#: The models of the parts of a file, by kind and place; `None` in a path is any key or index.
_MODELS: dict[str, dict[tuple[str | None, ...], type[BaseModel]]] = {
    "rule": {("versions", None): models.VersionFile},
    "decision": {(): models.DecisionFile, ("versions", None): models.DecisionVersionFile},
    "table": {
        (): models.TableFile,
        ("versions", None): models.TableVersionFile,
        ("inputs", None): models.InputFile,
        ("outputs", None): models.OutputFile,
    },
    "waivers": {("waivers", None): models.WaiverFile},
    "pack": {(): models.PackFile, ("dimensions",): models.Dimensions},
    "vocabulary": {
        (): models.VocabularyFile,
        ("groups", None): models.GroupFile,
        ("groups", None, "facts", None): models.FactFile,
        ("lists", None): models.ListFile,
        ("lists", None, "fields", None): models.FieldFile,
        ("reference", None): models.ListFile,
        ("reference", None, "fields", None): models.FieldFile,
    },
    "parameters": {
        ("parameters", None): models.ParameterFile,
        ("parameters", None, "values", None): models.ParameterValue,
    },
    "calendar": {(): models.CalendarFile},
}


def _order(kind: str, keys: dict[str, Any], path: Key) -> Sequence[str] | None:
    """The keys of the mapping at a path in their order, where it is one of a pack."""
    if not kind:
        kind = next((k for k in ("pack", "vocabulary", "parameters") if k in keys), "")
        kind = kind or ("calendar" if {"from", "until", "source"} <= keys.keys() else "")
        if {"mapping", "instrument", "engagement"} & keys.keys():
            return None
    if kind and path and path[-1] == "in force":
        return ("from", "until")
    if kind and path and path[-1] == "source":
        return ("document", "article", "evidence")
    if kind == "rule" and path == ():
        return RULE_ORDER
    for steps, model in _MODELS.get(kind, {}).items():
        if len(steps) == len(path) and all(a is None or a == b for a, b in zip(steps, path, strict=True)):
            names = [f.alias or n for n, f in model.model_fields.items()]
            return [n for n in RULE_ORDER if n in names] if model is models.VersionFile else names
    return None


def _expressions(document: Document) -> Iterator[tuple[Key, str]]:
    value = document.value
    kinds = ("rule", "decision", "table", "waivers")
    kind = next((k for k in kinds if isinstance(value, dict) and k in value), "")
    for path in document.nodes:
        if is_expression(kind, path) and isinstance(text := _at(value, path), str):
            yield path, text


def _at(value: Any, path: Key) -> Any:
    for step in path:
        value = value[step]
    return value


def _check_expressions(document: Document) -> None:
    defects = []
    for path, text in _expressions(document):
        try:
            parse(without_unit(text))
        except FeelSyntaxError as error:
            defects.append(
                Diagnostic(error.code, error.message, document.place(path, error.span), error.help)
            )
    if defects:
        raise PackError(defects)


def _same(before: str, after: str, shown: str) -> bool:
    """Whether two texts of a file say the same, comments included."""
    a, b = _read(before, shown), _read(after, shown)
    if sorted(comments(before)) != sorted(comments(after)) or len(a) != len(b):
        return False
    return all(_equal(x, y) for x, y in zip(a, b, strict=True))


def _read(text: str, shown: str) -> list[Document]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.yaml"
        path.write_text(text, encoding="utf-8")
        return read_yaml(path, shown)


def _equal(a: Document, b: Document) -> bool:
    if a.nodes.keys() != b.nodes.keys():
        return False
    expressions = dict(_expressions(a))
    for path in a.nodes:
        x, y = _at(a.value, path), _at(b.value, path)
        if path in expressions and not has_comment(x):
            if to_text(parse(without_unit(x))) != to_text(parse(without_unit(y))):
                return False
        elif not isinstance(x, dict | list) and x != y:
            return False
    return True


# -- tables -----------------------------------------------------------------------------------------------------------


def format_table(text: str, shown: str, tests: frozenset[str] | None) -> str:
    """A CSV file: cells without blanks around them, in quotes where needed; the tests of inputs evenly spaced.

    `tests` names the columns of inputs. Numbers and outputs stay as they are written. Raises PackError.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                header = rows[0] if rows else []
                named = zip(header, cells, strict=False)
                spaced = [
                    _cell(c, shown, reader.line_num, text) if n in (tests or ()) else c for n, c in named
                ]
                rows.append([*spaced, *cells[len(header) :]])
    except csv.Error as error:
        line = text.split("\n")[max(reader.line_num - 1, 0)]
        place = Place(shown, max(reader.line_num, 1), 1, max(1, len(line)), line)
        raise PackError([Diagnostic("E0408", f"not CSV: {error}", place)]) from None
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _cell(text: str, shown: str, number: int, whole: str) -> str:
    """The test of an input, evenly spaced."""
    try:
        return text if not text or has_comment(text) else lay_out_cell(text)
    except FeelSyntaxError as error:
        line = whole.split("\n")[number - 1]
        at = max(line.find(text), 0)
        place = Place(shown, number, at + 1, len(text), line)
        raise PackError([Diagnostic(error.code, error.message, place, error.help)]) from None


def _tests_of(path: Path) -> frozenset[str] | None:
    """The inputs of the table whose rows a CSV file holds, as a YAML file beside it tells; None where none does."""
    for file in sorted(path.parent.glob("*.yaml")):
        try:
            documents = read_yaml(file, str(file)) if path.name in file.read_text(encoding="utf-8") else []
        except (PackError, OSError, UnicodeDecodeError):
            continue
        for document in documents:
            value = document.value
            if not isinstance(value, dict) or not isinstance(value.get("inputs"), list):
                continue
            versions = value.get("versions")
            parts = [value, *(versions if isinstance(versions, list) else [])]
            if any(isinstance(part, dict) and part.get("rows") == path.name for part in parts):
                inputs = [i for i in value["inputs"] if isinstance(i, dict)]
                return frozenset(str(i.get("name")) for i in inputs)
    return None
