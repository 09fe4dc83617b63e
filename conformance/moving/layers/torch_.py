"""torch.nn.BatchNorm1d, 2d, 3d."""

import torch

from bnconform.backends.torch_arrays import array, tensor

LAYERS = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d, 5: torch.nn.BatchNorm3d}


class TorchLayer:
    form, first, variance, ranks = "torch", True, "two-pass", (2, 3, 4, 5)

    def __init__(self, rank, channels, num_features=None, **arguments):
        self.layer = LAYERS[rank](channels, **arguments)

    @staticmethod
    def version():
        return torch.__version__

    def load(self, arrays):
        values = {name: tensor(value.copy()) for name, value in arrays.items()}
        self.layer.load_state_dict(self.layer.state_dict() | values)

    def arrays(self):
        return {name: array(value) for name, value in self.layer.state_dict().items()}

    def infer(self, x):
        with torch.no_grad():
            return array(self.layer.eval()(tensor(x)))

    def train(self, x):
        with torch.no_grad():
            return array(self.layer.train()(tensor(x)))

    def bare(self, x):
        return array(self.layer(tensor(x)))

    freezing = ("eval()", "requires_grad_(False)", "eval() and requires_grad_(False)")

    def frozen_step(self, setting, x, target, rate):
        self.layer.requires_grad_("requires_grad" not in setting)
        self.step(x, target, rate, training="eval" not in setting)

    def counts(self):
        of = lambda values: sum(value.numel() for value in values)
        return {"parameters()": of(self.layer.parameters()), "buffers()": of(self.layer.buffers())}

    def step(self, x, target, rate, training=True):
        parameters = [p for p in self.layer.parameters() if p.requires_grad]
        y = self.layer.train(training)(tensor(x))
        if parameters:
            optimizer = torch.optim.SGD(parameters, lr=rate)
            ((y - tensor(target)) ** 2).sum().mul(0.5 * y.shape[1] / y.numel()).backward()
            optimizer.step()
            optimizer.zero_grad()
