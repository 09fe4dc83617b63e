"""Wrong at some sizes alone: tails of vectors, blocks and grids."""

import numpy as np

from ..point import Point as P
from ..point import When
from ..record import mutant as M
from ..whats import formula, of_channels, over_terms
from ..whens import TRAINING, values


def plane(at):
    """Positions of a channel in one sample."""
    return values(at) // max(at.arrays["x"].shape[0], 1)


def channels(at):
    return int(np.prod(at.layer.channels))


def without_last_of_planes(value, at):
    parts = at.terms.reshape(len(at.terms), -1, plane(at))
    return parts[:, :, :-1].sum(axis=(1, 2))[:, None]


def innermost(at):
    """Whether the channels of x lie next to each other."""
    x = at.arrays["x"]
    return x.strides[at.config.channel_axes[0]] == x.itemsize


def unpaired(dx, at):
    return np.concatenate([dx[:, :-1], dx[:, -2:-1]], axis=1)


def past(count):
    """dx of the samples past `count` without the mean of dy."""
    return lambda dx, at: np.where(np.arange(dx.shape[1]) < count, dx, dx + at.factor * at.mean_dy)


ONE_OVER = When(
    "only where planes past 32 leave one value of a vector of 8", lambda at: plane(at) > 32 and plane(at) % 8 == 1
)
ODD = When("only where m is odd and past 64", lambda at: values(at) > 64 and values(at) % 2 == 1)
BLOCKS = When("only where m is from 513 to 4,095", lambda at: 512 < values(at) < 4096)
GRIDS = When("only where m is from 4,097 to 65,535", lambda at: 4096 < values(at) < 65536)
FEW_CHANNELS = When("only with fewer than 64 channels", lambda at: channels(at) < 64)
ONE_PIXEL = When(
    "only for several channels of one pixel", lambda at: at.config.rank == 4 and plane(at) == 1 and channels(at) > 1
)
WIDE_ODD = When(
    "only where an odd number of channels lies innermost under a plane past 10,000",
    lambda at: innermost(at) and channels(at) % 2 == 1 and plane(at) > 10_000,
)
SMALLER = When(
    "only after a larger batch, past 32,768 elements",
    lambda at: at.arrays["x"].size > 32_768 and at.memory.setdefault("largest", 0) > values(at),
)


def stale(value, at):
    """The sum with what a larger batch left behind."""
    return value + at.memory["rest"][: len(value)]


def remember(value, at):
    if values(at) > at.memory.get("largest", 0):
        at.memory["largest"], at.memory["rest"] = values(at), at.terms[:, -64:].sum(axis=1, keepdims=True)
    return value


# fmt: off
M("plane-tail-lost", "VALUES_LOST", "BN-1.2", "Planes past 32 positions are summed in vectors of 8, and a single position left over is lost.",
  P("sum", formula("without the last position of each plane", without_last_of_planes), ONE_OVER))
M("channel-past-block-lost", "CHANNELS_LOST", "BN-1.1", "Below 64 channels a single one past the blocks of 16 gets mean 0 and variance 0.",
  P("moments", of_channels("0 in a channel past the blocks of 16", lambda v, index: np.where((index >= 16) & (index == len(v) - 1) & (len(v) % 16 == 1), 0, v)), FEW_CHANNELS))
M("channels-of-last-block-lost", "CHANNELS_LOST", "BN-1.1", "Below 64 channels a last block of 16 that is not full is taken for 8 channels at most.",
  P("moments", of_channels("0 past 8 channels of a block that is not full", lambda v, index: np.where((index >= 16) & (index >= len(v) // 16 * 16 + 8), 0, v)), FEW_CHANNELS), at_size=True)
M("odd-count-pairs", "VALUES_LOST", "BN-5.1", "dx is worked out in pairs; where m is odd and past 64 the last value is that of the one before.",
  P("dx", formula("the last value that of the one before", unpaired), ODD))
M("block-remainder-lost", "VALUES_LOST", "BN-1.2", "Between 512 and 4,096 values the sums run over whole blocks of 256.",
  P("sum", over_terms("over whole blocks of 256", lambda terms: terms[:, : terms.shape[1] // 256 * 256]), BLOCKS), at_size=True)
M("grid-remainder-lost", "VALUES_LOST", "BN-1.2", "Between 4,096 and 65,536 values the sums run over the first 4,096.",
  P("sum", over_terms("over the first 4,096", lambda terms: terms[:, :4096]), GRIDS), at_size=True)
M("samples-past768-lost", "GRAD_TERM_DROPPED", "BN-5.1", "With one pixel and several channels dx of the samples past the 768th lacks mean(dy).",
  P("dx", formula("without mean(dy) past 768 samples", past(768)), TRAINING & ONE_PIXEL), at_size=True)
M("odd-channels-innermost-lost", "CHANNELS_LOST", "BN-1.1", "Under a large plane an odd number of channels, innermost in memory, is walked in pairs: the last gets the statistics of the one before.",
  P("moments", of_channels("that of the channel before in the last", lambda v, index: np.concatenate([v[:-1], v[-2:-1]])), WIDE_ODD), at_size=True)
M("channels-past65535-lost", "CHANNELS_LOST", "BN-1.1", "Channels past the 65,535th get mean 0 and variance 0.",
  P("moments", of_channels("0 past channel 65,535", lambda v, index: np.where(index >= 65535, 0, v))), at_size=True)
M("smaller-batch-stale", "STALE", "BN-3.6", "Past 32,768 elements a batch smaller than an earlier one is summed with what the earlier left in a buffer.",
  P("sum", formula("as it is, and the rest of a larger batch kept", remember)), P("sum", formula("with the rest of a larger batch", stale), SMALLER), at_size=True)
