"""Channels that are copies of each other: their values are worked out once [BN-1.1]."""

from dataclasses import dataclass

import numpy as np

from ..operations import LIKE
from ..records import Case


def _axis(case: Case, name: str) -> int:
    """Where the channels of a tensor lie; case has one channel axis."""
    return case.channel_axes[0] if LIKE[name.rsplit(".", 1)[-1]] == "x" else 0


@dataclass(frozen=True)
class Copies:
    """first: index of the first of each kind of channel; kind: which kind each channel is."""

    case: Case
    first: np.ndarray
    kind: np.ndarray

    @classmethod
    def of(cls, case: Case, tensors: dict[str, np.ndarray]) -> "Copies":
        """Channels with the same bytes in all tensors are of one kind."""
        count = case.shape[case.channel_axes[0]]
        rows = [np.moveaxis(value, _axis(case, name), 0).reshape(count, -1) for name, value in tensors.items()]
        bytes_of = np.concatenate([np.ascontiguousarray(row).view(np.uint8).reshape(count, -1) for row in rows], axis=1)
        keys = np.ascontiguousarray(bytes_of).view(f"V{bytes_of.shape[1]}").ravel()
        seen, first, kind = {}, [], np.empty(count, np.int64)
        for index, key in enumerate(keys.tolist()):
            if key not in seen:
                seen[key] = len(first)
                first.append(index)
            kind[index] = seen[key]
        return cls(case, np.array(first), kind)

    def distinct(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One channel of each kind."""
        return {name: np.take(value, self.first, axis=_axis(self.case, name)) for name, value in tensors.items()}

    def expanded(self, name: str, array: np.ndarray) -> np.ndarray:
        """An output of `distinct` for every channel."""
        return np.take(array, self.kind, axis=_axis(self.case, name))
