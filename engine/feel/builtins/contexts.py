"""Functions on contexts (DMN 1.5, 10.3.4.10)."""

from __future__ import annotations

from typing import Any

from sancha.engine.feel import values
from sancha.engine.feel.builtins.registry import FeelError, builtin

Context = dict[str, Any]


@builtin("get value(m: context, key: string)", example=('get value({a: 1}, "a")', "1"))
def get_value(m: Context, key: str) -> Any:
    """The value of an entry; null if there is none of that key."""
    return m.get(key)


@builtin("get value(context: context, keys: list)", example=('get value({a: {b: 1}}, ["a", "b"])', "1"))
def get_value_nested(context: Context, keys: list[Any]) -> Any:
    """The value at the end of a path of keys; null if the path leads nowhere. In several tools, not in the standard."""
    found: Any = context if keys else None
    for key in _keys(keys):
        found = found.get(key) if isinstance(found, dict) else None
    return found


@builtin("get entries(m: context)", example=("get entries({a: 1})", '[{key: "a", value: 1}]'))
def get_entries(m: Context) -> list[Context]:
    """The entries as a list of contexts of `key` and `value`."""
    return [{"key": key, "value": value} for key, value in m.items()]


@builtin("context(entries: list)", example=('context([{key: "a", value: 1}])', "{a: 1}"))
def context(entries: list[Any]) -> Context:
    """The context of the entries, contexts of `key` and `value`; null if a key stands twice or is not a string."""
    made: Context = {}
    for entry in entries:
        if not isinstance(entry, dict) or "value" not in entry or not isinstance(entry.get("key"), str):
            raise FeelError("an entry is not a context of a `key`, a string, and a `value`")
        if entry["key"] in made:
            raise FeelError(f'two entries have the key "{entry["key"]}"')
        made[entry["key"]] = entry["value"]
    return made


@builtin(
    "context put(context: context, key: string, value: any)",
    example=('context put({a: 1}, "b", 2)', "{a: 1, b: 2}"),
)
def context_put(context: Context, key: str, value: Any) -> Context:
    """The context with this entry, which takes the place of one of the same key."""
    return {**context, key: value}


@builtin(
    "context put(context: context, keys: list, value: any)",
    example=('context put({a: {b: 1}}, ["a", "b"], 2)', "{a: {b: 2}}"),
)
def context_put_nested(context: Context, keys: list[Any], value: Any) -> Context:
    """The context with a new value at the end of a path of keys; all keys but the last must lead to contexts."""
    if not keys:
        raise FeelError("the list of keys is empty")
    path = [context]
    *outer, last = _keys(keys)
    for key in outer:
        inner = path[-1].get(key)
        if not isinstance(inner, dict):
            raise FeelError(f'"{key}" leads to a {values.kind_of(inner)}, not to a context')
        path.append(inner)
    made = {**path.pop(), last: value}
    while outer:
        made = {**path.pop(), outer.pop(): made}
    return made


@builtin("context merge(contexts: list)", example=("context merge([{a: 1}, {a: 2, b: 3}])", "{a: 2, b: 3}"))
def context_merge(contexts: list[Any]) -> Context:
    """All entries in one context; of two entries with the same key the later one counts."""
    made: Context = {}
    for part in contexts:
        if not isinstance(part, dict):
            raise FeelError(f"the list holds a {values.kind_of(part)}, not only contexts")
        made |= part
    return made


def _keys(keys: list[Any]) -> list[str]:
    for key in keys:
        if not isinstance(key, str):
            raise FeelError(f"a key is a {values.kind_of(key)}, not a string")
    return keys
