"""The C port of `tests/ports/port/bn.c` with one line changed, run for each step on a folder as `bnconform export` writes it.

The program is compiled when a layer is first built. Needs a C compiler named cc.
"""

import atexit
import functools
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
from foreign.labels import LEFT_OUT, NOT_UPDATED, both, label

from bnconform.backends.contract import Conventions

SOURCE = Path(__file__).parent.parent / "ports" / "port" / "bn.c"


@functools.cache
def folder():
    made = tempfile.mkdtemp(prefix="foreign-port-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


@functools.cache
def program(changes):
    """The path of the port, compiled with its text changed. Errors: AssertionError, if bn.c has changed under a patch."""
    text = SOURCE.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"bn.c has {old!r} {text.count(old)} times, expected once"
        text = text.replace(old, new)
    path = folder() / f"bn{abs(hash(changes))}"
    path.with_suffix(".c").write_text(text)
    header = files("bnconform.conformance.ports") / "skeletons"
    words = ["cc", "-std=c99", "-O2", f"-I{header}", "-o", path, path.with_suffix(".c"), "-lm"]
    subprocess.run(words, check=True, capture_output=True)
    return path


class _Port:
    """A step is a case of its own: inputs are written as raw float32, outputs read back from their slots."""

    NEEDS_COMPILER = True
    EXCEPT = ("offset",)  # float32 throughout: a mean of 9000 leaves it four digits
    conventions = Conventions(
        running_ddof=1,
        reduction="sequential",
        dtypes=("float32",),
        cannot={
            "params:mixed": "it is float32 throughout",
            "decay:cumulative": "each step is a case of its own, and counts from one",
            "errors": "its caller checks arguments",
        },
    )
    CHANGES = ()

    def __init__(self, config, gamma, beta, running_mean, running_var):
        self.config, self.program = config, program(self.CHANGES)
        given = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var}
        self.layer = {name: np.array(v, "<f4") for name, v in given.items() if v is not None}

    def step(self, mode, x, dy):
        place = Path(tempfile.mkdtemp(dir=folder()))
        inputs = self.layer | {"0.x": x} | ({} if dy is None else {"0.dy": dy})
        outputs = {"0.y": x.shape} | {f"0.{name}": self.config.channels for name in self.layer if "run" in name}
        if dy is not None:
            outputs["0.dx"] = x.shape
            outputs |= {f"0.d{name}": self.config.channels for name in ("gamma", "beta") if name in self.layer}
        lines = [tensor(place, "input", name, np.ascontiguousarray(v, "<f4")) for name, v in inputs.items()]
        lines += [tensor(place, "output", name, np.zeros(shape, "<f4")) for name, shape in outputs.items()]
        axes = self.config.channel_axes
        (place / "index.txt").write_text(
            "\n".join(
                [
                    "bnconform-export/1",
                    "case foreign/step",
                    "raises -",
                    f"shape {x.ndim} {' '.join(map(str, x.shape))}",
                    f"channel_axes {len(axes)} {' '.join(map(str, axes))}",
                    f"eps {self.config.eps!r}",
                    f"decay {self.config.decay!r}",
                    "dtypes float32 float32 float32",
                    f"step 0 {mode}",
                    *lines,
                    "end\n",
                ]
            )
        )
        subprocess.run([self.program, place], check=True, capture_output=True)
        found = {n[2:]: np.fromfile(place / n, "<f4").reshape(shape) for n, shape in outputs.items()}
        shutil.rmtree(place)
        self.layer |= {name: found.pop(name) for name in list(found) if "run" in name}
        return found

    def train(self, x, dy):
        return self.step("train", x, dy)

    def infer(self, x, dy):
        return self.step("infer", x, dy)

    def state(self):
        return {name: v for name, v in self.layer.items() if "run" in name}


def tensor(place, kind, name, values):
    (place / name).write_bytes(values.tobytes())
    sizes = " ".join(map(str, (values.ndim, *values.shape)))
    return f"{kind} {name} float32 {sizes} {values.nbytes} 0 {name}"


class CountOfSamples(_Port):
    CHANGES = (("(float)(l.total / n) : 0", "(float)given->size[0] : 0"),)
    LABEL = label(
        "m mean variance mean_dy mean_dy_x_hat count",
        "m is the size of axis 0",
        [
            r"m ?/ ?N\b",
            r"\bN (is )?in its place",
            r"(count|\bm\b|divi\w+).{0,20}(is|of|by|from|as|with|to|counts) (the )?(N\b|batch size|size of axis 0|number of samples|axis 0)",
            r"(batch size|axis 0|samples|\bN\b),? (in place of|for|instead of|rather than|where) .{0,12}\bm\b",
            both("spatial", r"(left out|not counted|missing|omit|ignor)"),
        ],
        when="training with spatial axes",
        condition="training and m != N and m > 0",
    )


class LastChannelStays(_Port):
    CHANGES = (("running && MISTAKE != 4 && k < count;", "running && k + 1 < count;"),)
    LABEL = label(
        "running_mean running_var",
        "the loop over channels ends one early: the last channel's running values stay",
        [both("(last|channel|C-1|one channel|some)", NOT_UPDATED), both("last", "channel")],
        when="training, in the last channel",
        condition="training and tracked and m > 0",
    )


class AbsoluteDeviation(_Port):
    CHANGES = (("+= d * d;", "+= fabsf(d);"),)
    LABEL = label(
        "variance deviation",
        "absolute deviations are averaged, not squares",
        [
            r"absolute",
            r"\babs\b",
            r"\|",
            both("deviation|variance", r"(not squared|unsquared|without.*squar|instead of.*squar|magnitude)"),
        ],
        when="training",
        condition="training and m > 1",
    )


class EpsIsInteger(_Port):
    CHANGES = (("eps = (float)c->eps;", "eps = (int)c->eps;"),)
    LABEL = label(
        "eps",
        "eps is converted to an integer: 0",
        [
            both("eps", LEFT_OUT),
            r"eps (is |of |= ?)?0\b",
            both("eps", r"(integer|truncat|floor)"),
            r"\b0 ?(\*|times)? ?eps",
        ],
        when="always (eps below 1)",
        reject=[r"eps.*(outside|half|bits)"],
    )


class RunningVarianceNormalizes(_Port):
    CHANGES = (("        var = batch_var;\n", "        var = running_var ? running_var : batch_var;\n"),)
    LABEL = label(
        "variance root",
        "training normalizes with the batch's mean and the running variance",
        [
            both("normaliz|variance|root", r"running[ _]var"),
            r"(variance|root)\b[^;.]{0,40}(running|moving|another mode|other mode|of inference)",
        ],
        when="training",
        condition="training and tracked and m > 0",
        reject=[r"in inference|, inference|blended|stored|update|bits|running mean|running_mean"],
    )


class NextGamma(_Port):
    CHANGES = (("(gamma ? gamma[k] : 1) * hat[i]", "(gamma ? gamma[(k + 1) % n] : 1) * hat[i]"),)
    LABEL = label(
        "gamma",
        "y takes the gamma of the next channel; the gradients take the right one",
        [
            both(
                "gamma",
                r"(next|shift|rotat|roll|permut|other channel|another channel|neighbo|one channel|order|cyclic|index)",
            )
        ],
        when="more than one channel",
        condition="'gamma' in affine and C > 1 and m > 0",
    )


class DecayTruncated(_Port):
    CHANGES = (("(float)atof(c->decay)", "(float)atoi(c->decay)"),)
    LABEL = label(
        "decay running_mean running_var",
        "decay is read as an integer: 0, and the state is replaced by the batch",
        [
            r"decay:? (is |of |= ?)?0\b",
            both("decay", LEFT_OUT),
            both("decay", r"(integer|truncat|left out|zero|floor)"),
            both("running|state", r"(replac|overwrit|is the batch|last batch|set to)"),
        ],
        when="training with decay between 0 and 1",
        condition="training and tracked and 0 < decay < 1 and m > 0",
    )


class AboutFirstMean(_Port):
    CHANGES = (("float d = x[i] - mean[l->channel[i]];", "float d = x[i] - mean[0];"),)
    LABEL = label(
        "mean variance deviation",
        "the variance is taken about the mean of the first channel",
        [
            both(
                "variance|deviation|mean",
                r"(first channel|channel 0|other channel|another channel|mean\[0\]|wrong mean)",
            ),
            both("first", "channel"),
        ],
        when="training, more than one channel",
        condition="training and C > 1 and m > 0",
    )
