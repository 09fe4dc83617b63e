"""The page of claims: one HTML file with its figures inside, nothing loaded from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from .record import CONDITIONS, FAILS, HOLDS, Result, interval

CSS_CLASS = {HOLDS: "holds", CONDITIONS: "conditions", FAILS: "fails"}


def render(results: Sequence[Result], facts: Mapping[str, Any]) -> str:
    """The page's HTML. Figures are data URIs, so that ids inside one SVG cannot meet those of another."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader(__package__),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(default=True),
    )
    environment.filters["interval"] = interval
    environment.filters["css"] = CSS_CLASS.__getitem__
    environment.filters["data_uri"] = _data_uri
    counts = [(verdict, sum(r.verdict == verdict for r in results)) for verdict in (HOLDS, CONDITIONS, FAILS)]
    return environment.get_template("claims.html").render(results=results, facts=facts, counts=counts)


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
