"""What is timed: real activation shapes, in a layout and a type.

ResNet-50 (He et al., 2016, table 1, 224 x 224 input) normalizes maps of 112, 56, 28, 14 and 7 pixels a side; the
channel counts here are those of the stages' first and last 1x1 layers.
"""

import re
from dataclasses import dataclass
from math import prod

BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}

# arrays of x's size that an operation must read or write once: x and y; x, dy and dx; or x, dy, y and dx
TRAFFIC = {"forward": 2, "backward": 3, "step": 4, "inference": 2}
OPERATIONS = tuple(TRAFFIC)

RESNET50 = {"conv1": (64, 112), "conv2": (64, 56), "conv2x": (256, 56), "conv3": (128, 28), "conv3x": (512, 28)}
RESNET50 |= {"conv4": (256, 14), "conv4x": (1024, 14), "conv5": (512, 7), "conv5x": (2048, 7)}


@dataclass(frozen=True)
class Problem:
    """shape: of x with the channels on axis 1. layout: "first", or "last" where the channels are innermost in
    memory."""

    name: str
    shape: tuple[int, ...]
    layout: str = "first"
    dtype: str = "float32"

    @property
    def id(self) -> str:
        return f"{self.name}[{'x'.join(map(str, self.shape))}] {self.layout} {self.dtype}"

    @property
    def memory_shape(self) -> tuple[int, ...]:
        """Shape in the order of memory."""
        return self.shape if self.layout == "first" else (self.shape[0], *self.shape[2:], self.shape[1])

    @property
    def channel_axis(self) -> int:
        """Of `memory_shape`."""
        return 1 if self.layout == "first" else len(self.shape) - 1

    @property
    def channels(self) -> int:
        return self.shape[1]

    def bytes(self, operation: str) -> int:
        """What must move: every array read or written once; parameters and statistics are left out."""
        return TRAFFIC[operation] * prod(self.shape) * BYTES[self.dtype]


def resnet50(batch, layers=tuple(RESNET50)):
    """The normalization layers of ResNet-50 at a batch size."""
    return [Problem(f"resnet50.{n}", (batch, RESNET50[n][0], RESNET50[n][1], RESNET50[n][1])) for n in layers]


DENSE = [Problem("dense", (100352, 64)), Problem("dense", (4096, 1024)), Problem("short-wide", (32, 100352))]
LONG = [Problem("long-thin", (2, 3, 1 << 20))]
VIDEO = [Problem("3d", (4, 32, 16, 56, 56))]
REFERENCE = Problem("resnet50.conv2", (32, 64, 56, 56))
TYPES = [Problem(REFERENCE.name, REFERENCE.shape, dtype=name) for name in ("float64", "float16", "bfloat16")]
LAST = [Problem(REFERENCE.name, REFERENCE.shape, "last"), Problem("3d", VIDEO[0].shape, "last")]

SETS = {
    "quick": [REFERENCE, LAST[0], DENSE[0]],
    "resnet50": [*resnet50(1), *resnet50(8), *resnet50(32)],
    "dense": DENSE + LONG,
    "3d": VIDEO,
    "layouts": LAST,
    "dtypes": TYPES,
}
SETS["default"] = [
    *resnet50(8, ("conv1", "conv3", "conv4")),
    *resnet50(32, ("conv2", "conv5x")),
    *DENSE,
    *LONG,
    *VIDEO,
    *LAST,
    *TYPES,
]


GIVEN = re.compile(rf"(\d+(?:x\d+)+)(?::(first|last)(?::({'|'.join(BYTES)}))?)?")


def problems(text: str) -> list[Problem]:
    """Problems by the name of a set, or as "32x64x56x56", "32x64x56x56:last", "32x64x56x56:first:bfloat16".

    >>> problems("4x3x5:last:float16")[0].memory_shape
    (4, 5, 3)
    """
    found = []
    for part in text.split(","):
        if part in SETS:
            found += SETS[part]
            continue
        match = GIVEN.fullmatch(part)
        if not match:
            raise ValueError(
                f"shapes is {part!r}, expected one of {', '.join(SETS)}, or sizes such as 32x64x56x56, "
                f"with :first or :last and then :{'|'.join(BYTES)}"
            )
        sizes, layout, dtype = match.groups()
        shape = tuple(int(size) for size in sizes.split("x"))
        found.append(Problem("given", shape, layout or "first", dtype or "float32"))
    return list(dict.fromkeys(found))
