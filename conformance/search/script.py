"""A small problem as a script of plain numbers that needs no bnconform: the implementation, called by hand.

A built-in implementation brings its framework's words (`script` of its class, see `backends.contract`); any other class
is called as the contract says, with a configuration of plain fields.
"""

import re
from dataclasses import asdict

import numpy as np

from bnconform.backends.registry import entry

from ..cases.draft import Draft
from ..cases.memory import words
from ..judge.compare import Expectation
from ..records import Verdict
from ..run.observe import config_of
from ..run.process import Hello

PARAMETERS = ("gamma", "beta", "running_mean", "running_var")
CONTRACT = {  # how any class under the contract is called
    "import": "from types import SimpleNamespace\nfrom {module} import {name}",
    "layer": "layer = {name}(SimpleNamespace({config}), gamma, beta, running_mean, running_var)",
    "train": "out = layer.train(x, dy)",
    "infer": "out = layer.infer(x, dy)",
    "frozen": "out = getattr(layer, 'frozen', layer.infer)(x, dy)",
    "masked": "out = layer.train_masked(x, dy, mask)",
    "output": "out['{output}']",
    "state": "layer.state()['{output}']",
}
MEMORY = {
    "contiguous": "{0}",
    "sliced": "{0}.repeat(2, 0)[::2]",
    "transposed": "{0}.T.copy().T",
    "channels-last": "np.moveaxis(np.moveaxis({0}, 1, -1).copy(), -1, 1)",
    "offset": "np.append({0}.ravel()[:1], {0})[1:].reshape({0}.shape)",
    "strided-last": "{0}.repeat(2, -1)[..., ::2]",
    "reversed": "np.flip(np.flip({0}).copy())",
    "expanded": "np.broadcast_to({0}[:1], {0}.shape)",
}


def script(name: str, hello: Hello, draft: Draft, verdict: Verdict, expected: Expectation) -> str:
    """The text: a comment, the layer, the calls, and what comes out beside what should."""
    case, say = draft.case, {**CONTRACT, **hello.script}
    module, _, cls = entry(name).target.partition(":")
    plain = asdict(config_of(case, "cpu"))
    plain |= {"rank": len(case.shape), "channels": tuple(case.shape[axis] for axis in case.channel_axes)}
    config = ", ".join(f"{field}={value!r}" for field, value in plain.items())
    known = {
        "module": module,
        "name": cls,
        "config": config,
        "eps": case.eps,
        "dimensions": max(1, len(case.shape) - 2),
    }
    known |= {"channels": case.shape[case.channel_axes[0]], "momentum": None if case.decay is None else 1 - case.decay}
    known |= {"affine": case.has_gamma, "tracks": case.has_state}
    lines = [
        f"# {name} {hello.version}: {verdict.output.split('.')[1]}: {_shortened(verdict.message)}",
        "import numpy as np",
    ]
    lines += say["import"].format(**known).splitlines()
    if "bfloat16" in (case.x_dtype, case.param_dtype):
        lines.append("import ml_dtypes")
    lines.append(" = ".join([n for n in PARAMETERS if n not in draft.tensors] + ["None"]))
    lines += [f"{n} = {_array(draft.tensors[n])}" for n in PARAMETERS if n in draft.tensors]
    lines += [say["layer"].format(**known), *_calls(draft, say)]
    index, output = verdict.output.split(".")
    got = say["state" if output.startswith("running") else output if output in say else "output"].format(output=output)
    wanted = np.asarray(expected.wanted[verdict.output][1]).ravel()[:8]
    lines.append(f"print('got     ', np.ravel({got})[:8])")
    lines.append(f"print('expected', np.array({wanted.tolist()}))")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _shortened(message):
    return message if len(message) < 100 else message[:100].rsplit(" ", 1)[0] + " ..."


def _calls(draft, say):
    """One line an array and call; calls that are all alike in a loop."""
    lines, run, before = [], 0, None
    for index, step in enumerate(draft.case.steps):
        tensors = {n: draft.tensors[f"{index}.{n}"] for n in step.inputs}
        key = step.mode, step.memory, {n: v.tobytes() for n, v in tensors.items()}
        mode = "masked" if "mask" in tensors else step.mode
        if key == before:
            run += 1
            lines[-1] = f"for _ in range({run}): {say[mode]}"
            continue
        refill = step.options.get("refill") and before is not None
        for name, value in ({"dy": None} | tensors).items():
            if value is None:
                lines.append("dy = None")
            elif name != "dy" or "dy" in tensors:
                text = _laid_out(value, words(step.memory)[name != "x"])
                lines.append(f"{name}[...] = {_array(value)}" if refill else f"{name} = {text}")
        run, before = 1, key
        lines.append(say[mode])
    return [
        line for i, line in enumerate(lines) if not (line == "dy = None" and "dy = " in "".join(lines[i + 1 : i + 3]))
    ]


def _laid_out(value, word):
    text = _array(value)
    if word.startswith("order-"):
        axes = tuple(map(int, word.removeprefix("order-")))
        return f"{text}.transpose{axes}.copy().transpose{tuple(np.argsort(axes).tolist())}"
    if word == "expanded" and not np.array_equal(value, np.broadcast_to(value[:1], value.shape)):
        word = "contiguous"
    return MEMORY[word].format(text)


def _array(value) -> str:
    """A short expression, or all numbers."""
    kind, shape = f"'{value.dtype.name}'", value.shape
    if value.dtype == bool:
        return f"np.reshape({value.ravel().tolist()}, {shape})"
    wide = value.astype(np.float64)
    count = np.arange(value.size).reshape(shape)
    if value.size > 1 and np.all(wide == wide.flat[0]):
        return f"np.full({shape}, {wide.flat[0]!r}, {kind})".replace("np.float64", "")
    for text, pattern in ((f"% {n} ", count % n) for n in (2, 4, 1 << 62)):
        if value.size > 8 and np.array_equal(wide, pattern):
            return f"(np.arange({value.size}) {'' if len(text) > 9 else text}).reshape({shape}).astype({kind})"
    numbers = (
        "["
        + ", ".join(
            np.format_float_positional(v, trim="0") if 1e-4 < abs(v) < 1e7 or v == 0 else f"{v!r}"
            for v in map(float, wide.ravel())
        )
        + "]"
    )
    return f"np.reshape({numbers}, {shape}).astype({kind})"
