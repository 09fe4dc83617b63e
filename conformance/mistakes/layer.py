"""The right layer, second part: forward, gradients, forward mode and second order, on the rows of `chain`."""

import numpy as np

from .chain import Statistics, quiet


class Derivatives(Statistics):
    """Section 5: gradients, forward mode, second order. `at` holds x_hat, r and the rest of the forward pass."""

    def project(self, w, of, x_hat=None):
        """w less what it loses because the statistics depend on x; only where x is counted [BN-5.1, BN-6.2]."""
        at = self.at
        if not self.be(f"moving_{of}", self.at.training):
            return w
        x_hat = at.x_hat_grad if x_hat is None else x_hat
        m = self.be("m_grad", self.be("m", self.count(at.x, at.mask), row=at.x, keep=at.mask))
        mean = self.be(f"mean_{of}", self.total(w, None, f"mean_{of}") / m, w=w)
        slope = self.be(f"mean_{of}_x_hat", self.total(w * x_hat, None, f"mean_{of}_x_hat") / m)
        slope = self.be(f"slope_{of}", x_hat * slope)
        lost = self.be(f"through_{of}", mean + slope if at.mask is None else np.where(at.mask, mean + slope, 0))
        return self.be(f"projected_{of}", w - lost)

    def backward_point(self):
        """What the gradients take over from the forward pass."""
        at = self.at
        self.be("root_grad", at.root)
        self.be("x_hat_grad", at.x_hat)
        self.be("gamma_grad", at.gamma)
        self.be("factor", at.gamma_grad * at.root_grad)

    def gradients(self, dy, x):
        """dx, dgamma, dbeta as they are given out [BN-5.1, BN-5.2]."""
        at = self.at
        self.backward_point()
        dy = self.be("dy", self.rows(dy, name="dy"))
        dx = self.be("dx", at.factor * self.project(dy, "dy", self.be("x_hat_dx", at.x_hat_grad)))
        dgamma = self.total(dy * self.be("x_hat_dgamma", at.x_hat_grad), None, "dgamma")
        return {"dx": self.give_rows(dx, x)} | self.parameter_gradients(dgamma, self.total(dy, None, "dbeta"))

    def parameter_gradients(self, dgamma, dbeta):
        self.be("dgamma", dgamma, sums=(dgamma, dbeta))
        self.be("dbeta", dbeta)
        found = {"dgamma": self.at.dgamma, "dbeta": self.at.dbeta}
        owners = {"dgamma": self.gamma, "dbeta": self.beta}
        return {name: self.give_column(value, "param") for name, value in found.items() if owners[name] is not None}

    def direction(self, name, array):
        column = self.load(name, array)
        return self.be(name, self.type.type(0) if column is None else column)

    def forward_mode(self, x, x_dot, gamma_dot, beta_dot):
        """y' [BN-5.3]."""
        self.backward_point()
        gamma_dot, beta_dot = self.direction("gamma_dot", gamma_dot), self.direction("beta_dot", beta_dot)
        moved = self.project(self.be("x_dot", self.rows(x_dot)), "x_dot")
        y_dot = self.be("y_dot", self.at.factor * moved + gamma_dot * self.at.x_hat_grad + beta_dot)
        return {"y_dot": self.give_rows(y_dot, x)}

    def second_order(self, x, dy, u_x, u_gamma, u_beta):
        """d2x, d2gamma, d2dy [BN-5.4]."""
        at = self.at
        self.backward_point()
        dy, u_x = self.rows(dy, name="dy"), self.rows(u_x)
        u_gamma, u_beta = self.direction("u_gamma", u_gamma), self.direction("u_beta", u_beta)
        x_hat, r = at.x_hat_grad, at.root_grad
        moved = self.project(u_x, "u_x")
        d2dy = self.be("d2dy", at.factor * moved + u_gamma * x_hat + u_beta, u_x=u_x, u_gamma=u_gamma, u_beta=u_beta)
        d2x = r * self.project(u_gamma * dy, "u_x")
        if at.moving_u_x:
            d2x = d2x - self.be("curvature", at.gamma_grad * r**2 * self.curvature(dy, u_x, x_hat))
        d2gamma = self.be("d2gamma", self.total(r * moved * dy, None, "d2gamma"))
        d2x = self.be("d2x", d2x, w=u_gamma * dy)
        return {
            "d2x": self.give_rows(d2x, x),
            "d2gamma": self.give_column(d2gamma, "param"),
            "d2dy": self.give_rows(d2dy, x),
        }

    def curvature(self, dy, u_x, x_hat):
        mean = lambda w: self.total(w, None, "k") / self.at.m_grad
        b, c = mean(dy * x_hat), mean(u_x * x_hat)
        k = self.be("k", mean(u_x * dy) - mean(u_x) * mean(dy) - b * c, product=b * c)
        return self.project(b * u_x + c * dy, "u_x") + k * x_hat


class Layer(Derivatives):
    """Steps of training and inference [sections 2 to 5]."""

    def begin(self, mode, arrays, peek=False, **options):
        """A new step; the mode that it has."""
        self.at.begin(mode, {name: array for name, array in arrays.items() if array is not None}, options, peek)
        self.at.counted = dict(self.steps)
        if self.at.number - 1 in self.states:  # what was observed of the step before
            self.running = dict(zip(("mean", "var"), self.states[self.at.number - 1]))
        mode = self.be("mode", mode)
        self.at.training = mode in ("train", "renorm")
        for name in ("x", "dy"):
            if name in self.at.arrays:
                self.check_type(name, self.at.arrays[name])
        x, dy = arrays["x"], arrays.get("dy")
        if dy is not None:
            self.expect("dy", dy.shape == x.shape, f"dy has shape {dy.shape}, expected {x.shape}", "BN-1.5")
            self.at.arrays["dy"] = dy[: len(x)]
        return mode

    def read(self, mask=None):
        """x and the mask as rows."""
        x = self.at.arrays["x"]
        self.be("mask", None if mask is None else self.rows(np.broadcast_to(mask, x.shape), bool))
        return self.be("x", self.rows(x, name="x"))

    def settle(self, mean, var):
        """The forward pass from the statistics that normalize, to y [BN-2.3, BN-4.1]."""
        at, one = self.at, self.type.type(1)
        mean, var = self.be("mean_used", mean), self.be("var_used", var)
        self.be("eps", self.type.type(self.config.eps))
        self.inverse_root("root", var)
        self.be("x_hat", self.be("centred", at.x - mean) * at.root)
        gamma = self.be("gamma", one if self.gamma is None else self.gamma)
        beta = self.be("beta", 0 * one if self.beta is None else self.beta)
        self.be("y", self.be("scaled", gamma * at.x_hat) + beta)

    def answer(self):
        arrays, x = self.at.arrays, self.at.arrays["x"]
        out = {"y": self.give_rows(self.at.y, x)}
        return out if "dy" not in arrays else out | self.gradients(arrays["dy"], x)

    def batch(self, mean, var):
        """The batch statistics as they are given out."""
        give = lambda value: self.give_column(self.column(value), "state")
        return {"batch_mean": give(mean), "batch_var": give(var)}

    def end(self, out):
        """What is given out at the end of a call."""
        self.be("done", None, out=out)
        if self.traces is not None:
            self.traces.append(dict(vars(self.at)))
        return self.be("outputs", out)

    def before(self):
        """The running values before the step, for whoever takes them by mistake."""
        self.at.before, self.at.batch = dict(self.running), lambda: self.moments(self.at.x, None)[:2]

    def inference_statistics(self, rows):
        """The running statistics, or the batch's where the layer has none, with their gradient [BN-4.1, BN-4.5]."""
        self.before()
        if not self.stateless:
            return self.running["mean"], self.running["var"]
        self.at.training = True
        return self.moments(rows)[:2]

    def step(self, x, dy, mode, mask=None, moments=None):
        """One step of any plain mode; moments: of merged shards, in place of the batch's own."""
        if mode == "train":
            mean, var, m = moments or self.moments(x, mask)
            self.before()
            self.update(mean, var, m)
            self.settle(mean, var)
            return self.end(self.answer() | self.batch(mean, var))
        self.settle(*self.inference_statistics(x))
        out = self.answer()
        if "updates" in self.points:
            self.update(*self.moments(x, None))
        return self.end(out)

    @quiet
    def train(self, x, dy):
        mode = self.begin("train", {"x": x, "dy": dy})
        return self.step(self.read(), dy, mode)

    @quiet
    def infer(self, x, dy):
        mode = self.begin("infer", {"x": x, "dy": dy})
        return self.step(self.read(), dy, mode)

    @quiet
    def frozen(self, x, dy):
        mode = self.begin("frozen", {"x": x, "dy": dy})
        return self.step(self.read(), dy, mode)

    def point_of(self, mode, x, **arrays):
        """The forward pass of a mode, without any change of state."""
        self.begin(mode, {"x": x, **arrays}, peek=True)
        rows = self.read()
        if mode == "train":
            statistics = self.moments(rows)[:2]
            self.before()
        else:
            statistics = self.inference_statistics(rows)
        self.settle(*statistics)
        return x

    @quiet
    def jvp(self, mode, x, x_dot, gamma_dot, beta_dot):
        return self.forward_mode(self.point_of(mode, x), x_dot, gamma_dot, beta_dot)

    @quiet
    def double_backward(self, mode, x, dy, u_x, u_gamma, u_beta):
        return self.second_order(self.point_of(mode, x, dy=dy), dy, u_x, u_gamma, u_beta)
