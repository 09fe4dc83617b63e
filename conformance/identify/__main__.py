"""`python -m bnconform.conformance.identify IMPL`: the command by itself, and the table of all with `--table`.

python -m bnconform.conformance.identify --table [IMPL ...]    identify all that are installed, write README.md
"""

import sys

from .cli import identify
from .table import write

if __name__ == "__main__":
    if sys.argv[1:2] == ["--table"]:
        sys.exit(write(sys.argv[2:]))
    identify(prog_name="bnconform identify")
