"""One line for one's own tests: arrays held against the exact values, within what their arithmetic is allowed.

    from bnconform.testing import check_train
    check_train(x, gamma, beta, eps=1e-5, dy=dy, y=y, dx=dx, running_var=new_var)

Arrays are NumPy's, PyTorch's, TensorFlow's, JAX's, or anything else that `numpy.asarray` reads. No adapter, no run: one
step, its outputs as far as they are given, the oracle's answer and the allowance of the declared arithmetic.
"""

from .checks import check_infer, check_train

__all__ = ["check_infer", "check_train"]
