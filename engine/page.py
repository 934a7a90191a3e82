"""The style that the HTML pages share: colours for light and dark, type, tables, the head of a page, print."""

from __future__ import annotations

from importlib import resources


def page_css() -> str:
    """The shared style sheet; what is a page's own stands behind it."""
    return resources.files("sancha.engine").joinpath("page.css").read_text(encoding="utf-8")
