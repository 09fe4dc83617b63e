"""Anybody's array as NumPy's, without importing the library it comes from."""

import ml_dtypes
import numpy as np


def as_numpy(value) -> np.ndarray:
    """The same values in the same type.

    PyTorch's tensors are taken out of the graph and off their device; its bfloat16, which NumPy cannot read, passes
    through float32, which holds every one of its values.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype).endswith("bfloat16"):
            return np.asarray(value.float()).astype(ml_dtypes.bfloat16)
    return np.asarray(value)
