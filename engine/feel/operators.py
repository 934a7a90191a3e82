"""The one table of meaning: every operator and function, with its types, its row and its SQL meaning, its text.

The parser reads the names, the checker the types, the row evaluator `python`, the columnar compiler `sql`,
the manual `doc` and `example`. All operators here are strict: a missing operand makes the result missing.
`and`, `or`, `not`, `if`, the quantifiers, and the aggregates over lists are not: they stand in `FORMS`,
and their meaning is three-valued (Kleene) logic over the items.

`python` speaks the names of `engine/run/runtime.py`; `sql` is DuckDB, over DECIMAL for numbers. Where a number
needs its scale planned, the columnar compiler plans it and the template shows the meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sancha.engine.feel.types import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAYS,
    INTEGER,
    INTEGRAL,
    MONEY,
    MONTHS,
    NUMBER,
    NUMERAL,
    TEXT,
    Type,
    is_number,
    is_text,
)


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table. `partial`: the result may be missing although no operand is (division by zero)."""

    name: str
    params: tuple[Type, ...]
    result: Type
    python: str
    sql: str
    doc: str
    example: tuple[str, str]
    names: tuple[str, ...] = ()
    partial: bool = False

    @property
    def key(self) -> str:
        """The row's name with its operand types: `+(date, days)`."""
        return f"{self.name}({', '.join(map(str, self.params))})"


@dataclass(frozen=True, slots=True)
class Form:
    """A construct that is not strict: its meaning is fixed by the checker's core, here stand its name and text."""

    name: str
    doc: str
    example: tuple[str, str]
    names: tuple[str, ...] = ()


def accepts(param: Type, given: Type) -> bool:
    """Whether a value of type `given` may stand where an operator takes `param`."""
    if given.name == "error":
        return True
    if param == INTEGER:
        return given.name == "integer" or (given.name == "numeral" and given.values == ("integer",))
    if param == NUMBER:
        return is_number(given)
    if param == MONEY:
        return given.name in ("money", "numeral")
    if param == TEXT:
        return is_text(given)
    return param.name == given.name


def resolve(name: str, given: Sequence[Type]) -> Operator | None:
    """The first row of that name that takes these operands, or None."""
    for row in BY_NAME.get(name, ()):
        if len(row.params) == len(given) and all(map(accepts, row.params, given)):
            return row
    return None


def result_type(row: Operator, given: Sequence[Type]) -> Type:
    """The row's result; arithmetic on written numbers alone stays a written number."""
    if row.result.name in ("number", "integer") and given and all(t.name == "numeral" for t in given):
        return INTEGRAL if row.result == INTEGER else NUMERAL
    return row.result


def _comparisons() -> list[Operator]:
    rows = []
    words = {
        "=": ("==", "=", "equal to"),
        "!=": ("!=", "<>", "not equal to"),
        "<": ("<", "<", "less than"),
        "<=": ("<=", "<=", "at most"),
        ">": (">", ">", "greater than"),
        ">=": (">=", ">=", "at least"),
    }
    kinds = [(NUMBER, "1", "2"), (MONEY, "1", "2"), (TEXT, '"a"', '"b"'), (DATE, '@"2024-01-30"', '@"2024-01-31"'),
             (DATE_TIME, '@"2024-01-30T09:00:00"', '@"2024-01-30T10:00:00"'), (DAYS, '@"P1D"', '@"P2D"'),
             (MONTHS, '@"P1M"', '@"P1Y"'), (BOOLEAN, "true", "false")]  # fmt: skip
    truth = {"=": "false", "!=": "true", "<": "true", "<=": "true", ">": "false", ">=": "false"}
    for op, (python, sql, word) in words.items():
        for kind, a, b in kinds:
            if kind == BOOLEAN and op not in ("=", "!="):
                continue
            rows.append(
                Operator(op, (kind, kind), BOOLEAN, f"({{0}} {python} {{1}})", f"({{0}} {sql} {{1}})",
                         f"Whether the left is {word} the right. With a missing operand the answer is unknown.",
                         (f"{a} {op} {b}", truth[op]))
            )  # fmt: skip
    return rows


def _arithmetic() -> list[Operator]:
    rows: list[Operator] = []

    def row(op: str, a: Type, b: Type, result: Type, python: str, sql: str, doc: str, ex: tuple[str, str],
            partial: bool = False) -> None:  # fmt: skip
        rows.append(Operator(op, (a, b), result, python, sql, doc, ex, partial=partial))

    for op, fn, word in (("+", "ADD", "Sum"), ("-", "SUBTRACT", "Difference"), ("*", "MULTIPLY", "Product")):
        value = {"+": "5", "-": "1", "*": "6"}[op]
        row(op, INTEGER, INTEGER, INTEGER, f"({{0}} {op} {{1}})", f"({{0}} {op} {{1}})",
            f"{word} of two whole numbers.", (f"3 {op} 2", value))  # fmt: skip
        row(op, NUMBER, NUMBER, NUMBER, f"{fn}({{0}}, {{1}})", f"({{0}} {op} {{1}})",
            f"{word}, to 34 digits, half to even.",
            (f"3.5 {op} 2", {"+": "5.5", "-": "1.5", "*": "7"}[op]))  # fmt: skip
        if op != "*":
            row(op, MONEY, MONEY, MONEY, f"{fn}({{0}}, {{1}})", f"({{0}} {op} {{1}})",
                f"{word} of two amounts.", (f"3 {op} 2", value))  # fmt: skip
    row(
        "*",
        MONEY,
        NUMBER,
        MONEY,
        "MULTIPLY({0}, {1})",
        "({0} * {1})",
        "An amount times a number.",
        ("3 * 2", "6"),
    )
    row(
        "*",
        NUMBER,
        MONEY,
        MONEY,
        "MULTIPLY({0}, {1})",
        "({0} * {1})",
        "A number times an amount.",
        ("3 * 2", "6"),
    )
    row("*", DAYS, INTEGER, DAYS, "({0} * {1})", "({0} * {1})", "A span of days, several times.",
        ('@"P5D" * 3', "P15D"))  # fmt: skip
    row("*", INTEGER, DAYS, DAYS, "({0} * {1})", "({0} * {1})", "Several times a span of days.",
        ('3 * @"P5D"', "P15D"))  # fmt: skip
    row("/", NUMBER, NUMBER, NUMBER, "(DIVIDE({0}, {1}) if {1} else None)", "({0} / {1})",
        "Quotient, to 34 digits, half to even. Division by zero is unknown.", ("1 / 8", "0.125"), True)  # fmt: skip
    row("/", MONEY, NUMBER, MONEY, "(DIVIDE({0}, {1}) if {1} else None)", "({0} / {1})",
        "An amount divided by a number. Division by zero is unknown.", ("1 / 8", "0.125"), True)  # fmt: skip
    row("/", MONEY, MONEY, NUMBER, "(DIVIDE({0}, {1}) if {1} else None)", "({0} / {1})",
        "The ratio of two amounts is a number. Division by zero is unknown.", ("1 / 8", "0.125"), True)  # fmt: skip
    row("+", DATE, DAYS, DATE, "ADD_DAYS({0}, {1})", "sancha_add_days({0}, {1})",
        "The date so many days later.", ('@"2024-02-28" + @"P2D"', "2024-03-01"))  # fmt: skip
    row("-", DATE, DAYS, DATE, "ADD_DAYS({0}, -{1})", "sancha_add_days({0}, -CAST({1} AS HUGEINT))",
        "The date so many days earlier.", ('@"2024-03-01" - @"P1D"', "2024-02-29"))  # fmt: skip
    row("+", DATE, MONTHS, DATE, "ADD_MONTHS({0}, {1})", "sancha_add_months({0}, {1})",
        "The date so many months later; where that month is shorter, its last day.",
        ('@"2024-01-31" + @"P1M"', "2024-02-29"))  # fmt: skip
    row("-", DATE, MONTHS, DATE, "ADD_MONTHS({0}, -{1})", "sancha_add_months({0}, -CAST({1} AS HUGEINT))",
        "The date so many months earlier; where that month is shorter, its last day.",
        ('@"2024-03-31" - @"P1M"', "2024-02-29"))  # fmt: skip
    row("-", DATE, DATE, DAYS, "({0} - {1}).days", "CAST({0} - {1} AS BIGINT)",
        "The days from the right date to the left.", ('@"2024-03-01" - @"2024-02-28"', "P2D"))  # fmt: skip
    row("+", DAYS, DAYS, DAYS, "({0} + {1})", "({0} + {1})", "Sum of two spans.", ('@"P1D" + @"P2D"', "P3D"))
    row(
        "-",
        DAYS,
        DAYS,
        DAYS,
        "({0} - {1})",
        "({0} - {1})",
        "Difference of two spans.",
        ('@"P3D" - @"P2D"', "P1D"),
    )
    row(
        "+",
        TEXT,
        TEXT,
        TEXT,
        "({0} + {1})",
        "({0} || {1})",
        "One text after the other.",
        ('"a" + "b"', '"ab"'),
    )
    for kind, python, ex in ((INTEGER, "(-{0})", ("-(3)", "-3")), (NUMBER, "MINUS({0})", ("-(3.5)", "-3.5")),
                             (MONEY, "MINUS({0})", ("-(3.5)", "-3.5")), (DAYS, "(-{0})", ('-@"P3D"', "-P3D")),
                             (MONTHS, "(-{0})", ('-@"P3M"', "-P3M"))):  # fmt: skip
        rows.append(Operator("negate", (kind,), kind, python, "(-{0})", "The negative.", ex))
    rows.append(Operator("**", (NUMBER, INTEGER), NUMBER, "POWER({0}, {1})", "({0} ** {1})",
                         "Power with a whole exponent, to 34 digits. Unknown for 0 ** 0, for 0 to a negative "
                         "power, and beyond 6,144 places.", ("1.1 ** 2", "1.21"), partial=True))  # fmt: skip
    return rows


def _functions() -> list[Operator]:
    def fn(name: str, params: tuple[Type, ...], names: tuple[str, ...], result: Type, python: str, sql: str,
           doc: str, ex: tuple[str, str], partial: bool = False) -> Operator:  # fmt: skip
        return Operator(name, params, result, python, sql, doc, ex, names, partial)

    rows = [
        fn("abs", (INTEGER,), ("n",), INTEGER, "abs({0})", "abs({0})", "The value without its sign.", ("abs(-3)", "3")),
        fn("abs", (NUMBER,), ("n",), NUMBER, "ABS({0})", "abs({0})", "The value without its sign.",
           ("abs(-3.5)", "3.5")),
        fn("abs", (MONEY,), ("n",), MONEY, "ABS({0})", "abs({0})", "The amount without its sign.", ("abs(-3)", "3")),
        fn("abs", (DAYS,), ("n",), DAYS, "abs({0})", "abs({0})", "The span without its sign.",
           ('abs(-@"P3D")', "P3D")),
        fn("floor", (NUMBER,), ("n",), INTEGER, "FLOOR({0})", "floor({0})",
           "The largest whole number that is at most n.", ("floor(-1.5)", "-2")),
        fn("ceiling", (NUMBER,), ("n",), INTEGER, "CEILING({0})", "ceil({0})",
           "The smallest whole number that is at least n.", ("ceiling(-1.5)", "-1")),
        fn("modulo", (INTEGER, INTEGER), ("dividend", "divisor"), INTEGER, "MODULO({0}, {1})", "modulo({0}, {1})",
           "The remainder, with the sign of the divisor. By zero: unknown.", ("modulo(-7, 3)", "2"), True),
    ]  # fmt: skip
    for name, mode, word in (
        ("decimal", "HALF_EVEN", "half to even"),
        ("round half up", "HALF_UP", "half away from zero"),
        ("round up", "UP", "away from zero"),
        ("round down", "DOWN", "towards zero"),
    ):
        value = {"HALF_EVEN": "2.12", "HALF_UP": "2.13", "UP": "2.13", "DOWN": "2.12"}[mode]
        for kind in (NUMBER, MONEY):
            rows.append(fn(name, (kind, INTEGER), ("n", "scale"), kind, f"ROUND_{mode}({{0}}, {{1}})",
                           f"{name.replace(' ', '_')}({{0}}, {{1}})",
                           f"n rounded to so many places, {word}.", (f"{name}(2.125, 2)", value)))  # fmt: skip
    for kind, a, b in ((INTEGER, "3", "5"), (NUMBER, "3.5", "5"), (MONEY, "3", "5"),
                       (DATE, '@"2024-01-01"', '@"2024-01-02"'), (DAYS, '@"P1D"', '@"P2D"')):  # fmt: skip
        low, high = (a.strip('@"'), b.strip('@"'))
        rows.append(fn("min", (kind, kind), ("a", "b"), kind, "min({0}, {1})",
                       "CASE WHEN {0} <= {1} THEN {0} WHEN {0} > {1} THEN {1} END",
                       "The smaller. Missing if either is missing.", (f"min({a}, {b})", low)))  # fmt: skip
        rows.append(fn("max", (kind, kind), ("a", "b"), kind, "max({0}, {1})",
                       "CASE WHEN {0} >= {1} THEN {0} WHEN {0} < {1} THEN {1} END",
                       "The larger. Missing if either is missing.", (f"max({a}, {b})", high)))  # fmt: skip
    rows += [
        fn("contains", (TEXT, TEXT), ("text", "match"), BOOLEAN, "({1} in {0})", "contains({0}, {1})",
           "Whether the text holds the other.", ('contains("foobar", "ob")', "true")),
        fn("starts with", (TEXT, TEXT), ("text", "match"), BOOLEAN, "{0}.startswith({1})", "starts_with({0}, {1})",
           "Whether the text begins with the other.", ('starts with("foobar", "fo")', "true")),
        fn("ends with", (TEXT, TEXT), ("text", "match"), BOOLEAN, "{0}.endswith({1})", "ends_with({0}, {1})",
           "Whether the text ends with the other.", ('ends with("foobar", "ar")', "true")),
        fn("string length", (TEXT,), ("text",), INTEGER, "len({0})", "length({0})",
           "The number of characters.", ('string length("三查")', "2")),
        fn("lower case", (TEXT,), ("text",), TEXT, "LOWER({0})", "lower({0})",
           "The text in small letters, character by character.", ('lower case("aBc")', '"abc"')),
        fn("upper case", (TEXT,), ("text",), TEXT, "UPPER({0})", "upper({0})",
           "The text in capital letters, character by character.", ('upper case("aBc")', '"ABC"')),
        fn("substring", (TEXT, INTEGER, INTEGER), ("text", "start", "length"), TEXT, "SUBSTRING({0}, {1}, {2})",
           "sancha_substring({0}, {1}, {2})",
           "So many characters from the start on; the first character is 1, the last is -1. A start of 0 or a length "
           "below 1: unknown.", ('substring("foobar", 3, 2)', '"ob"'), True),
        fn("date", (DATE_TIME,), ("from",), DATE, "{0}.date()", "CAST({0} AS DATE)",
           "The day of a date-time.", ('date(@"2024-01-30T23:59:59")', "2024-01-30")),
        fn("days between", (DATE, DATE), ("from", "to"), INTEGER, "({1} - {0}).days", "CAST({1} - {0} AS BIGINT)",
           "The number of days from the first date to the second.",
           ('days between(@"2024-02-28", @"2024-03-01")', "2")),
        fn("months between", (DATE, DATE), ("from", "to"), INTEGER, "MONTHS_BETWEEN({0}, {1})",
           "sancha_months_between({0}, {1})",
           "Completed months from the first date to the second: the most months that can be added to `from` without "
           "going past `to`. Where `to` is earlier, the months are counted back in the same way and are negative.",
           ('months between(@"2024-01-31", @"2024-02-29")', "1")),
        fn("years between", (DATE, DATE), ("from", "to"), INTEGER, "YEARS_BETWEEN({0}, {1})",
           "sancha_years_between({0}, {1})",
           "Completed years from the first date to the second, as an age is counted.",
           ('years between(@"2020-02-29", @"2021-02-28")', "1")),
        fn("working days between", (DATE, DATE), ("from", "to"), INTEGER, "WORKING_DAYS_BETWEEN({0}, {1})",
           "sancha_working_days_between({0}, {1})",
           "Working days of the pack's calendar after the first date up to and including the second; negative where "
           "`to` is earlier. Outside the calendar: unknown.",
           ('working days between(@"2024-06-07", @"2024-06-11")', "1"), True),
        fn("add working days", (DATE, INTEGER), ("from", "days"), DATE, "ADD_WORKING_DAYS({0}, {1})",
           "sancha_add_working_days({0}, {1})",
           "The working day that is so many working days after the date. Outside the calendar: unknown.",
           ('add working days(@"2024-06-07", 1)', "2024-06-11"), True),
        fn("seconds between", (DATE_TIME, DATE_TIME), ("from", "to"), NUMBER, "SECONDS_BETWEEN({0}, {1})",
           "sancha_seconds_between({0}, {1})", "Seconds from the first time to the second, to the microsecond.",
           ('seconds between(@"2024-01-01T00:00:00", @"2024-01-01T00:01:00")', "60")),
    ]  # fmt: skip
    for part in ("year", "month", "day"):
        for kind, ex in ((DATE, '@"2024-05-17"'), (DATE_TIME, '@"2024-05-17T10:30:00"')):
            value = {"year": "2024", "month": "5", "day": "17"}[part]
            rows.append(Operator(f".{part}", (kind,), INTEGER, f"{{0}}.{part}", f"{part}({{0}})",
                                 f"The {part} of a date.", (f"{ex}.{part}", value)))  # fmt: skip
    for part, value in (("hour", "10"), ("minute", "30")):
        rows.append(Operator(f".{part}", (DATE_TIME,), INTEGER, f"{{0}}.{part}", f"{part}({{0}})",
                             f"The {part} of a date-time.", (f'@"2024-05-17T10:30:00".{part}', value)))  # fmt: skip
    rows.append(Operator(".weekday", (DATE,), INTEGER, "{0}.isoweekday()", "isodow({0})",
                         "The day of the week: 1 is Monday, 7 is Sunday.", ('@"2024-05-17".weekday', "5")))  # fmt: skip
    return rows


OPERATORS: tuple[Operator, ...] = tuple(_comparisons() + _arithmetic() + _functions())
BY_NAME: dict[str, tuple[Operator, ...]] = {
    name: tuple(row for row in OPERATORS if row.name == name)
    for name in dict.fromkeys(r.name for r in OPERATORS)
}

FORMS: tuple[Form, ...] = (
    Form("and", "True if all are true, false if one is false, otherwise unknown.", ("true and false", "false")),
    Form("or", "True if one is true, false if all are false, otherwise unknown.", ("true or false", "true")),
    Form("not", "The opposite; unknown stays unknown.", ("not(true)", "false"), ("negand",)),
    Form("= null", "Whether a fact is missing. Never unknown. `!= null` is the opposite.", ("null = null", "true")),
    Form("if", "`if c then a else b`: unknown if the condition is unknown.", ("if true then 1 else 2", "1")),
    Form("in", "Whether a value is one of a list, within a range, or passes one of several tests.",
         ("5 in [1..5]", "true")),
    Form("between", "`x between a and b` is `x >= a and x <= b`.", ("5 between 1 and 5", "true")),
    Form("some", "Whether an item satisfies the condition; unknown if none surely does and one may.",
         ('some s in ["a", "b"] satisfies s = "a"', "true")),
    Form("every", "Whether all items satisfy the condition; true for an empty list.",
         ('every s in ["a", "b"] satisfies s = "a"', "false")),
    Form("count", "How many items; unknown if the list is missing, or an item may or may not be in it.",
         ('count(["a", "b"])', "2"), ("list",)),
    Form("sum", "The sum of the items; 0 for an empty list; unknown if an item is missing.", ("sum([1, 2])", "3"),
         ("list",)),
    Form("mean", "The mean of the items; unknown for an empty list or if an item is missing.", ("mean([1, 2])", "1.5"),
         ("list",)),
    Form("min", "The smallest item; unknown for an empty list or if an item is missing.", ("min([1, 2])", "1"),
         ("list",)),
    Form("max", "The largest item; unknown for an empty list or if an item is missing.", ("max([1, 2])", "2"),
         ("list",)),
    Form("distinct values", "The items without repetition; stands within `count`.",
         ('count(distinct values(["a", "b", "a"]))', "2"), ("list",)),
    Form("list contains", "Whether an item of the list is equal to the value.",
         ('list contains(["a", "b"], "a")', "true"), ("list", "element")),
)  # fmt: skip

#: All names that are called like functions; those of several words are read as one name before `(`.
FUNCTIONS: frozenset[str] = frozenset(
    [row.name for row in OPERATORS if row.names] + [form.name for form in FORMS if form.names]
)
