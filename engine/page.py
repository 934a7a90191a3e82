"""What the HTML pages share: how templates are read, and the style: colours for light and dark, type, tables, print."""

from __future__ import annotations

from importlib import resources

import jinja2


def environment(package: str) -> jinja2.Environment:
    """The templates of a package. What they are given is escaped; a name that they are not given is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_css() -> str:
    """The shared style sheet; what is a page's own stands behind it."""
    return resources.files("sancha.engine").joinpath("page.css").read_text(encoding="utf-8")
