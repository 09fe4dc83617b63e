"""The tiled engine under the adapter of the reference: only what is timed differs.

`tests/reference/test_engine.py` holds its numbers to the reference's.
"""

import os

from bnconform import engine
from bnconform.backends.numpy_ import NumpyReference


class Engine(NumpyReference):
    """Forward and backward are two calls; outputs have the type of the input."""

    def timed(self, operation, x, dy):
        threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())
        self.words = self.common | {"out_dtype": self.config.x_dtype, "threads": threads}
        saved = self.forward(x) if operation == "backward" else None
        calls = {
            "forward": lambda: self.forward(x),
            "backward": lambda: self.backward(x, dy, saved),
            "step": lambda: self.step(x, dy),
            "inference": lambda: engine.inference_forward(x, self.gamma, self.beta, **self.statistics, **self.words),
        }
        return calls[operation]

    def forward(self, x):
        return engine.train_forward(x, self.gamma, self.beta, **self.words)

    def backward(self, x, dy, saved):
        return engine.train_backward(dy, x, self.gamma, saved=saved, **self.words)

    def step(self, x, dy):
        saved = self.forward(x)
        return saved, self.backward(x, dy, saved)


class FusedEngine(Engine):
    """Forward and backward in one sweep."""

    def step(self, x, dy):
        return engine.train_step(dy, x, self.gamma, self.beta, **self.words)


OWN = {"numpy-engine": f"{__name__}:{Engine.__name__}", "numpy-engine-fused": f"{__name__}:{FusedEngine.__name__}"}
