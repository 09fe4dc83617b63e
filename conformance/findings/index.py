"""The index of the findings: a table in README.md, between two comments, made by running every script."""

import re

from . import FOLDER, Finding, findings, run, version

README = FOLDER / "README.md"
BLOCK = re.compile(r"(?<=<!-- findings -->\n).*?(?=<!-- end -->)", re.S)


def row(finding: Finding, status: str) -> str:
    """One line of the table."""
    ran_on = ", ".join(f"{module} {version(module)}" for module in finding.needs) if status != "not installed" else "-"
    guard = " ".join(f"`{case}`" for case in finding.cases) or "none"
    link = f"[{finding.title}]({finding.name}.md)"
    return f"| {link} | {finding.fields['framework']} | {finding.fields['kind']} | {ran_on} | {status} | {guard} |"


def table(statuses: dict[str, str]) -> str:
    """The whole table, by name of the finding."""
    head = "| finding | framework | kind | script ran on | still there? | guarded by |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"{row(finding, statuses[name])}\n" for name, finding in findings().items())


def write() -> dict[str, str]:
    """Run all scripts and write the table anew; the statuses by name."""
    statuses = {name: run(finding).status for name, finding in findings().items()}
    README.write_text(BLOCK.sub(lambda _: table(statuses), README.read_text()))
    return statuses
