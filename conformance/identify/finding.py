"""One row of the table: a property, what was found, the evidence, and whether it is what was declared."""

from dataclasses import asdict, dataclass

SKIPPED = "not probed"


@dataclass(frozen=True)
class Finding:
    """property, finding: words. evidence: the numbers behind it. declared: what the adapter, a known difference or the
    definition says. agrees: None where nothing was found or nothing is declared."""

    property: str
    finding: str
    evidence: str
    declared: str = ""
    agrees: bool | None = None

    def to_json(self) -> dict:
        return asdict(self)


def against(property, finding, evidence, declared, source="") -> Finding:
    """A finding compared with what was declared, as words."""
    return Finding(
        property, str(finding), evidence, f"{declared}{f' ({source})' if source else ''}", str(finding) == str(declared)
    )


def skipped(property, why) -> Finding:
    """A property that could not be probed, and why."""
    return Finding(property, SKIPPED, why)
