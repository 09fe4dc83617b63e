"""NumPy to torch and back; shared by every adapter that runs on torch."""

import numpy as np
import torch

from bnconform.dtypes import dtype

from .errors import NoGpu


def place(device: str) -> torch.device:
    """torch's name of "cpu" or "gpu". Errors: NoGpu."""
    if device == "gpu" and not torch.cuda.is_available():
        raise NoGpu("torch.cuda.is_available() is False")
    return torch.device("cuda" if device == "gpu" else "cpu")


def settings(device: str) -> dict:
    """What beside torch's version may change numbers."""
    place(device)
    common = {"deterministic algorithms": torch.are_deterministic_algorithms_enabled()}
    if device == "cpu":
        return {"threads": torch.get_num_threads(), "instructions": torch.backends.cpu.get_cpu_capability()} | common
    cudnn = torch.backends.cudnn
    return {
        "device": torch.cuda.get_device_name(),
        "CUDA": torch.version.cuda,
        "cuDNN": (
            f"{cudnn.version()} (enabled {cudnn.enabled}, deterministic {cudnn.deterministic}, "
            f"benchmark {cudnn.benchmark})"
        ),
        "TF32": f"matmul {torch.backends.cuda.matmul.allow_tf32}, cuDNN {cudnn.allow_tf32}",
    } | common


def tensor(array, device="cpu"):
    """A tensor with the values and, on the CPU, the strides and the memory of `array`; None stays None.

    torch has no negative strides: an array that has some is copied.

    NumPy knows bfloat16 only through ml_dtypes, torch does not know ml_dtypes: the bits travel as int16.
    """
    if array is None:
        return None
    if min(array.strides, default=0) < 0:
        array = array.copy()
    if array.dtype == dtype("bfloat16"):
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(array).to(device)


def array(value) -> np.ndarray:
    """A new NumPy array with the values of a tensor."""
    value = value.detach().cpu()
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy().copy().view(dtype("bfloat16"))
    return value.numpy().copy()


def finished(run, device):
    """`run`, which then returns when the device has finished."""
    return run if torch.device(device).type == "cpu" else lambda: (run(), torch.cuda.synchronize())


def arrays(tensors: dict) -> dict:
    """The tensors that are there, as arrays."""
    return {name: array(value) for name, value in tensors.items() if value is not None}
