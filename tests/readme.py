"""Code blocks of README.md by the comment that marks them."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def block(mark: str) -> str:
    """The fenced block between `<!-- mark -->` and `<!-- end -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```\n<!-- end -->", README.read_text(), re.S)
    assert found, f"README.md has no block marked {mark!r}"
    return found[1]
