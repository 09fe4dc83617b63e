"""paddle.nn.BatchNorm1D, 2D, 3D."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle

import numpy as np

LAYERS = {2: paddle.nn.BatchNorm1D, 3: paddle.nn.BatchNorm1D, 4: paddle.nn.BatchNorm2D, 5: paddle.nn.BatchNorm3D}


class PaddleLayer:
    form, first, variance, ranks = "paddle", True, "two-pass", (2, 3, 4, 5)

    def __init__(self, rank, channels, num_features=None, **arguments):
        self.layer = LAYERS[rank](channels, **arguments)

    @staticmethod
    def version():
        return paddle.__version__

    def load(self, arrays):
        self.layer.set_state_dict({name: paddle.to_tensor(value) for name, value in arrays.items()})

    def arrays(self):
        return {name: np.array(value.numpy()) for name, value in self.layer.state_dict().items()}

    def infer(self, x):
        self.layer.eval()
        return self.layer(paddle.to_tensor(x)).numpy()

    def train(self, x):
        self.layer.train()
        return self.layer(paddle.to_tensor(x)).numpy()

    def bare(self, x):
        return self.layer(paddle.to_tensor(x)).numpy()

    freezing = ("eval()", "stop_gradient = True", "eval() and stop_gradient = True")

    def frozen_step(self, setting, x, target, rate):
        for parameter in self.layer.parameters():
            parameter.stop_gradient = "stop_gradient" in setting
        if "stop_gradient" in setting:
            self.layer.eval() if "eval" in setting else self.layer.train()
            self.layer(paddle.to_tensor(x))
        else:
            self.step(x, target, rate, training=False)

    def counts(self):
        of = lambda values: int(sum(value.size for value in values))
        return {"parameters()": of(self.layer.parameters()), "buffers()": of(self.layer.buffers())}

    def step(self, x, target, rate, training=True):
        self.layer.train() if training else self.layer.eval()
        y = self.layer(paddle.to_tensor(x))
        (((y - paddle.to_tensor(target)) ** 2).sum() * (0.5 * x.shape[1] / x.size)).backward()
        optimizer = paddle.optimizer.SGD(rate, parameters=self.layer.parameters())
        optimizer.step()
        optimizer.clear_grad()
