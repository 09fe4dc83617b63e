"""python -m bnconform.conformance.mistakes: compute the matrix and write it; see `cli` for the options."""

import sys

from .cli import mutants

if __name__ == "__main__":
    mutants(sys.argv[1:] or ["--write"], prog_name="python -m bnconform.conformance.mistakes")
