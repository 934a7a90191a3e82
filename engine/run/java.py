"""The static methods of Java's own library that decision models name as external functions.

DMN 1.5, 10.3.2.13.3 and table 47: an external function names a class and a method with the types of its parameters;
values are converted to those types where that is possible, and null stands where it is not. No Java runs here, and no
other class can be reached: of `java.lang`, what computes on numbers and texts is known by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

from sancha.engine.feel.errors import FeelError
from sancha.engine.feel.values import to_text

_SIGNATURE = re.compile(r"\s*([A-Za-z_$][\w$]*)\s*\((.*)\)\s*", re.S)
#: The sizes of Java's whole numbers in bits.
_BITS = {"byte": 8, "short": 16, "int": 32, "long": 64}
_BOXED = {
    "java.lang.Byte": "byte",
    "java.lang.Short": "short",
    "java.lang.Integer": "int",
    "java.lang.Long": "long",
    "java.lang.Float": "float",
    "java.lang.Double": "double",
    "java.lang.Boolean": "boolean",
    "java.lang.Character": "char",
}
_OBJECTS = frozenset(("[Ljava.lang.Object;", "java.lang.Object[]", "Object[]", "java.lang.Object..."))


def method(class_name: str, signature: str) -> Callable[..., Any]:
    """A static method as a function of FEEL's values. Raises FeelError for one that is not known."""
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        raise FeelError(f"`{signature}` is no method signature", "external function")
    name = match[1]
    types = [_BOXED.get(t, t) for t in (part.strip() for part in match[2].split(",")) if t]
    known = _CLASSES.get(class_name.strip(), {}).get(name)
    if known is None:
        raise FeelError(f"there is no external function {class_name}.{name} here", "external function")

    def run(*arguments: Any) -> Any:
        if len(arguments) != len(types) and not (types and types[-1] in _OBJECTS):
            raise FeelError(f"{name} takes {len(types)} arguments, not {len(arguments)}", "external function")
        values = _variable(types, arguments) if types and types[-1] in _OBJECTS else arguments
        given = [_to_java(value, type_) for value, type_ in zip(values, types, strict=True)]
        try:
            return _from_java(known(*given))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise FeelError(f"{name}: {error}", "external function") from None

    return run


def _variable(types: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
    """The arguments with those of a variable parameter gathered in a list."""
    fixed = len(types) - 1
    if len(arguments) == len(types) and isinstance(arguments[fixed], list):
        return list(arguments)
    return [*arguments[:fixed], list(arguments[fixed:])]


def _to_java(value: Any, type_: str) -> Any:
    def refuse() -> FeelError:
        return FeelError(f"a value is no {type_}", "external function")

    if value is None:
        if type_ in _BITS or type_ in ("float", "double", "boolean", "char"):
            raise refuse()
        return None
    if type_ in _BITS:
        if not isinstance(value, Decimal) or value != value.to_integral_value():
            raise refuse()
        if not -(1 << (_BITS[type_] - 1)) <= value < 1 << (_BITS[type_] - 1):
            raise refuse()
        return int(value)
    if type_ in ("float", "double", "java.math.BigDecimal", "java.lang.Number"):
        if not isinstance(value, Decimal):
            raise refuse()
        return float(value) if type_ in ("float", "double") else value
    if type_ == "boolean":
        if not isinstance(value, bool):
            raise refuse()
        return value
    if type_ in ("java.lang.String", "String", "java.lang.CharSequence", "char"):
        if not isinstance(value, str) or (type_ == "char" and len(value) != 1):
            raise refuse()
        return value
    return value


def _from_java(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str | Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ArithmeticError("the result is no number")
        return Decimal(repr(value))
    return value


#: Numbers are written with as many places as are asked for.
_WIDE = Context(prec=6_200)
_FORMAT = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def _format(pattern: str, arguments: list[Any]) -> str:
    """`String.format` with the conversions for texts, whole numbers, fractions, booleans and new lines."""
    position = 0

    def one(match: re.Match[str]) -> str:
        nonlocal position
        index, flags, width, precision, kind = match.groups()
        if kind in "n%":
            return "\n" if kind == "n" else "%"
        if index is None:
            position += 1
        at = (int(index) if index else position) - 1
        if not 0 <= at < len(arguments):
            raise ValueError(f"there is no argument {at + 1}")
        text = _converted(arguments[at], kind, flags, precision)
        if width:
            if len(width) > 4:
                raise ValueError(f"a width of {width} is too large")
            fill = "0" if "0" in flags and "-" not in flags else " "
            text = text.ljust(int(width)) if "-" in flags else text.rjust(int(width), fill)
        return text

    return _FORMAT.sub(one, pattern)


def _converted(value: Any, kind: str, flags: str, precision: str | None) -> str:
    comma, sign = "," if "," in flags else "", "+" if "+" in flags else ""
    match kind:
        case "s" | "S":
            text = "null" if value is None else to_text(value)
            text = text if precision is None else text[: int(precision)]
            return text.upper() if kind == "S" else text
        case "d":
            if not isinstance(value, Decimal) or value != value.to_integral_value():
                raise ValueError("%d takes a whole number")
            return format(int(value), f"{sign}{comma}d")
        case "f":
            if not isinstance(value, Decimal):
                raise ValueError("%f takes a number")
            if precision is not None and len(precision) > 3:
                raise ValueError(f"{precision} places are too many")
            places = Decimal(1).scaleb(-int(precision if precision is not None else 6))
            return format(value.quantize(places, ROUND_HALF_UP, _WIDE), f"{sign}{comma}f")
        case "b":
            return str(value).lower() if isinstance(value, bool) else str(value is not None).lower()
    raise ValueError(f"unknown conversion %{kind}")


def _java_round(value: float) -> int:
    return int((Decimal(value) + Decimal("0.5")).to_integral_value(ROUND_FLOOR))


def _rint(value: float) -> float:
    return float(round(value))


def _whole(text: str, radix: int = 10) -> int:
    if not re.fullmatch(r"[+-]?[0-9A-Za-z]+", text):
        raise ValueError(f"{text!r} is no whole number")
    return int(text, radix)


def _fraction(text: str) -> float:
    value = float(text)
    if "_" in text or not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value


def _compared(a: Any, b: Any) -> int:
    return int(a > b) - int(a < b)


_NUMBER: dict[str, Callable[..., Any]] = {
    "compare": _compared,
    "max": max,
    "min": min,
    "sum": lambda a, b: a + b,
}
_WHOLE: dict[str, Callable[..., Any]] = {**_NUMBER, "signum": lambda a: _compared(a, 0), "abs": abs}
_CLASSES: dict[str, dict[str, Callable[..., Any]]] = {
    "java.lang.Math": {
        **{
            n: getattr(math, n)
            for n in ("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh")
        },
        **{n: getattr(math, n) for n in ("exp", "expm1", "log10", "log1p", "sqrt", "cbrt", "pow", "hypot")},
        "log": lambda a: math.log(a),
        "abs": abs,
        "max": max,
        "min": min,
        "ceil": lambda a: float(math.ceil(a)),
        "floor": lambda a: float(math.floor(a)),
        "rint": _rint,
        "round": _java_round,
        "signum": lambda a: float(_compared(a, 0)),
        "toDegrees": math.degrees,
        "toRadians": math.radians,
        "addExact": lambda a, b: a + b,
        "subtractExact": lambda a, b: a - b,
        "multiplyExact": lambda a, b: a * b,
        "negateExact": lambda a: -a,
        "floorDiv": lambda a, b: a // b,
        "floorMod": lambda a, b: a % b,
    },
    "java.lang.String": {
        "format": _format,
        "valueOf": lambda a: (
            "null" if a is None else to_text(a) if not isinstance(a, int | float) else str(a)
        ),
        "join": lambda separator, parts: separator.join(map(to_text, parts)),
    },
    "java.lang.Byte": {**_NUMBER, "valueOf": _whole, "parseByte": _whole},
    "java.lang.Short": {**_NUMBER, "valueOf": _whole, "parseShort": _whole},
    "java.lang.Integer": {
        **_WHOLE,
        "valueOf": lambda a: a if isinstance(a, int) else _whole(a),
        "parseInt": _whole,
    },
    "java.lang.Long": {
        **_WHOLE,
        "valueOf": lambda a: a if isinstance(a, int) else _whole(a),
        "parseLong": _whole,
    },
    "java.lang.Float": {
        **_NUMBER,
        "valueOf": lambda a: a if isinstance(a, float) else _fraction(a),
        "parseFloat": _fraction,
    },
    "java.lang.Double": {
        **_NUMBER,
        "valueOf": lambda a: a if isinstance(a, float) else _fraction(a),
        "parseDouble": _fraction,
    },
    "java.lang.Boolean": {
        "valueOf": lambda a: a if isinstance(a, bool) else a.lower() == "true",
        "parseBoolean": lambda a: a.lower() == "true",
        "logicalAnd": lambda a, b: a and b,
        "logicalOr": lambda a, b: a or b,
        "logicalXor": lambda a, b: a != b,
    },
    "java.lang.Character": {
        "isDigit": str.isdigit,
        "isLetter": str.isalpha,
        "toString": lambda a: a,
        "valueOf": lambda a: a,
    },
}
