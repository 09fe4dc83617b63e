"""Relatives of batch normalization that the claims compare it with, as small torch modules.

All take `x` of shape `[N, C]` or `[N, C, *spatial]` with channels on axis 1, as torch does, and keep one
statistic a channel over the `m = N * prod(spatial)` values that share it [BN-1.1]. `decay` is the weight of the OLD
state in running statistics; `gamma` and `beta` are learned; `eps` stands inside the root. Each gradient is
autograd's, and the tests hold it to finite differences.
"""

import torch
from torch import Tensor, nn


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """`v[C]` in a shape that broadcasts against `x[N, C, ...]`."""
    return v.reshape(1, -1, *[1] * (x.ndim - 2))


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and ddof 0 variance of each channel of `x[N, C, ...]`, both of shape `[C]`."""
    axes = [0, *range(2, x.ndim)]
    mean = x.mean(axes)
    return mean, ((x - per_channel(mean, x)) ** 2).mean(axes)


class Affine(nn.Module):
    """`gamma * x + beta` a channel: what is left of batch normalization without statistics."""

    def __init__(self, channels: int, gamma: float = 1.0) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), float(gamma)))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return per_channel(self.gamma, x) * x + per_channel(self.beta, x)


class _Running(Affine):
    """An affine layer with running statistics of its input."""

    def __init__(self, channels: int, gamma: float = 1.0, *, decay: float = 0.9, eps: float = 1e-5) -> None:
        super().__init__(channels, gamma)
        self.decay, self.eps = decay, eps
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor) -> None:
        self.running_mean.mul_(self.decay).add_(mean, alpha=1 - self.decay)
        self.running_var.mul_(self.decay).add_(var, alpha=1 - self.decay)


class MeanOnlyNorm(_Running):
    """`gamma * (x - batch_mean) + beta` (Salimans and Kingma, 2016): the mean's noise without the variance's."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean, var = moments(x)
            self.track(mean, var)
        else:
            mean = self.running_mean
        return super().forward(x - per_channel(mean, x))


class VarianceOnlyNorm(_Running):
    """`gamma * x / sqrt(batch_var + eps) + beta` (Luo et al., 2019): the variance's noise without the mean's.

    `batch_var` is taken around the batch mean, as in batch normalization; the mean stays in the output.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean, var = moments(x)
            self.track(mean, var)
        else:
            var = self.running_var
        return super().forward(x / per_channel(torch.sqrt(var + self.eps), x))


class GhostBatchNorm(_Running):
    """Batch normalization with statistics over parts of `ghost` samples (Hoffer et al., 2017).

    The batch is cut along axis 0 into consecutive parts of `ghost` samples, each normalized by its own statistics; a
    last part that is smaller keeps its own too. One update of the running statistics a part, in their order. With
    `ghost` at least `N` it is batch normalization (with ddof 0 in the running variance). It tells the noise of the
    statistics, set by `ghost`, from the noise of the gradient, set by `N`.
    """

    def __init__(self, channels: int, gamma: float = 1.0, *, ghost: int, decay: float = 0.9, eps: float = 1e-5) -> None:
        super().__init__(channels, gamma, decay=decay, eps=eps)
        if ghost < 1:
            raise ValueError(f"ghost is {ghost}, expected at least 1 sample a part")
        self.ghost = ghost

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(self._normalized(x, self.running_mean, self.running_var))
        parts = []
        for part in x.split(self.ghost):
            mean, var = moments(part)
            self.track(mean, var)
            parts.append(self._normalized(part, mean, var))
        return super().forward(torch.cat(parts))

    def _normalized(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return (x - per_channel(mean, x)) / per_channel(torch.sqrt(var + self.eps), x)


class PopulationNorm(Affine):
    """`gamma * (x - population_mean) / sqrt(population_var + eps) + beta` (Luo et al., 2019): no noise of statistics.

    The statistics are constants for the gradient, set by `refresh` from a sample of the population, or, where
    `live` is set, in training those of the input itself, with gradient: the caller then passes the whole population
    through the layer and takes the loss on the batch's rows alone. The layer also keeps what gamma decay needs: the
    rate of positive outputs, F and the excess kurtosis of the input.
    """

    live = False

    def __init__(self, channels: int, gamma: float = 1.0, *, eps: float = 1e-5) -> None:
        super().__init__(channels, gamma)
        self.eps, self.refreshing = eps, False
        for name, value in (
            ("population_mean", 0.0),
            ("population_var", 1.0),
            ("positive_rate", 0.5),
            ("fisher", 0.5),
            ("excess_kurtosis", 0.0),
            ("shared", 1.0),
        ):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x: Tensor) -> Tensor:
        if self.refreshing:
            self._measure(x)
        elif self.live and self.training:
            self._measure(x.detach())
            mean, var = moments(x)
            return super().forward((x - per_channel(mean, x)) / per_channel(torch.sqrt(var + self.eps), x))
        std = torch.sqrt(self.population_var + self.eps)
        return super().forward((x - per_channel(self.population_mean, x)) / per_channel(std, x))

    @torch.no_grad()
    def _measure(self, x: Tensor) -> None:
        axes = [0, *range(2, x.ndim)]
        mean, var = moments(x)
        normalized = (x - per_channel(mean, x)) / per_channel(torch.sqrt(var + self.eps), x)
        on = (super().forward(normalized) > 0).to(x.dtype)
        self.population_mean.copy_(mean)
        self.population_var.copy_(var)
        self.positive_rate.copy_(on.mean(axes))
        self.fisher.copy_((on * normalized**2).mean(axes))
        self.excess_kurtosis.copy_((normalized**4).mean(axes) - 3)
        self.shared.fill_(x[0, 0].numel())

    def gamma_decay(self, batch: int) -> Tensor:
        """`sum(zeta * gamma**2)` over channels, with zeta of the text for ReLU: (rho + 2) F / 8M + rate / 2M.

        M is `batch` times the positions that share the channel's statistics: the values m of one statistic [BN-1.1].
        """
        m = batch * self.shared
        zeta = (self.excess_kurtosis + 2) * self.fisher / (8 * m) + self.positive_rate / (2 * m)
        return (zeta * self.gamma**2).sum()


@torch.no_grad()
def refresh(model: nn.Module, sample: Tensor) -> None:
    """Set every `PopulationNorm` in `model` from one pass over `sample`: each sees the earlier ones
    refreshed."""
    layers = [m for m in model.modules() if isinstance(m, PopulationNorm)]
    was_training = model.training
    model.eval()
    try:
        for layer in layers:
            layer.refreshing = True
        model(sample)
    finally:
        for layer in layers:
            layer.refreshing = False
        model.train(was_training)


class UnitWeight(nn.Module):
    """A linear or convolution layer without bias whose weight is divided by its norm, one norm an output channel.

    `UnitWeight` followed by `Affine` is weight normalization (Salimans and Kingma, 2016), gamma being its
    `g`; followed by a mean-only or variance-only layer it is the text's "WN + mean BN" and "WN + variance BN".
    """

    def __init__(self, linear: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        if linear.bias is not None:
            raise ValueError("the wrapped layer has a bias, expected bias=False: the following affine layer has beta")
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        weight = self.linear.weight
        norm = weight.flatten(1).norm(dim=1).reshape(-1, *[1] * (weight.ndim - 1))
        if isinstance(self.linear, nn.Conv2d):
            return nn.functional.conv2d(x, weight / norm, None, self.linear.stride, self.linear.padding)
        return nn.functional.linear(x, weight / norm)


def weight_norm(linear: nn.Linear | nn.Conv2d, gamma: float = 1.0) -> nn.Sequential:
    """Weight normalization of `linear`: `gamma * w·x / |w| + beta`."""
    return nn.Sequential(UnitWeight(linear), Affine(linear.weight.shape[0], gamma))
