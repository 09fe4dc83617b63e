"""Case + adapter -> Observation: the only place where a backend is called."""

import time
import traceback

import numpy as np

from bnconform.backends.contract import Config

from ..cases.memory import arrange, words
from ..records import Case, Failure, Observation

STATE = ("running_mean", "running_var")
PARAMETERS = ("gamma", "beta", *STATE)


class Unsupported(Exception):
    """The backend lacks what a case needs; the text is the reason."""


def config_of(case: Case, device: str) -> Config:
    """What the layer of a case is built for."""
    return Config(
        shape=case.shape,
        channel_axes=case.channel_axes,
        eps=case.eps,
        decay=case.decay,
        x_dtype=case.x_dtype,
        param_dtype=case.param_dtype,
        state_dtype=case.state_dtype,
        device=device,
    )


def observe(case: Case, backend: type, inputs: dict[str, np.ndarray], device: str = "cpu") -> Observation:
    """Run all steps of `case` on a fresh layer of `backend`.

    inputs: tensors by name, as `Golden.inputs` gives them. What the backend raises becomes the observation's
    failure; outputs of the steps before it are kept.
    """
    session = _Session(case, inputs)
    started = time.perf_counter()
    failure = None
    try:
        session.play(backend, config_of(case, device))
    except Unsupported as reason:
        failure = Failure("unsupported", "", str(reason), session.step)
    except Exception as error:  # whatever a backend raises is a result
        failure = Failure("raised", type(error).__name__, _text(error), session.step)
    return Observation(case.id, session.outputs, tuple(session.changed), failure, time.perf_counter() - started)


def _text(error: Exception) -> str:
    """The message, and the innermost line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    return f"{error}"[:2000] + place


class _Session:
    """One layer's life: what it was given, what it gave, and whether it changed what was not its own."""

    def __init__(self, case, inputs):
        self.case, self.inputs = case, inputs
        self.outputs, self.changed, self.step = {}, [], None
        self.lent, self.buffers = [], {}

    def lend(self, name, array):
        """Hand an array out and remember its bytes."""
        if array is not None:
            self.lent.append((name, array, array.tobytes()))
        return array

    def play(self, backend, config):
        given = {name: self.inputs.get(name) for name in PARAMETERS}
        layer = None
        for self.step, step in enumerate(self.case.steps):
            if step.mode in ("fold", "population"):
                self._static(backend, config, given, step)
                continue
            if layer is None:
                layer = backend(config, *(self.lend(name, value) for name, value in given.items()))
            arrays = {name: self._laid_out(name, step) for name in step.inputs}
            self._keep(self._call(layer, step, arrays), step)
            if self.case.has_state:
                self._keep(layer.state(), step)
            self._check_lent()

    def _laid_out(self, name, step):
        """A step's tensor as its memory words say; with the option "refill" in the buffer that an earlier step used for
        it, where that has the shape."""
        value, word = self.inputs[f"{self.step}.{name}"], words(step.memory)[name != "x"]
        key = name, value.shape, word
        buffer = self.buffers.get(key) if step.options.get("refill") else None
        if buffer is None or word == "expanded":
            self.buffers[key] = buffer = arrange(value, word)
        else:
            self.lent = [entry for entry in self.lent if entry[1] is not buffer]
            buffer[...] = value
        return self.lend(f"{self.step}.{name}", buffer)

    def _call(self, layer, step, arrays):
        """The method of the layer for a step, with what that step brings."""
        x, dy = arrays.pop("x"), arrays.pop("dy", None)
        train = "train" if step.mode == "train" else "infer"
        if "mask" in arrays:
            return _method(layer, "train_masked")(x, dy, arrays["mask"])
        if "sizes" in step.options:
            return _method(layer, "train_shards")(x, dy, tuple(step.options["sizes"]))
        if step.mode == "renorm":
            return _method(layer, "train_renorm")(x, dy, **step.options)
        if step.mode == "frozen":
            return getattr(layer, "frozen", layer.infer)(x, dy)
        out = {}
        if "x_dot" in arrays:
            tangents = [arrays.get(name) for name in ("x_dot", "gamma_dot", "beta_dot")]
            out |= _method(layer, "jvp")(train, x, *tangents)
        if "u_x" in arrays:
            cotangents = [arrays.get(name) for name in ("u_x", "u_gamma", "u_beta")]
            out |= _method(layer, "double_backward")(train, x, dy, *cotangents)
        # the plain step comes last: it is the one that moves the state
        return _mapping(getattr(layer, train)(x, dy), train) | out

    def _static(self, backend, config, given, step):
        """What needs no layer."""
        if step.mode == "fold":
            weight, bias = (self.inputs.get(f"{self.step}.{name}") for name in ("weight", "bias"))
            arrays = [self.lend(name, value) for name, value in (("weight", weight), ("bias", bias))]
            state = {name: self.lend(name, value) for name, value in given.items()}
            self._keep(_method(backend, "fold")(config, *arrays, **state, **step.options), step)
        else:
            batches = np.split(self.lend("x", self.inputs[f"{self.step}.x"]), np.cumsum(step.options["sizes"])[:-1])
            self._keep(_method(backend, "population")(config, batches), step)
        self._check_lent()

    def _keep(self, outputs, step):
        for name, value in _mapping(outputs, step.mode).items():
            if name in step.outputs and value is not None:
                array = np.asarray(value)
                if any(np.shares_memory(array, lent) for _, lent, _ in self.lent):
                    self.changed.append(f"{self.step}.{name} shares memory with an input")
                self.outputs[f"{self.step}.{name}"] = array.copy()

    def _check_lent(self):
        for name, array, before in self.lent:
            if array.tobytes() != before:
                self.changed.append(f"{name} was changed in step {self.step}")
        self.lent = [entry for entry in self.lent if entry[1].tobytes() == entry[2]]


def _method(owner, name):
    method = getattr(owner, name, None)
    if method is None:
        raise Unsupported(f"the backend has no {name}")
    return method


def _mapping(outputs, what):
    if not hasattr(outputs, "items"):
        raise TypeError(f"{what} returned {type(outputs).__name__}, expected a mapping of output names to arrays")
    return dict(outputs)
