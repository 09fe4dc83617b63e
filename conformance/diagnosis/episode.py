"""A case as diagnosis sees it, step by step: what was given, and what a layer gives from the state that was observed.

Every step goes on from the state that the implementation itself gave out after the step before. So a wrong running
variance does not count against the y that follows from it, each step of each channel is a sample of its own, and what
deviates in a step goes wrong in that step.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bnconform.dtypes import dtype, smallest, unit_roundoff

from ..cases.memory import arrange, words
from ..judge.allowances import allowances, output_dtype
from ..mistakes.extended import layer
from ..operations import GIVEN, STATE, batches
from ..operations import of_step as operations_of
from ..records import FAILED, Case, Observation
from ..run.observe import config_of, observe
from .attributes import of_step

CALLS = 40  # of a layer, likewise
LARGE = 60_000  # values of a case beyond which it is looked at only if it failed
SLACK = 4.0  # a prediction is off by its own roundings, an observation by its own
CANCELLED = 64  # roundings of the largest value: a wrong formula may cancel where the right one does not


UNJUDGED = 2.0  # allowances by which a fresh problem must be off to deviate


class Facts:
    """What is known of a case before anything is observed; shared by all implementations of the same conventions."""

    def __init__(self, case: Case, inputs: dict, conventions, wanted=None):
        self.case, self.inputs, self.conventions = case, inputs, conventions
        self.config = config_of(case, "cpu")
        if wanted is None:
            found = observe(
                case,
                layer(exactly=True, running_ddof=conventions.running_ddof),
                {n: a.copy() for n, a in inputs.items()},
            )
            wanted = {name: (value, np.asarray(value, np.float64)) for name, value in found.outputs.items()}
        self.wanted = {name: np.asarray(wide, np.float64) for name, (_, wide) in wanted.items()}
        self.given, self.others = wanted, {}

    @cached_property
    def allowed(self) -> dict:
        """Allowances by output name."""
        found = allowances(self.case, self.inputs, self.conventions, self.given)
        return {name: np.broadcast_to(value.element, self.wanted[name].shape) for name, value in found.items()}

    def kind(self, name) -> str:
        return output_dtype(self.case, name.split(".", 1)[1], self.conventions)

    def rows(self, name, array):
        """An output as (channels, values); one row where channels cannot be told apart."""
        case, index = self.case, name.split(".", 1)[0]
        mode = case.steps[int(index)].mode
        if mode in ("fold", "population"):
            return np.reshape(array, (1, -1))
        count = int(np.prod([case.shape[axis] for axis in case.channel_axes]))
        if np.shape(array) == self.inputs[f"{index}.x"].shape and np.ndim(array) == len(case.shape):
            moved = np.moveaxis(array, case.channel_axes, range(len(case.channel_axes)))
            return moved.reshape(count, array.size // max(count, 1))
        return np.reshape(array, (count, -1))


REMEMBERS = ("delayed", "gathered", "formula")  # transforms that may look back at earlier steps


@dataclass
class Step:
    """One step of an observation: outputs as rows (C, values) by name, and what is known of the step.

    got, right, allowed: rows by output name. deviation: by channel, the largest |got - right| / allowance over all
    outputs; more than 1 deviates. failed: names of outputs that the judge failed.
    """

    episode: "Episode"
    index: int
    got: dict
    right: dict
    allowed: dict
    failed: tuple
    attributes: dict
    channels: dict
    trace: dict = field(default_factory=dict, repr=False)
    outputs: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict, repr=False)
    deviation: np.ndarray | None = None

    @property
    def mode(self):
        return self.episode.case.steps[self.index].mode

    def distances(self, predicted) -> tuple[np.ndarray, np.ndarray]:
        """By channel over all outputs, the largest |got - predicted| / allowance, and / tolerance of a prediction."""
        near = off = np.zeros(len(self.deviation))
        for name in self.got:
            strict, lenient = self.distance(name, predicted.get(name))
            near, off = np.maximum(near, strict), np.maximum(off, lenient)
        return near, off

    def distance(self, name, predicted):
        """`distances` of one output."""
        got, allowed = self.got[name], self.allowed[name]
        if predicted is None or predicted.shape != got.shape:
            return np.full((2, len(got)), np.inf)
        if not got.shape[1]:
            return np.zeros((2, len(got)))
        kind, usual, unit, own = self._scales(name)
        stored = predicted if kind is None else predicted.astype(kind).astype(np.float64)
        error = np.abs(got - predicted)
        error[(got == stored) | (np.isnan(got) & np.isnan(stored))] = 0.0
        strict = np.where(error == 0, 0.0, error / allowed).max(axis=1)
        if (strict <= 1).all():
            return np.array([strict, strict])
        size = largest(predicted)
        tolerance = SLACK * (allowed * np.maximum(size / usual, 1.0) + own) + CANCELLED * unit * np.maximum(size, usual)
        both = np.array([strict, np.where(error == 0, 0.0, error / tolerance).max(axis=1)])
        both[np.isnan(both)] = np.inf
        return both

    def _scales(self, name):
        """(type to round to or None, largest right values, unit of the arithmetic, roundings of the type) of an output."""
        if name not in self.scales:
            facts = self.episode.facts
            kind = facts.kind(name)
            unit = unit_roundoff(facts.conventions.compute[facts.case.x_dtype])
            own = unit_roundoff(kind) * np.abs(self.right[name]) + smallest(kind)
            self.scales[name] = None if kind == "float64" else dtype(kind), largest(self.right[name]), unit, own
        return self.scales[name]


def largest(rows):
    """Largest finite size of each row, (C, 1)."""
    sizes = np.abs(rows)
    sizes[~np.isfinite(sizes)] = 0.0
    return sizes.max(axis=1, keepdims=True, initial=0.0) + 1e-300


class Episode:
    """One case with its observation, as steps."""

    def __init__(self, facts: Facts, observation: Observation, verdicts=(), by_itself=False):
        self.by_itself = by_itself
        self.facts, self.case, self.observation = facts, facts.case, observation
        self.failed = {v.output: v.kind for v in verdicts if v.status in (*FAILED, "deviates")}
        self.scores = {v.output: v.score for v in verdicts}
        failure = observation.failure
        self.raised = (failure.step or 0) if failure is not None and failure.kind == "raised" else None
        self.kept, self.traces, self.raised_there = {}, {}, None

    @cached_property
    def got(self):
        """Observed outputs that can be compared."""
        wanted = self.facts.wanted
        return {
            name: np.asarray(value).astype(np.float64)
            for name, value in self.observation.outputs.items()
            if name in wanted and value.shape == wanted[name].shape and value.dtype.kind in "fV"
        }

    @cached_property
    def states(self):
        """Number of a step -> the state observed after it, as columns."""
        found, number = {}, -1
        for index, step in enumerate(self.case.steps):
            number += step.options.get("repeat", 1)
            pair = [self.got.get(f"{index}.{name}") for name in STATE]
            if all(value is not None for value in pair):
                found[number] = tuple(value.reshape(-1, 1) for value in pair)
        return found

    def values(self, index):
        """What the adapter's methods may take in a step; nobody writes to the tensors."""
        if index not in self.kept:
            step, inputs = self.case.steps[index], self.facts.inputs
            laid, own = words(step.memory), operations_of(step)[-1]
            arrays = {n: arrange(inputs[f"{index}.{n}"], laid[n != "x"]) for n in step.inputs}
            options = {n: tuple(v) if isinstance(v, list) else v for n, v in step.options.items()}
            values = {"mode": "train" if own.training else "infer", "config": self.facts.config} | options | arrays
            if own.static:
                values |= dict(zip(GIVEN, self.given))
                values |= {"batches": batches(arrays["x"], options["sizes"])} if "sizes" in options else {}
            self.kept[index] = values
        return self.kept[index]

    @cached_property
    def given(self):
        """What the layer is built with."""
        given = {name: None if self.case.as_built else self.facts.inputs.get(name) for name in GIVEN}
        shared = self.case.one_object
        return list((given | dict.fromkeys(shared, given[shared[0]] if shared else None)).values())

    def call(self, owner, index):
        """The outputs of one step."""
        step, values = self.case.steps[index], self.values(index)
        operations, out = operations_of(step), {}
        for _ in range(step.options.get("repeat", 1)):
            out = {}
            for operation in operations:
                out = dict(operation.ask(owner, values)) | out
        if set(STATE) & set(step.outputs) and not operations[-1].static:
            out |= owner.state()
        return out

    def backend(self, points, forced=True, traces=None):
        states = self.states if forced else {}
        ddof = self.facts.conventions.running_ddof
        return layer(points, exactly=True, states=states, traces=traces, running_ddof=ddof)

    def rows_of(self, index, outputs):
        """Outputs of a step as rows, by full name, of those that were observed in this shape."""
        found = {}
        for short, value in outputs.items():
            name = f"{index}.{short}"
            if name in self.got and value is not None and np.shape(value) == self.got[name].shape:
                found[name] = self.facts.rows(name, np.asarray(value, np.float64))
        return found

    def play(self, points, traces=None, forced=True, until=None) -> list[dict]:
        """Outputs of each step, as rows by name, of a layer with these mistakes. Errors: whatever it raises.

        raised: set to the number of the step in which it raises; the steps before are returned.
        """
        found, backend, built = [{} for _ in self.case.steps], self.backend(points, forced, traces), None
        self.raised_there = None
        for index, step in enumerate(self.case.steps[:until]):
            try:
                static = operations_of(step)[-1].static
                built = built or (None if static else backend(self.facts.config, *self.given))
                outputs = self.call(backend if static else built, index)
            except Exception as error:  # whatever a mistake runs into
                self.raised_there = index, error
                break
            found[index] = self.rows_of(index, outputs)
        return found

    def predict(self, points, index, forced=True) -> dict | None:
        """The outputs of one step, from the state observed before it; None where it raises."""
        trace = self.traces.get(index)
        alone = (
            forced
            and trace is not None
            and "counted" in trace
            and (index == 0 or trace["past_before"][0] in self.states or not self.case.has_state)
        )
        if not alone or any(point.what.name in REMEMBERS for point in points):
            found = self.play(points, forced=forced, until=index + 1)
            return None if self.raised_there else found[index]
        try:
            built = self.backend(points)(self.facts.config, *self.given)
            built.at.past, built.steps = trace["past_before"], dict(trace["counted"])
            outputs = self.call(built, index)
        except Exception:  # whatever a mistake runs into
            return None
        return self.rows_of(index, outputs)

    @cached_property
    def steps(self) -> list[Step]:
        """The steps that gave something comparable."""
        traces = []
        right, found = self.play((), traces), []
        self.traces, past = {}, (-1, 0, "built")
        for index, step in enumerate(self.case.steps):
            own = [traces.pop(0) for _ in range(min(len(traces), step.options.get("repeat", 1)))]
            if own:
                before = {"past_before": past} | {n: own[0][n] for n in ("counted", "before") if n in own[0]}
                self.traces[index], past = own[-1] | before, own[-1]["past"]
        for index, step in enumerate(self.case.steps):
            names = [name for name in self.got if name.startswith(f"{index}.")]
            if not names:
                continue
            rows = self.facts.rows
            got = {name: rows(name, self.got[name]) for name in names}
            allowed = {name: rows(name, self.facts.allowed[name]) for name in names}
            failed = tuple(name for name in names if name in self.failed)
            trace = self.traces.get(index, {})
            plain, channels = of_step(self.case, self.facts.inputs, index, trace, len(got[names[0]]))
            record = Step(self, index, got, right[index], allowed, failed, plain, channels, trace)
            record.deviation = np.zeros(len(got[names[0]]))
            record.outputs = {name: self._deviation(record, name) for name in names}
            record.deviation = np.max(list(record.outputs.values()), axis=0)
            found.append(record)
        return found

    def _deviation(self, step, name):
        """By channel; of an output that passed nothing deviates. by_itself: nobody judged it, so this does."""
        if self.by_itself:
            return step.distance(name, step.right.get(name))[0] / UNJUDGED
        if name not in self.failed:
            return np.zeros(len(step.got[name]))
        return step.distance(name, step.right.get(name))[0]

    def plain_steps(self) -> list[Step]:
        """All steps as one sample each, without values."""
        last = len(self.case.steps) if self.raised is None else self.raised + 1
        found = []
        for index in range(last):
            plain, _ = of_step(self.case, self.facts.inputs, index, {}, 1)
            found.append(Step(self, index, {}, {}, {}, (), plain, {}, deviation=np.zeros(1)))
        return found

    @property
    def size(self):
        """Values in all steps."""
        return int(np.prod(self.case.shape)) * self.calls

    @property
    def calls(self):
        """How often the layer is called."""
        return sum(step.options.get("repeat", 1) for step in self.case.steps)

    @property
    def quick(self):
        """Whether a candidate can be tried on it without a second thought."""
        return self.size <= LARGE and self.calls <= CALLS
