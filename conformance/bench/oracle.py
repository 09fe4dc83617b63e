"""Rate of the oracle: python -m bnconform.conformance.bench.oracle [N C H W] [--dtype float32].

Times train forward and backward (y, dx, dgamma, dbeta, batch and running statistics), all rounded, and prints elements
of x a second of processor time (whatever else the machine does) and how many elements double-double arithmetic left to
exact arithmetic.
"""

import argparse
import time

import numpy as np

from bnconform.oracle import evaluate
from bnconform.oracle.formats import FORMATS, format_of


def measure(shape, dtype) -> tuple[float, dict]:
    """(seconds of processor time, proof by output) for one train step on normal random data."""
    generator = np.random.default_rng(0)
    to = format_of(dtype).dtype
    x, dy = (generator.standard_normal(shape).astype(to) for _ in range(2))
    gamma, beta = generator.standard_normal((2, shape[1])).astype(to)
    start = time.process_time()
    (out,) = evaluate(
        [{"mode": "train", "x": x, "dy": dy}],
        gamma=gamma,
        beta=beta,
        running_mean=np.zeros(shape[1], to),
        running_var=np.ones(shape[1], to),
        eps=1e-5,
        decay=0.9,
        running_ddof=1,
        channel_axes=(1,),
    )
    for exact in out.values():
        exact.round(dtype)
    return time.process_time() - start, {name: exact.proof for name, exact in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", nargs="*", type=int, default=[32, 64, 56, 56])
    parser.add_argument("--dtype", choices=FORMATS, default="float32")
    arguments = parser.parse_args()
    seconds, proofs = measure(tuple(arguments.shape), arguments.dtype)
    size = int(np.prod(arguments.shape))
    print(
        f"x {tuple(arguments.shape)} {arguments.dtype}: {size / seconds:,.0f} elements per "
        f"core-second ({seconds:.2f} s)"
    )
    for name in ("y", "dx"):
        proof = proofs[name]
        print(f"{name}: {proof.exact} of {proof.elements} undecided ({proof.exact / proof.elements:.2e})")


if __name__ == "__main__":
    main()
