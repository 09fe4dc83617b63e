"""The one error of the definition: an input outside a clause's domain [BN-8.1]."""


class DomainError(ValueError):
    """Input outside the domain of a clause of SPEC.md.

    The message says what was got, what was expected, and the clause;
    `clause` holds the clause alone (for example "BN-1.3").
    """

    def __init__(self, message: str, clause: str) -> None:
        super().__init__(f"{message} [{clause}]")
        self.clause = clause

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        bare = self.args[0].removesuffix(f" [{self.clause}]")
        return (DomainError, (bare, self.clause))
