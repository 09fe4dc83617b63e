"""`python -m bnconform.conformance.bench`."""

from .cli import bench

bench(prog_name="bnconform bench")
