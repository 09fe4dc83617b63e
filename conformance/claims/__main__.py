"""`python -m bnconform.conformance.claims`: the same as `bnconform claims`."""

from .cli import claims

claims(prog_name="bnconform claims")
