"""Wrong axes, orders and counts."""

import numpy as np

from .estimator import KnowsBatchSize
from .extended import Base
from .record import mutant


class OtherAxis(Base):
    """Keeps another axis than the one given; where the sizes differ, arithmetic fails by itself."""

    @property
    def axes(self):
        return self.config.channel_axes if len(self.config.channel_axes) > 1 else (self.kept_axis(),)


@mutant("WRONG_AXIS", "BN-1.1", "last")
class ChannelsAlwaysLast(OtherAxis):
    """The channel axis is the last one, whatever is given."""

    def kept_axis(self):
        return self.config.rank - 1


@mutant("WRONG_AXIS", "BN-1.1", "1")
class ChannelsAlwaysFirst(OtherAxis):
    """The channel axis is axis 1, whatever is given."""

    def kept_axis(self):
        return 1


@mutant("WRONG_AXIS", "BN-1.1", "guessed by its size")
class ChannelsBySize(OtherAxis):
    """The channel axis is the last one that has as many entries as gamma."""

    def kept_axis(self):
        size = self.config.channels[0]
        return max(axis for axis, n in enumerate(self.config.shape) if n == size)


@mutant("WRONG_AXIS", "BN-1.4", "order of several axes")
class ChannelAxesSorted(Base):
    """Several channel axes are taken in ascending order, whatever order is given."""

    @property
    def axes(self):
        return tuple(sorted(self.config.channel_axes))


@mutant("WRONG_AXIS", "BN-1.4", "several axes pooled")
class ActivationsPooled(Base):
    """With several channel axes all activations share one statistic."""

    def moments(self, rows, keep=None):
        if len(self.axes) == 1:
            return super().moments(rows, keep)
        mean, var, _ = super().moments(rows.reshape(1, -1))
        return np.full((len(rows), 1), mean), np.full((len(rows), 1), var), self.count(rows, None)


@mutant("WRONG_AXIS", "BN-1.1", "none kept")
class OneStatisticForAll(Base):
    """Mean and variance run over the whole tensor, channels and all."""

    def moments(self, rows, keep=None):
        mean, var, _ = super().moments(rows.reshape(1, -1), None if keep is None else keep.reshape(1, -1))
        return np.full((len(rows), 1), mean), np.full((len(rows), 1), var), self.count(rows, keep)


class Local(Base):
    """Statistics that vary within a channel: matrices in place of columns. The state takes their mean.

    `over(rank)` gives the axes that are reduced.
    """

    def training_point(self, x, keep=None, moments=None):
        axes = self.over(x.ndim)
        wide = x.astype(self.type)
        mean = wide.mean(axes, keepdims=True)
        var = ((wide - mean) ** 2).mean(axes, keepdims=True)
        self.local = self.rows(np.broadcast_to(mean, x.shape)), self.rows(np.broadcast_to(var, x.shape))
        return super().training_point(x, keep, moments)

    def batch(self, mean, var):
        return super().batch(*(value.mean(axis=1, keepdims=True) for value in self.local))

    def update(self, mean, var, count):
        super().update(*(value.mean(axis=1, keepdims=True) for value in self.local), count)

    def training_statistics(self, at, before):
        return self.local


@mutant("WRONG_AXIS", "BN-1.1", "batch axis alone reduced")
class StatisticsPerPosition(Local):
    """Only axis 0 is reduced: each position of an image has its own statistics."""

    def over(self, rank):
        return (0,)


@mutant("WRONG_AXIS", "BN-1.1", "batch axis not reduced")
class StatisticsPerSample(Local):
    """Axis 0 is not reduced: each sample is normalized by itself."""

    def over(self, rank):
        return tuple(axis for axis in range(1, rank) if axis not in self.axes)


@mutant("WRONG_AXIS", "BN-1.1", "statistics over the last axis")
class StatisticsOverLastAxis(Local):
    """Mean and variance run over the last axis alone, as in layer normalization."""

    def over(self, rank):
        return (-1,)


@mutant("WRONG_AXIS", "BN-1.1", "third spatial axis not reduced")
class ThirdSpatialAxisKept(Local):
    """Three axes are reduced at most: a volume is normalized slice by slice."""

    def over(self, rank):
        return tuple(axis for axis in range(rank) if axis not in self.axes)[:3]


@mutant("LAYOUT_CORRUPTION", "BN-8.3", "reshape for transpose")
class ReshapedNotTransposed(Base):
    """x is cut into channels by reshaping it, without moving the channel axis to the front."""

    def rows(self, array):
        right = super().rows(array)
        return np.ascontiguousarray(array).reshape(right.shape).astype(self.type)

    def unrows(self, rows, shape):
        return rows.reshape(shape)


@mutant("LAYOUT_CORRUPTION", "BN-8.3", "result not transposed back")
class ResultNotTransposedBack(Base):
    """Statistics are right, the result's values come out in the order of the inner matrix."""

    def unrows(self, rows, shape):
        return rows.reshape(shape)


def in_memory_order(array):
    """The elements from the array's first one on, as they lie in memory."""
    flat = np.lib.stride_tricks.as_strided(array, (array.size,), (array.itemsize,))
    return flat.reshape(array.shape)


@mutant("LAYOUT_CORRUPTION", "BN-8.3", "strides of x ignored")
class StridesIgnored(Base):
    """x is read as if it were contiguous."""

    def training_point(self, x, keep=None, moments=None):
        return super().training_point(in_memory_order(x), keep, moments)

    def inference_point(self, x):
        return super().inference_point(in_memory_order(x))


@mutant("LAYOUT_CORRUPTION", "BN-8.3", "strides of dy ignored")
class GradientStridesIgnored(Base):
    """dy is read as if it were contiguous; the forward pass is right."""

    def gradients(self, dy, at, x):
        return super().gradients(in_memory_order(dy), at, x)


@mutant("LAYOUT_CORRUPTION", "BN-8.3", "storage offset ignored")
class StorageOffsetIgnored(Base):
    """x is read from the start of the buffer it lies in."""

    def rows(self, array):
        base = array.base
        if base is not None and array.flags.c_contiguous and base.flags.c_contiguous and base.dtype == array.dtype:
            array = base.ravel()[: array.size].reshape(array.shape)
        return super().rows(array)


@mutant("CHANNELS_LOST", "BN-1.1", "past 64")
class ChannelsPast64Lost(Base):
    """Channels past the 64th get mean 0 and variance 0."""

    limit = 64

    def moments(self, rows, keep=None):
        mean, var, count = super().moments(rows, keep)
        lost = np.arange(len(rows)).reshape(-1, 1) >= self.limit
        return np.where(lost, 0, mean), np.where(lost, 0, var), count


@mutant("CHANNELS_LOST", "BN-1.1", "past 512")
class ChannelsPast512Lost(ChannelsPast64Lost):
    """Channels past the 512th get mean 0 and variance 0."""

    limit = 512


@mutant("CHANNELS_LOST", "BN-1.1", "one fewer")
class LastChannelRepeats(Base):
    """Where there are several channels the last one is given the statistics of the one before."""

    def moments(self, rows, keep=None):
        mean, var, count = super().moments(rows, keep)
        index = np.arange(len(rows))
        index[-1] = max(len(rows) - 2, 0)
        return mean[index], var[index], count


@mutant("SPATIAL_NOT_SHARED", "BN-1.2", "divided by the batch size")
class CountIsBatchSize(KnowsBatchSize):
    """Sums over all positions are divided by the batch size."""

    def count(self, rows, keep):
        return np.full((len(rows), 1), self.n, self.type)


@mutant("SPATIAL_NOT_SHARED", "BN-5.1", "gradient")
class GradientCountIsBatchSize(KnowsBatchSize):
    """The means in dx divide by the batch size, not by m."""

    def mean_of(self, w, at):
        return self.total(w) / self.type.type(self.n)


@mutant("VALUES_LOST", "BN-1.2", "tail of a vector loop")
class TailLost(Base):
    """Sums run over whole groups of 16 values and leave out the rest, where there is one group at least."""

    def total(self, rows, keep=None):
        whole = rows.shape[1] // 16 * 16 or rows.shape[1]
        return super().total(rows[:, :whole], keep if keep is None else keep[:, :whole])


@mutant("VALUES_LOST", "BN-1.2", "past 65,535 rows")
class RowsPast65535Lost(Base):
    """Values past the 65,535th of a channel are left out of the sums."""

    def total(self, rows, keep=None):
        return super().total(rows[:, :65535], keep if keep is None else keep[:, :65535])


@mutant("VALUES_LOST", "BN-1.2", "last sample")
class LastSampleLost(Base):
    """The last value of each channel is left out of the sums but counted."""

    def total(self, rows, keep=None):
        return super().total(rows[:, :-1], keep if keep is None else keep[:, :-1])
