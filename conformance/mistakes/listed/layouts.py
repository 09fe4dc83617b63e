"""Wrong axes, orders and counts."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import (
    NOT_MOVED_BACK,
    RESHAPED,
    batch,
    formula,
    from_buffer,
    in_memory_order,
    local,
    of_channels,
    over_terms,
    pooled,
    reread,
)
from ..whens import ONE_AXIS, READS_DY, READS_X, SEVERAL_AXES


def by_size(axes, at):
    """The last axis that has as many entries as gamma."""
    shape = at.config.shape
    return (max(axis for axis, n in enumerate(shape) if n == shape[axes[0]]),)


# fmt: off
M("channels-always-last", "WRONG_AXIS", "BN-1.1", "The channel axis is the last one, whatever is given.",
  P("axes", formula("the last axis", lambda v, at: (at.config.rank - 1,)), ONE_AXIS))
M("channels-always-first", "WRONG_AXIS", "BN-1.1", "The channel axis is axis 1, whatever is given.",
  P("axes", formula("axis 1", lambda v, at: (1,)), ONE_AXIS))
M("channels-by-size", "WRONG_AXIS", "BN-1.1", "The channel axis is the last one that has as many entries as gamma.",
  P("axes", formula("the last axis of gamma's size", by_size), ONE_AXIS))
M("channel-axes-sorted", "WRONG_AXIS", "BN-1.4", "Several channel axes are taken in ascending order, whatever order is given.",
  P("axes", formula("in ascending order", lambda v, at: tuple(sorted(v)))))
M("activations-pooled", "WRONG_AXIS", "BN-1.4", "With several channel axes all activations share one statistic.",
  P("moments", formula("over all channels", pooled, "other axes"), SEVERAL_AXES))
M("one-statistic-for-all", "WRONG_AXIS", "BN-1.1", "Mean and variance run over the whole tensor, channels and all.",
  P("moments", formula("over all channels", pooled, "other axes")))
M("statistics-per-position", "WRONG_AXIS", "BN-1.1", "Only axis 0 is reduced: each position of an image has its own statistics.",
  P("moments", local("over axis 0 alone", lambda rank, axes: (0,))))
M("statistics-per-sample", "WRONG_AXIS", "BN-1.1", "Axis 0 is not reduced: each sample is normalized by itself.",
  P("moments", local("of each sample alone", lambda rank, axes: tuple(k for k in range(1, rank) if k not in axes))))
M("statistics-over-last-axis", "WRONG_AXIS", "BN-1.1", "Mean and variance run over the last axis alone, as in layer normalization.",
  P("moments", local("over the last axis alone", lambda rank, axes: (-1,))))
M("third-spatial-axis-kept", "WRONG_AXIS", "BN-1.1", "Three axes are reduced at most: a volume is normalized slice by slice.",
  P("moments", local("over three axes at most", lambda rank, axes: tuple(k for k in range(rank) if k not in axes)[:3])))
M("reshaped-not-transposed", "LAYOUT_CORRUPTION", "BN-8.3", "x is cut into channels by reshaping it, without moving the channel axis to the front.",
  P("rows", RESHAPED), P("unrows", NOT_MOVED_BACK))
M("result-not-transposed-back", "LAYOUT_CORRUPTION", "BN-8.3", "Statistics are right, the result's values come out in the order of the inner matrix.",
  P("unrows", NOT_MOVED_BACK))
M("strides-ignored", "LAYOUT_CORRUPTION", "BN-8.3", "x is read as if it were contiguous.",
  P("rows", reread("as if it were contiguous", in_memory_order), READS_X))
M("gradient-strides-ignored", "LAYOUT_CORRUPTION", "BN-8.3", "dy is read as if it were contiguous; the forward pass is right.",
  P("rows", reread("as if it were contiguous", in_memory_order), READS_DY))
M("storage-offset-ignored", "LAYOUT_CORRUPTION", "BN-8.3", "x is read from the start of the buffer it lies in.",
  P("rows", reread("from the start of its buffer", from_buffer)))
M("channels-past64-lost", "CHANNELS_LOST", "BN-1.1", "Channels past the 64th get mean 0 and variance 0.",
  P("moments", of_channels("0 past channel 64", lambda v, index: np.where(index >= 64, 0, v))))
M("channels-past512-lost", "CHANNELS_LOST", "BN-1.1", "Channels past the 512th get mean 0 and variance 0.",
  P("moments", of_channels("0 past channel 512", lambda v, index: np.where(index >= 512, 0, v))))
M("last-channel-repeats", "CHANNELS_LOST", "BN-1.1", "Where there are several channels the last one is given the statistics of the one before.",
  P("moments", of_channels("that of the channel before in the last", lambda v, index: np.concatenate([v[:-1], v[-2:-1] if len(v) > 1 else v]))))
M("count-is-batch-size", "SPATIAL_NOT_SHARED", "BN-1.2", "Sums over all positions are divided by the batch size.",
  P("m", formula("N", lambda v, at: np.full_like(v, batch(at)))))
M("gradient-count-is-batch-size", "SPATIAL_NOT_SHARED", "BN-5.1", "The means in dx divide by the batch size, not by m.",
  P("m_grad", formula("N", lambda v, at: np.full_like(v, batch(at)))))
M("tail-lost", "VALUES_LOST", "BN-1.2", "Sums run over whole groups of 16 values and leave out the rest, where there is one group at least.",
  P("sum", over_terms("over whole groups of 16", lambda terms: terms[:, : terms.shape[1] // 16 * 16 or terms.shape[1]])))
M("rows-past65535-lost", "VALUES_LOST", "BN-1.2", "Values past the 65,535th of a channel are left out of the sums.",
  P("sum", over_terms("over the first 65,535 values", lambda terms: terms[:, :65535])))
M("last-sample-lost", "VALUES_LOST", "BN-1.2", "The last value of each channel is left out of the sums but counted.",
  P("sum", over_terms("without the last value", lambda terms: terms[:, :-1])))
