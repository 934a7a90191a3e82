"""JSON Schemas of the YAML files: an editor with a YAML language server completes and checks while one types.

They are made of the models that read the files, so that both know the same keys; here stand the texts that an editor
shows, what the checker asks beyond the models and a schema can say, and the snippets. A schema sees the values as
YAML types them (`300000` is a number there), while packs read every plain value as text; where a pack takes any text,
the schema takes numbers and truth values too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sancha.engine.book import mapping as m
from sancha.engine.feel import types as t
from sancha.engine.files import write_file
from sancha.engine.policy import models
from sancha.engine.policy.pack import Pack
from sancha.engine.policy.vocabulary import Field, Vocabulary

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
#: Text as the packs read it: any plain value.
TEXT: Schema = {"type": ["string", "number", "boolean"]}
_DAY = r"^\d{4}-\d{2}-\d{2}$"
#: Names of facts, lists, decisions: as `models.Identifier`, in the regular expressions of editors.
_NAME = "^(?![0-9])[0-9A-Za-z_\\u0080-\\uffff]+$"
_EACH = "^\\s*(?![0-9])[0-9A-Za-z_\\u0080-\\uffff]+\\s+in\\s"
_ONE_OF = r"^one of \[.+\]$"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of YAML file: the name of its schema, what it is, and the globs of its files within a pack."""

    name: str
    title: str
    globs: tuple[str, ...]


#: Files with a name or folder of their own, in the order of docs/formats.md.
KINDS = (
    Kind("pack", "Sancha: a policy pack", ("**/pack.yaml",)),
    Kind("vocabulary", "Sancha: the vocabulary, a typed data dictionary", ("**/vocabulary.yaml",)),
    Kind("calendar", "Sancha: a working-day calendar", ("**/calendar.yaml",)),
    Kind("sources", "Sancha: sources of rules and values", ("**/sources.yaml",)),
    Kind("causes", "Sancha: causes of findings", ("**/causes.yaml",)),
    Kind("waivers", "Sancha: approved exceptions", ("**/waivers.yaml",)),
    Kind("parameters", "Sancha: dated values", ("**/parameters/**/*.yaml",)),
    Kind(
        "mapping",
        "Sancha: a mapping of an extract onto a vocabulary",
        ("**/mapping.yaml", "**/*.mapping.yaml"),
    ),
    Kind("engagement", "Sancha: an audit engagement", ("**/engagement.yaml", "**/*.engagement.yaml")),
    Kind("responses", "Sancha: responses to findings", ("**/responses.yaml", "**/*.responses.yaml")),
    Kind("instrument", "Sancha: a questionnaire", ("**/instrument.yaml", "**/*.instrument.yaml")),
)
_LOAN_FILE = "loan-file"
#: All other YAML files of a pack hold rules, decisions and tables.
PART = Kind("part", "Sancha: a rule, a decision or a table", ("**/*.yaml",))

_MODELS: dict[str, type[BaseModel]] = {
    "pack": models.PackFile,
    "vocabulary": models.VocabularyFile,
    "calendar": models.CalendarFile,
    "waivers": models.WaiversFile,
    "parameters": models.ParametersFile,
}

_EXPRESSION = "An expression of the policy language"
#: What a key means, by model; `*` for keys that mean the same everywhere.
TEXTS: dict[str, dict[str, str]] = {
    "*": {
        "label": "What people call it, in each language of the pack.",
        "title": "The title, in each language of the pack.",
        "type": "text, boolean, integer, number, money, rate, date, date-time, days, or `one of [a, b]`.",
        "in force": "The first and the last day on which it holds. Without `until` it still holds.",
        "from": "The first day.",
        "until": "The last day.",
        "source": "Where it comes from: a key of sources.yaml, and how well it is known.",
        "clause": "The id of the clause of clauses/*.md that it encodes.",
        "known on": "The date from which it is known: a date fact, a date field of the list, or `as_of`. "
        "A rule judged on an earlier day does not see it.",
        "required": "Whether a loan file must have it. Every other fact may be missing.",
        "applies when": f"{_EXPRESSION}, true or false: the scope. Where it is false the rule is not applicable.",
        "require": f"{_EXPRESSION}, true or false: what must hold. Where it is false the outcome is a breach.",
        "for each": "The events of a trigger: `item in list`, such as `d in disbursements`. Without it the file itself "
        "is the one event.",
        "within": "The time to respond: a duration such as `'@\"P15D\"'`, or `10 working days`.",
        "expect": f"{_EXPRESSION}, true or false: what must have happened. `due` is the last day to respond.",
        "rows": "The rows: the name of a CSV file beside this one, or a list of rows.",
        "default": "The outputs when no row matches. Without it the answer is then unknown.",
        "versions": "The versions, each with its own `in force`; no two of them overlap.",
        "value": f"{_EXPRESSION}.",
        "version": "The version of the file.",
        "languages": "The languages of the texts, such as [en, zh].",
    },
    "Interval": {"from": "The first day in force.", "until": "The last day in force."},
    "SourceRef": {
        "document": "A key of sources.yaml.",
        "article": "The article or section; `unverified` where nobody has looked it up.",
        "evidence": "V-text: wording of the regulation seen. V-law: statute read. V-sec: secondary page. V-prac: one "
        "bank's practice. R-hi: general knowledge, unverified. R-lo: shaky, unverified. B: a value of the bank.",
    },
    "PackFile": {
        "pack": "The name of the pack.",
        "version": "The version of the pack.",
        "notice": "Printed on every report.",
        "currency": "The currency of all money, such as CNY.",
        "time zone": "Date-times are local times of this zone, such as Asia/Shanghai.",
        "dimensions": "The facts by which results are grouped, and who answers for a file.",
        "review by": "The day by which the pack should be reviewed.",
    },
    "Dimensions": {
        "branch": "A fact of type text or `one of`: the branch.",
        "exposure": "A money fact: what is at stake.",
        "product": "A fact of type text or `one of`: the product.",
        "owner": "A fact of type text or `one of`: who answers for a file, and gets its alerts.",
    },
    "CalendarFile": {
        "from": "The first day that the calendar speaks for.",
        "until": "The last day that the calendar speaks for.",
        "weekend": "The days of the week that are free.",
        "holidays": "Free days besides weekends.",
        "working weekends": "Days of a weekend on which people work.",
        "source": "Where the calendar comes from.",
    },
    "VocabularyFile": {
        "vocabulary": "The name of the vocabulary.",
        "groups": "Scalar facts by group: `borrower.kind` is the fact `kind` of the group `borrower`.",
        "lists": "Lists of a loan file, each with the fields of its items.",
        "reference": "Lists of the book as a whole, such as delegations.",
    },
    "GroupFile": {"facts": "The facts of the group."},
    "ListFile": {"fields": "The fields of an item."},
    "FieldFile": {"type": "As of a fact, or `list of text`."},
    "ParametersFile": {"parameters": "Dated values: `parameters.NAME` in expressions."},
    "ParameterFile": {"values": "The values, each from its first day on; the earliest stands first."},
    "ParameterValue": {
        "from": "The first day of the value.",
        "value": "The value as its type reads it: 500000.00, 0.7, 2024-01-31.",
    },
    "RuleFile": {
        "rule": "The id: capitals and digits, a hyphen, digits or letters, such as PRE-20.",
        "kind": "check: a file must satisfy a condition. trigger: something must follow an event in time. portfolio: "
        "over the book, a limit for each group.",
        "stage": "When in the life of a loan the rule belongs.",
        "judged on": f"{_EXPRESSION} of type date: the day on which the rule is judged. Facts known later are not "
        "seen.",
        "from": f"{_EXPRESSION} of type date: the day of the event.",
        "where": f"{_EXPRESSION}, true or false: the files that count.",
        "group by": f"{_EXPRESSION} of type text: the group of a file.",
        "measure": f"{_EXPRESSION}, an amount or a number, summed over the group.",
        "require": f"{_EXPRESSION}, true or false: what must hold. A portfolio rule has `group`, `share`, `total` and "
        "`files` of the group.",
        "impact": "How much a breach weighs: formal, control, regulatory, fraud (1 to 4).",
        "hard law": "Whether the rule is one of statute: it then has no tolerance.",
        "signal": "The level of an early warning.",
        "cause": "A key of causes.yaml: what a breach usually comes from.",
        "waivable by": "The lowest approval level that may waive the rule. Without it nobody may.",
        "finding": "What the report says of a breach, in each language. {borrower.name} is the value of the fact.",
        "recommend": "What should be done, in each language.",
    },
    "VersionFile": {"from": f"{_EXPRESSION} of type date: the day of the event."},
    "DecisionFile": {"decision": "The name, by which rules and other decisions use it."},
    "TableFile": {
        "table": "The name. A table whose inputs are arguments is called like a function; another is used by name.",
        "hit policy": "Which row answers: the one that matches, the first, any, or all of them together.",
        "inputs": "The inputs: arguments have a type, others an expression.",
        "outputs": "The outputs. One is the value of the table; of several each is `name.output`.",
    },
    "InputFile": {
        "name": "The name, which heads its column.",
        "expression": f"{_EXPRESSION}: where the input is read from. Without it the input is an argument.",
    },
    "OutputFile": {"name": "The name, which heads its column."},
    "WaiversFile": {"waivers": "Approved exceptions."},
    "WaiverFile": {
        "waiver": "The id of the waiver.",
        "rule": "The rule that is waived.",
        "scope": f"{_EXPRESSION}, true or false: the files for which it is waived.",
        "approver": "Who approved it.",
        "level": "The approval level of the approver.",
        "compensating control": "What takes the place of the rule, in each language.",
    },
    "EngagementFile": {
        "engagement": "The reference.",
        "auditee": "Who is audited.",
        "authors": "Who audits.",
        "report date": "Due dates count from here.",
        "languages": "The languages of the report; the first stands in the folder itself.",
        "book": "The folder of the book, from the folder of this file.",
        "pack": "The folder of the policy pack, from the folder of this file.",
        "run": "A replay of this book by this pack. Without it the book is replayed.",
        "engine": "How the book is replayed.",
        "hindsight": "Whether facts that became known later are seen.",
        "seed": "Of the sample that the lists mark.",
        "scope": "What is audited. What is left out means all.",
        "period": "The days judged, in whole quarters.",
        "questionnaire": "The staff questionnaire.",
        "responses": "The file with what people say to the findings.",
        "tolerance": "Fractions of files up to which there is no finding.",
        "materiality": "Findings below this amount, unless high, are listed without a section.",
        "repeat findings": "Rules whose findings are repeated: +2 in severity.",
        "management override": "Rules that management overrode: +1 in severity.",
        "distressed": "How a distressed loan is told.",
        "statement": "Of the audit team, under the computed conclusion.",
    },
    "ScopeFile": {
        "branches": "Only these branches.",
        "products": "Only these products.",
        "stages": "Only these stages.",
        "rules": "Only these rules.",
    },
    "QuestionnaireFile": {
        "instrument": "The instrument, a YAML file.",
        "responses": "The answers, CSV or XLSX.",
        "invited": "How many people were asked.",
    },
    "ToleranceFile": {
        "exceptions": "The fraction of exceptions up to which there is no finding.",
        "unknown": "The fraction of unknown outcomes up to which there is no data gap.",
    },
    "DistressFile": {"fact": "The fact that tells it.", "values": "The values that mean distress."},
    "Wording": {"en": "In English.", "zh": "In Chinese."},
    "RepliesFile": {"responses": "What people say, finding by finding."},
    "ReplyFile": {
        "finding": "The rule of the finding; or `data:` and the fact, for a data gap.",
        "author": "Who answers.",
        "cause": "Takes the place of the draft.",
        "recommendation": "Takes the place of the draft.",
        "response": "What the auditee says.",
        "accepted": "Whether the auditee accepts the finding.",
        "owner": "Who mends it.",
        "due": "By when.",
        "confirmed": "Whether people have cleared the finding; otherwise it is a lead.",
    },
    "Instrument": {
        "instrument": "The name of the questionnaire.",
        "introduction": "What respondents read first.",
        "minimum seconds": "Faster answers are marked, not removed.",
        "small cell": "Smaller counts by group are hidden.",
        "gap bands": "Bounds of the gap between answers and pass rate.",
        "scale": "The five points of agreement, and the answer that is none of them.",
        "dimensions": "What the items measure.",
        "background": "Questions about the respondent.",
        "items": "Statements to agree with.",
        "open question": "A question answered in own words.",
        "cause question": "Causes to tick.",
        "attention item": "An item that shows whether people read.",
    },
    "Text": {"en": "In English.", "zh": "In Chinese."},
    "Answer": {"code": "What a cell of the responses holds.", "label": "What the respondent reads."},
    "Point": {"code": "1 to 5.", "label": "What the respondent reads."},
    "Scale": {"points": "The five points.", "don't know": "The answer that is no point."},
    "Background": {
        "item": "The code of the question.",
        "text": "The question.",
        "answers": "The answers to choose from.",
        "ordered": "Whether a small group may join a neighbour.",
        "break down": "Whether items and causes are tabulated by it.",
    },
    "Item": {
        "item": "The code of the item.",
        "text": "The statement.",
        "dimensions": "What it measures.",
        "cause": "The cause that it speaks of.",
        "reverse": "Whether agreement is unfavourable: answers are then recoded.",
        "rules": "Rules whose pass rate the answers are compared with.",
        "note": "What these rules do not see, or why there are none.",
    },
    "OpenQuestion": {"item": "The code of the question.", "text": "The question."},
    "CauseQuestion": {
        "most": "How many causes may be ticked.",
        "text": "The question.",
        "causes": "The causes to choose from.",
    },
    "AttentionItem": {"text": "The instruction.", "expected": "The answer of who reads it."},
    "GapBands": {"consistent": "Up to here answers and pass rate agree.", "minor": "Above it they conflict."},
}


def schemas(more: Mapping[str, type[BaseModel]] | None = None, pack: Pack | None = None) -> dict[str, Schema]:
    """The schema of each kind of file, by name. `more`: models of kinds that other packages read.

    With a pack, its clauses, sources, causes, rules and facts are offered where they are referred to; what is not
    among them is no error, as the pack may grow.
    """
    found = {**_MODELS, **(more or {})}
    out: dict[str, Schema] = {}
    for kind in KINDS:
        if kind.name in ("sources", "causes"):
            out[kind.name] = _texts_by_key(kind)
        elif kind.name == "mapping":
            out[kind.name] = _mapping(kind)
        elif kind.name in found:
            out[kind.name] = _file(kind, found[kind.name])
    out[PART.name] = _part()
    if pack is not None:
        for schema in out.values():
            _offer(schema, pack)
    return out


def loan_file(vocabulary: Vocabulary) -> Schema:
    """The schema of a loan file as JSON: the facts and lists of a vocabulary, each with its labels."""
    properties: Schema = {
        "as_of": {"description": "The day of the book.", **_JSON["date"]},
        "id": {"description": "The id of the loan file.", "type": "string"},
    }
    needed: dict[str, list[str]] = {}
    for name, fact in vocabulary.facts.items():
        group, _, key = name.rpartition(".")
        if group not in properties:
            properties[group] = _record(vocabulary.groups.get(group, {}))
        properties[group]["properties"][key] = _labelled(fact)
        if fact.required:
            needed.setdefault(group, []).append(key)
    for group, keys in needed.items():
        properties[group]["required"] = keys
    for name, found in (*vocabulary.lists.items(), *vocabulary.reference.items()):
        item = _record({})
        item["properties"] = {key: _labelled(field) for key, field in found.fields.items()}
        properties[name] = {"description": _label(found.label), "type": ["array", "null"], "items": item}
    out = {"$schema": DRAFT, "title": f"Sancha: a loan file ({vocabulary.name})", "type": "object"}
    return {**out, "properties": properties, "required": sorted(needed), "additionalProperties": False}


_NUMBER: Schema = {"type": ["number", "string"], "pattern": r"^-?\d+(\.\d+)?$"}
#: The types of facts as JSON writes them.
_JSON: dict[str, Schema] = {
    "text": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "days": {"type": "integer"},
    "number": _NUMBER,
    "money": _NUMBER,
    "rate": _NUMBER,
    "date": {"type": "string", "format": "date", "pattern": _DAY},
    "date-time": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"},
}


def _label(texts: Mapping[str, str]) -> str:
    return " · ".join(texts.values())


def _record(label: Mapping[str, str]) -> Schema:
    out: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    return {"description": _label(label), **out} if label else out


def _labelled(fact: Field) -> Schema:
    """A fact or a field; null is missing."""
    text = f"{_label(fact.label)} ({fact.type.name})"
    return {"description": text, "anyOf": [_in_json(fact.type), {"type": "null"}]}


def _in_json(type_: t.Type) -> Schema:
    if type_.name == "list" and type_.item is not None:
        return {"type": "array", "items": _in_json(type_.item)}
    return {"enum": list(type_.values)} if type_.name == "one of" else dict(_JSON[type_.name])


def write_schemas(
    folder: Path, more: Mapping[str, type[BaseModel]] | None = None, pack: Pack | None = None
) -> list[Path]:
    """Writes each schema to FOLDER/NAME.schema.json, with a pack that of its loan files too. Returns the files."""
    files = []
    made = schemas(more, pack)
    if pack is not None:
        made[_LOAN_FILE] = loan_file(pack.vocabulary)
    for name, schema in made.items():
        files.append(folder / f"{name}.schema.json")
        _write(files[-1], schema)
    return files


def write_settings(
    folder: Path, more: Mapping[str, type[BaseModel]] | None = None, pack: Pack | None = None
) -> None:
    """Puts `.vscode` with settings, recommended extensions and the schemas into the folder of a pack."""
    home = folder / ".vscode"
    files = write_schemas(home / "schemas", more, pack)
    globs: dict[str, list[str]] = {}
    for file in files:
        name = file.name.removesuffix(".schema.json")
        if name == _LOAN_FILE:
            continue
        kind = next((k for k in KINDS if k.name == name), PART)
        others = [f"!{glob}" for k in KINDS for glob in k.globs] if kind is PART else []
        globs[f"./.vscode/schemas/{file.name}"] = [*kind.globs, *others]
    _write(
        home / "settings.json",
        {
            "yaml.schemas": globs,
            "json.schemas": [
                {"fileMatch": ["/files/*.json"], "url": f"./.vscode/schemas/{_LOAN_FILE}.schema.json"}
            ],
            "yaml.format.enable": False,
            "files.encoding": "utf8",
            "files.eol": "\n",
            "[yaml]": {"editor.insertSpaces": True, "editor.tabSize": 2, "editor.rulers": [120]},
        },
    )
    _write(home / "extensions.json", {"recommendations": ["redhat.vscode-yaml"]})


def _write(path: Path, value: Any) -> None:
    write_file(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


# -- from the models --------------------------------------------------------------------------------------------------


def _file(kind: Kind, model: type[BaseModel]) -> Schema:
    return {"$schema": DRAFT, "title": kind.title, **_of_model(model)}


def _of_model(model: type[BaseModel]) -> Schema:
    """The schema of a model, with what editors show."""
    raw = model.model_json_schema(by_alias=True)
    parts = raw.pop("$defs", {})
    out = _object(model.__name__, raw)
    if parts:
        out["$defs"] = {name: _object(name, part) for name, part in sorted(parts.items())}
    return out


def _object(name: str, raw: Schema) -> Schema:
    """One model of pydantic's schema."""
    properties = {
        key: _described(_value(key, part), _text_of(name, key))
        for key, part in raw.get("properties", {}).items()
    }
    out: Schema = {"type": "object"}
    if raw.get("description"):
        out["description"] = " ".join(raw["description"].split())
    out |= {"properties": properties, "additionalProperties": False}
    if raw.get("required"):
        out["required"] = raw["required"]
    for extra in (_BEYOND.get(name, {}), _SNIPPETS.get(name, {})):
        out |= extra
    if "for each" in properties:
        properties["for each"] |= {"type": "string", "pattern": _EACH}
    if name in _TYPED:
        properties["type"] = _described(_type(lists=name == "FieldFile"), _text_of(name, "type"))
    return out


def _text_of(name: str, key: str) -> str:
    return TEXTS.get(name, {}).get(key) or TEXTS["*"].get(key, "")


def _described(schema: Schema, text: str) -> Schema:
    """A schema with the text of its key; beside a reference, other keywords have no effect."""
    shown = {"description": text} if text else {}
    return {**shown, **({"allOf": [schema]} if "$ref" in schema else schema)}


def _value(key: str, raw: Schema) -> Schema:
    """The schema of a value: as packs read it, without what the models say to Python alone."""
    raw = {k: v for k, v in raw.items() if k not in ("title", "default", "description")}
    if "anyOf" in raw:
        options = [_value(key, part) for part in raw["anyOf"] if part.get("type") != "null"]
        return options[0] if len(options) == 1 else {"anyOf": _distinct(options)}
    if "$ref" in raw or "enum" in raw:
        return raw
    match raw.get("type"):
        case "string" if raw.get("format") == "date":
            return {"type": "string", "format": "date", "pattern": _DAY}
        case "string" if raw.get("pattern") == r"^[^\W\d]\w*$":
            return {"type": "string", "pattern": _NAME}
        case "string" if raw.get("pattern") not in (None, r"\S"):
            return {"type": "string", "pattern": raw["pattern"]}
        case "string":
            return dict(TEXT)
        case "array":
            return {**raw, "items": _value(key, raw["items"])}
        case "object" if "patternProperties" in raw:
            part = next(iter(raw["patternProperties"].values()))
            least = {"minProperties": raw["minProperties"]} if "minProperties" in raw else {}
            names = {_NAME: _value(key, part)}
            return {"type": "object", "patternProperties": names, "additionalProperties": False, **least}
        case "object":
            return _texts()
    return raw


def _distinct(options: Iterable[Schema]) -> list[Schema]:
    out: list[Schema] = []
    for option in options:
        out += [option] if option not in out else []
    return out


def _texts() -> Schema:
    """A text in each language."""
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z]{2,3}(-[A-Za-z0-9]+)*$"},
        "additionalProperties": dict(TEXT),
        "defaultSnippets": [{"label": "en, zh", "body": {"en": "$1", "zh": "$2"}}],
    }


def _type(lists: bool) -> Schema:
    options: list[Schema] = [{"enum": list(t.SCALARS)}, {"type": "string", "pattern": _ONE_OF}]
    if lists:
        options.append({"type": "string", "pattern": r"^list of (text|integer|date|one of \[.+\])$"})
    return {"anyOf": options, "defaultSnippets": [{"label": "one of [a, b]", "body": "one of [$1]"}]}


_TYPED = ("FactFile", "FieldFile", "ParameterFile", "DecisionFile", "InputFile", "OutputFile")


def _needs(key: str) -> Schema:
    """Either the rule has the key, or each of its versions."""
    each = {"required": ["versions"], "properties": {"versions": {"items": {"required": [key]}}}}
    return {"anyOf": [{"required": [key]}, each]}


_CHECK = ("require",)
_TRIGGER = ("for each", "from", "within", "expect")
_PORTFOLIO = ("where", "group by", "measure")


def _kind(kind: str, keys: Iterable[str], then: Schema) -> Schema:
    """What a rule of a kind needs, and the keys that do not belong to it."""
    foreign = dict.fromkeys(keys, False)
    condition: Schema = {"properties": {"kind": {"const": kind}}}
    if kind != "check":
        condition["required"] = ["kind"]
    return {"if": condition, "then": {"properties": foreign, **then}}


def _typed_values(name: str, value: Schema) -> Schema:
    """The values of a parameter are of its type."""
    then = {"values": {"items": {"properties": {"value": value}}}}
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {"properties": then},
    }


_DECIMAL: Schema = {
    "type": ["number", "string"],
    "pattern": r"^[-+]?([0-9_]+\.?[0-9_]*|\.[0-9_]+)([eE][-+]?[0-9]+)?$",
}
#: The values of parameters, by type, as `pack.constant` reads them.
_VALUES: dict[str, Schema] = {
    "money": _DECIMAL,
    "rate": _DECIMAL,
    "number": _DECIMAL,
    "integer": {"type": ["integer", "string"], "pattern": r"^-?[0-9]{1,18}$"},
    "boolean": {"enum": [True, False, "true", "false"]},
    "date": {"type": "string", "pattern": _DAY},
    "days": {"type": ["integer", "string"], "pattern": r"^-?(P[0-9]+D|[0-9]{1,7})$"},
}

_DATED: Schema = {"oneOf": [{"required": ["in force"]}, {"required": ["versions"]}]}
_ONE_DATE: Schema = {"not": {"required": ["in force", "versions"]}}
#: What the checker asks beyond the models, by model.
_BEYOND: dict[str, Schema] = {
    "RuleFile": {
        "allOf": [
            _kind(
                "check",
                (*_TRIGGER, *_PORTFOLIO),
                {"required": ["judged on"], "allOf": [_needs("require"), _DATED]},
            ),
            _kind(
                "trigger",
                (*_CHECK, *_PORTFOLIO),
                {"allOf": [*map(_needs, ("from", "within", "expect")), _DATED]},
            ),
            _kind(
                "portfolio",
                (*_TRIGGER, "applies when", "versions"),
                {"required": ["group by", "measure", "require", "in force"]},
            ),
        ]
    },
    "DecisionFile": {"allOf": [_needs("value"), _ONE_DATE]},
    "TableFile": {"allOf": [_needs("rows"), _ONE_DATE]},
    "ParameterFile": {"allOf": [_typed_values(name, value) for name, value in _VALUES.items()]},
    "InputFile": {"anyOf": [{"required": ["type"]}, {"required": ["expression"]}]},
}

_SNIPPETS: dict[str, Schema] = {
    "Interval": {"defaultSnippets": [{"label": "from", "body": {"from": "${1:2024-01-01}"}}]},
    "SourceRef": {
        "defaultSnippets": [{"label": "document, evidence", "body": {"document": "$1", "evidence": "${2:B}"}}]
    },
}


# -- rules, decisions, tables -----------------------------------------------------------------------------------------


def _part() -> Schema:
    """A rule, a decision or a table, told by its first key."""
    out: Schema = {"$schema": DRAFT, "title": PART.title, "type": "object"}
    parts: dict[str, Schema] = {}
    names: dict[str, type[BaseModel]] = {
        "rule": models.RuleFile,
        "decision": models.DecisionFile,
        "table": models.TableFile,
    }
    for model in names.values():
        schema = _of_model(model)
        parts |= schema.pop("$defs", {})
        parts[model.__name__] = schema
    lacking: Schema = {"anyOf": [{"required": [key]} for key in names]}
    chain: Schema = lacking
    for key, model in reversed(names.items()):
        ref = {"$ref": f"#/$defs/{model.__name__}"}
        chain = {"if": {"required": [key]}, "then": ref, "else": chain}
    return {**out, **chain, "defaultSnippets": _NEW, "$defs": dict(sorted(parts.items()))}


_HEAD: Schema = {"title": {"en": "$2", "zh": "$3"}, "stage": "${4|pre-loan,in-loan,post-loan|}"}
_TAIL: Schema = {
    "impact": "${10|formal,control,regulatory,fraud|}",
    "cause": "$11",
    "clause": "$12",
    "source": {"document": "$13", "evidence": "${14|V-text,V-law,V-sec,V-prac,R-hi,R-lo,B|}"},
    "finding": {"en": "$15", "zh": "$16"},
    "recommend": {"en": "$17", "zh": "$18"},
}
_SINCE: Schema = {"in force": {"from": "${5:2024-01-01}"}}
_NEW: list[Schema] = [
    {
        "label": "rule: check",
        "description": "A file must satisfy a condition.",
        "body": {
            "rule": "${1:CR-01}",
            **_HEAD,
            "judged on": "${6:approval.decided_on}",
            **_SINCE,
            "applies when": "$7",
            "require": "$8",
            **_TAIL,
        },
    },
    {
        "label": "rule: trigger",
        "description": "Something must follow an event in time.",
        "body": {
            "rule": "${1:CR-01}",
            "kind": "trigger",
            **_HEAD,
            **_SINCE,
            "for each": "${6:d in disbursements}",
            "from": "${7:d.date}",
            "within": "${8:10 working days}",
            "expect": "$9",
            **_TAIL,
        },
    },
    {
        "label": "rule: portfolio",
        "description": "Over the book, a limit for each group.",
        "body": {
            "rule": "${1:CR-01}",
            "kind": "portfolio",
            **_HEAD,
            **_SINCE,
            "where": "${6:loan.balance > 0}",
            "group by": "$7",
            "measure": "${8:loan.balance}",
            "require": "share <= ${9:0.25}",
            **_TAIL,
        },
    },
    {
        "label": "decision",
        "description": "A named value that rules use.",
        "body": {
            "decision": "$1",
            "title": {"en": "$2", "zh": "$3"},
            "type": "${4|boolean,integer,number,money,rate,date,days,text|}",
            "value": "$5",
            "clause": "$6",
            "source": {"document": "$7", "evidence": "${8:B}"},
        },
    },
    {
        "label": "table",
        "description": "A decision table, its rows in a CSV file.",
        "body": {
            "table": "$1",
            "title": {"en": "$2", "zh": "$3"},
            "hit policy": "${4|unique,first,any,collect sum,collect min,collect max,collect count|}",
            "inputs": [{"name": "$5", "expression": "$6"}],
            "outputs": [{"name": "$7", "type": "${8:integer}"}],
            "rows": "$1.csv",
            "clause": "$9",
            "source": {"document": "$10", "evidence": "${11:B}"},
        },
    },
]


def _texts_by_key(kind: Kind) -> Schema:
    return {
        "$schema": DRAFT,
        "title": kind.title,
        "type": "object",
        "description": "A key, and its text in each language of the pack.",
        "additionalProperties": _texts(),
    }


# -- mappings ---------------------------------------------------------------------------------------------------------

_COLUMNS: Schema = {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}
_NOTHING: Schema = {"type": "null"}
_WHERE: Schema = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            *_COLUMNS["anyOf"],
            _NOTHING,
            {
                "type": "object",
                "properties": {"not": {"anyOf": [*_COLUMNS["anyOf"], _NOTHING]}},
                "additionalProperties": False,
            },
        ]
    },
}
#: The keys of mappings: what they mean, and their values.
_MAPPING_KEYS: dict[str, tuple[str, Schema]] = {
    "mapping": ("The name of the mapping.", TEXT),
    "vocabulary": ("The vocabulary.yaml, from the folder of this file.", TEXT),
    "as of": ("The day of the book.", {"type": "string", "format": "date", "pattern": _DAY}),
    "synthetic": ("Whether the data are made up.", {"type": "boolean"}),
    "origin": ("Where the data come from.", TEXT),
    "time zone": ("Date-times with an offset become local times of this zone.", TEXT),
    "root": ("The source with one row a loan file.", TEXT),
    "file": ("CSV (also .csv.gz), XLSX or Parquet, within SOURCE.", TEXT),
    "sheet": ("The sheet of an XLSX file.", TEXT),
    "skip": ("How many lines stand above the header.", {"type": "integer", "minimum": 0}),
    "encoding": ("The encoding of the text, such as utf-8 or gb18030.", TEXT),
    "delimiter": (
        "What separates the cells of a CSV file.",
        {"type": "string", "minLength": 1, "maxLength": 1},
    ),
    "quote": ("The quotation mark of a CSV file, or `none`.", {"type": "string"}),
    "line breaks": ("Whether fields may hold line breaks.", {"type": "boolean"}),
    "where": ("The rows that count: column: value, [values] or {not: value}.", _WHERE),
    "key": ("The columns that tell the rows apart.", _COLUMNS),
    "joined by": ("What joins several columns; `-` if left out.", TEXT),
    "looked up by": ("The columns of the root that hold the key of this source.", _COLUMNS),
    "order by": ("The columns by which rows are sorted, with their types.", {"type": ["object", "array"]}),
    "column": ("The column of the value.", TEXT),
    "columns": ("Columns whose texts are joined.", {"type": "array", "items": TEXT, "minItems": 1}),
    "constant": ("The same value for every row.", TEXT),
    "codes": (
        "The code list: text of the extract: value of the vocabulary; `null` is missing.",
        {"type": "object", "additionalProperties": {"anyOf": [TEXT, _NOTHING]}},
    ),
    "otherwise": (
        "Texts outside the code list: reject, missing, read (by the type), or {value: …}.",
        {
            "anyOf": [
                {"enum": ["reject", "missing", "read"]},
                {"type": "object", "properties": {"value": TEXT}, "additionalProperties": False},
            ]
        },
    ),
    "empty": ("Texts that mean missing.", _COLUMNS),
    "unit": ("The unit of the numbers.", {"enum": list(m.UNITS)}),
    "times": ("A whole factor.", {"type": "integer", "minimum": 2}),
    "currency": ("Signs that amounts may carry.", _COLUMNS),
    "decimal mark": ("The decimal mark.", {"type": "string", "minLength": 1, "maxLength": 1}),
    "thousands mark": ("The thousands mark.", {"type": "string", "minLength": 1, "maxLength": 1}),
    "round": ("Without it a value with too many places is rejected.", {"enum": ["half up"]}),
    "format": ("One or several date formats, such as yyyy-mm-dd or d-mmm-yy.", _COLUMNS),
    "date format": ("One or several date formats, such as yyyy-mm-dd or d-mmm-yy.", _COLUMNS),
    "century": (
        "The 100 years of two-digit years, such as 1960..2059.",
        {"type": "string", "pattern": r"^\d{4}\.\.\d{4}$"},
    ),
    "width": ("Leading zeros that were lost are put back.", {"type": "integer", "minimum": 1}),
    "split by": ("What separates the values of a list.", TEXT),
    "from": ("The source.", TEXT),
    "take": ("Which of the rows of another source gives the value.", {"enum": list(m.TAKES)}),
    "when none": ("The value without any row.", TEXT),
}


def _keys(names: Iterable[str], required: Iterable[str] = ()) -> Schema:
    known = {name: _MAPPING_KEYS.get(name, ("", {})) for name in names}
    properties = {name: _described(schema, text) for name, (text, schema) in known.items()}
    out: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return out | ({"required": list(required)} if required else {})


def _mapping(kind: Kind) -> Schema:
    """A mapping, which is read without models: `engine/book/mapping.py` knows its keys."""

    def short(names: Iterable[str]) -> Schema:
        return {"anyOf": [TEXT, _keys(names)]}

    def listed(more: Iterable[str]) -> Schema:
        item = _keys(("from", "where", *more), ("from",))
        fields = {"type": "object", "additionalProperties": short(m.FIELD_KEYS)}
        item["properties"]["fields"] = {"description": "The fields of an item.", **fields}
        none = {"description": "Of a file without rows: empty or missing.", "enum": ["empty", "missing"]}
        item["properties"]["when none"] = none
        return {"type": "object", "additionalProperties": item}

    top = _keys(k for k in m.TOP_KEYS if k not in ("sources", "facts", "lists", "reference"))
    source = _keys((*m.SOURCE_KEYS,))
    top["properties"] |= {
        "sources": {
            "description": "The files of the extract, and how they are written.",
            "type": "object",
            "additionalProperties": {"anyOf": [source, _NOTHING]},
            "minProperties": 1,
        },
        "facts": {
            "description": "Facts of the vocabulary: a column, or how it is read.",
            "type": "object",
            "additionalProperties": short(m.FACT_KEYS),
        },
        "lists": {"description": "Lists of the vocabulary: one item a row.", **listed(())},
        "reference": {"description": "Lists of the book.", **listed(())},
    }
    top["required"] = ["mapping", "as of", "root", "sources", "facts"]
    return {"$schema": DRAFT, "title": kind.title, **top}


# -- what a pack offers -----------------------------------------------------------------------------------------------


def _offer(schema: Schema, pack: Pack) -> None:
    """Adds the names of a pack as examples, which editors complete and do not insist on."""
    facts = list(pack.vocabulary.facts)
    dates = [n for n, f in pack.vocabulary.facts.items() if f.type == t.DATE]
    offers = {
        ("RuleFile", "cause"): list(pack.causes),
        ("RuleFile", "judged on"): [*dates, "as_of"],
        ("WaiverFile", "rule"): list(pack.rules),
        ("SourceRef", "document"): list(pack.sources),
        ("Dimensions", "branch"): [n for n in facts if t.is_text(pack.vocabulary.facts[n].type)],
        ("Dimensions", "product"): [n for n in facts if t.is_text(pack.vocabulary.facts[n].type)],
        ("Dimensions", "owner"): [n for n in facts if t.is_text(pack.vocabulary.facts[n].type)],
        ("Dimensions", "exposure"): [n for n in facts if pack.vocabulary.facts[n].type == t.MONEY],
        ("GroupFile", "known on"): [*dates, "as_of"],
        ("FactFile", "known on"): [*dates, "as_of"],
        **{
            (name, "clause"): list(pack.clauses)
            for name in ("RuleFile", "DecisionFile", "TableFile", "VersionFile")
        },
    }
    for (name, key), values in offers.items():
        part = schema.get("$defs", {}).get(name)
        if part is not None and key in part["properties"]:
            part["properties"][key] |= {"type": ["string", "number"], "examples": values}
