"""Further ways into PyTorch's batch normalization: memory format, autocast, the operator below."""

from dataclasses import replace

import torch

from .torch_ import CONVENTIONS, TorchFunctional, TorchModule
from .torch_arrays import arrays, tensor

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


class TorchChannelsLast(TorchModule):
    """`torch.nn.BatchNorm2d/3d` with module and input brought to channels-last memory."""

    conventions = replace(TorchModule.conventions, ranks=tuple(FORMATS))

    def _step(self, x, dy, training):
        x, dy = (v if v is None else _channels_last(tensor(v, self.device)) for v in (x, dy))
        return arrays(self._computed(x, dy, training))

    def _forward(self, x, weight, bias, training):
        return super()._forward(_channels_last(x), weight, bias, training)


def _channels_last(x):
    return x.contiguous(memory_format=FORMATS[x.ndim])


class TorchAutocast(TorchModule):
    """`torch.nn.BatchNorm1d/2d/3d` under `torch.autocast("cpu", torch.bfloat16)`."""

    def _forward(self, x, weight, bias, training):
        with torch.autocast(self.device.type, torch.bfloat16):
            return super()._forward(x, weight, bias, training)


class TorchNative(TorchFunctional):
    """`torch.native_batch_norm`: the operator that takes both statistics always, and gives back the saved ones."""

    conventions = replace(
        CONVENTIONS,
        ranks=TorchFunctional.conventions.ranks,
        cannot=TorchFunctional.conventions.cannot,
        offers=("stateless-inference",),
    )

    def _forward(self, x, weight, bias, training):
        training = training or self.statistics[0] is None
        numbers = self.numbers["momentum"], self.numbers["eps"]
        return torch.native_batch_norm(x, weight, bias, *self.statistics, training, *numbers)[0]
