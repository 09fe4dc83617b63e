"""The cases of `--quick`: every mutant is killed by one of them with a score of at least 5, in few shapes.

Most of the time of a quick run goes into compiling, once for each shape, type and mode. The set was found by covering
all mutants at the least number of such compilations, from `mistakes/kills.json`; cases that cost no further
compilation, and a few that a reader would miss, were added. The kill matrix says when a mutant survives it.
"""

_BY_FAMILY = {
    "sizes": "plane-7",
    "history": "refilled same-input state-once inference-around cumulative-300",
    "built": "own-values equal-values one-gamma-running_var one-beta-running_mean stateless-nchw stateless-inference",
    "inference": "vector variances at-the-mean",
    "mixtures": "float32-bfloat16-bfloat16",
    "shapes": "dense nchw nhwc ncdhw per-activation per-activation-swapped channels-1000",
    "memory": """
        sliced-nchw transposed-nchw channels-last-nchw offset-nchw strided-last-nchw apart-nchw apart-nchw-back
        apart-column apart-column-back apart-image reversed-nchw expanded-one-nchw expanded-pooled-nchw
    """,
    "running": "decay-0.9-dense decay-0-dense cumulative-dense paired-ddof",
    "population": "dense",
    "mode": "alternating frozen",
    "parameters": """
        eps-half-dense eps-comparable-dense eps-zero gamma-zero-nchw gamma-negative-nchw gamma-huge-nchw no-gamma-nchw
        no-beta-nchw beta-zero-nchw eps-rounded-float16 eps-vanishing-float16
    """,
    "dtypes": "float64-dense bfloat16-dense float16-mixed-nchw float64-close float16-overflow signed-zeros-mixed",
    "degenerate": "m1-dense empty-dense cumulative-empty constant-large constant-eps-zero rows-65537",
    "nonfinite": "nan nan-inference inf",
    "conditioning": "ratio-1e0-nchw ratio-1e3-nchw ratio-1e5-nchw scale-float16-huge",
    "gradients": "cubic-nchw constant-nchw large-nchw tiny-nchw subnormal-dense jvp-dense second-order-dense",
    "masks": "dense element sample float64 all-true-dense",
    "synchronized": "unequal with-empty",
    "renorm": "clipped open",
    "folding": """
        conv-transposed-grouped conv-sequence conv-volume depthwise depthwise-transposed gamma-zero small-variance
        float16-no-bias
    """,
    "errors": """
        gamma-shape beta-one running-shape dy-shape channel-axis eps-negative decay-above-one integer-input mask-float
        renorm-limits population-small fold-length
    """,
    "laws": "shift-dense scale-dense permute-dense independent-dense sums-dense modes-dense",
}

QUICK = frozenset(f"{family}/{name}" for family, names in _BY_FAMILY.items() for name in names.split())
