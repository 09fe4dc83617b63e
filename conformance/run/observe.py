"""Case + adapter -> Observation: the only place where a backend is called."""

import math
import time
import traceback

import numpy as np

from bnconform.backends.contract import Config

from ..cases.memory import arrange, words
from ..operations import GIVEN, STATE, Unsupported, batches, of_step
from ..records import Case, Failure, Observation
from ..text import clean
from ..text import name as shown


def config_of(case: Case, device: str, defaults: bool = False) -> Config:
    """What the layer of a case is built for. defaults: it is not told eps and decay."""
    told = {"eps": math.nan, "decay": math.nan} if defaults else {"eps": case.eps, "decay": case.decay}
    return Config(
        shape=case.shape,
        channel_axes=case.channel_axes,
        x_dtype=case.x_dtype,
        param_dtype=case.param_dtype,
        state_dtype=case.state_dtype,
        device=device,
        defaults=defaults,
        as_built=case.as_built,
        **told,
    )


def observe(
    case: Case, backend: type, inputs: dict[str, np.ndarray], device: str = "cpu", defaults: bool = False
) -> Observation:
    """Run all steps of `case` on a fresh layer of `backend`.

    inputs: tensors by name, as `Golden.inputs` gives them. defaults: as of `config_of`. What the backend raises becomes
    the observation's failure; outputs of the steps before it are kept.
    """
    session = _Session(case, inputs)
    started = time.perf_counter()
    failure = None
    try:
        session.play(backend, config_of(case, device, defaults))
    except Unsupported as reason:
        failure = Failure("unsupported", "", str(reason), session.step)
    except Exception as error:  # whatever a backend raises is a result
        failure = Failure("raised", shown(type(error).__name__), _text(error), session.step)
    return Observation(case.id, session.outputs, tuple(session.changed), failure, time.perf_counter() - started)


def _text(error: Exception) -> str:
    """The message, and the innermost line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    return clean(error) + place


class _Session:
    """One layer's life: what it was given, what it gave, and whether it changed what was not its own."""

    def __init__(self, case, inputs):
        self.case, self.inputs = case, inputs
        self.outputs, self.changed, self.step = {}, [], None
        self.lent, self.buffers, self.given_out = [], {}, []

    def lend(self, name, array):
        """Hand an array out and remember its bytes."""
        if array is not None:
            self.lent.append((name, array, array.tobytes()))
        return array

    def play(self, backend, config):
        given = {name: None if self.case.as_built else self.inputs.get(name) for name in GIVEN}
        shared, layer = self.case.one_object, None
        given |= dict.fromkeys(shared, given[shared[0]] if shared else None)
        given = [self.lend(name, value) for name, value in given.items()]
        for self.step, step in enumerate(self.case.steps):
            operations = of_step(step)
            static = operations[-1].static
            if layer is None and not static:
                layer = backend(config, *given)
            values = self._values(config, given, step, operations[-1])
            for _ in range(step.options.get("repeat", 1)):
                out = {}
                for operation in operations:
                    out = _mapping(operation.ask(backend if static else layer, values), operation.method) | out
            self._check_given_out()
            self._keep(out, step)
            if set(STATE) & set(step.outputs) and not static:
                self._keep(_mapping(layer.state(), "state"), step)
            self._check_lent()

    def _values(self, config, given, step, operation):
        """What the adapter's methods may take: the tensors of a step, its options, its mode."""
        options = {name: tuple(value) if isinstance(value, list) else value for name, value in step.options.items()}
        arrays = {name: self._laid_out(name, step) for name in step.inputs}
        values = {"mode": "train" if operation.training else "infer", "config": config} | options | arrays
        if operation.static:
            values |= dict(zip(GIVEN, given))
            values |= {"batches": batches(arrays["x"], options["sizes"])} if "sizes" in options else {}
        return values

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

    def _keep(self, outputs, step):
        for name, value in outputs.items():
            if name in step.outputs and value is not None:
                array = np.asarray(value)
                if any(np.shares_memory(array, lent) for _, lent, _ in self.lent):
                    self.changed.append(f"{self.step}.{name} shares memory with an input")
                self.outputs[f"{self.step}.{name}"] = array.copy()
                if name not in STATE:
                    self.given_out.append((f"{self.step}.{name}", array))

    def _check_given_out(self):
        """What an earlier step gave out stays as it was, whatever the layer does next; the state may be a live one."""
        for name, array in self.given_out:
            if array.tobytes() != self.outputs[name].tobytes():
                self.changed.append(f"{name} was changed by step {self.step}")
        self.given_out = [entry for entry in self.given_out if entry[1].tobytes() == self.outputs[entry[0]].tobytes()]

    def _check_lent(self):
        for name, array, before in self.lent:
            if array.tobytes() != before:
                self.changed.append(f"{name} was changed in step {self.step}")
        self.lent = [entry for entry in self.lent if entry[1].tobytes() == entry[2]]


def _mapping(outputs, what):
    if not hasattr(outputs, "items"):
        raise TypeError(f"{what} returned {type(outputs).__name__}, expected a mapping of output names to arrays")
    return dict(outputs)
