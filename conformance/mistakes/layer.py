"""The steps of the right layer: forward, gradients, and the extensions, on the rows of `sound`."""

import functools

import numpy as np

from .sound import Point, Statistics


def quiet(method):
    """Floating-point events are results here [BN-7.1], not warnings."""

    @functools.wraps(method)
    def call(*arguments, **options):
        with np.errstate(all="ignore"):
            return method(*arguments, **options)

    return call


class Derivatives(Statistics):
    """Section 5: gradients, forward mode, second order."""

    def mean_of(self, w, at):
        """Mean over all positions of a channel, in units of the counted values [BN-6.2]."""
        return self.total(w) / at.count

    def first(self, w, at):
        """The term that comes through the mean."""
        return self.mean_of(w, at)

    def second(self, w, at):
        """The term that comes through the variance."""
        return at.x_hat * self.mean_of(w * at.x_hat, at)

    def through(self, w, at):
        """What w loses because the statistics depend on x; only where x is counted [BN-6.2]."""
        lost = self.first(w, at) + self.second(w, at)
        return lost if at.keep is None else np.where(at.keep, lost, 0)

    def project(self, w, at):
        return w - self.through(w, at) if at.training else w

    def gradient(self, dy, at):
        """dx [BN-5.1, BN-5.2]."""
        return self.scale * at.r * self.project(dy, at)

    def gamma_gradient(self, dy, at):
        return self.total(dy * at.x_hat)

    def beta_gradient(self, dy, at):
        return self.total(dy)

    def gradients(self, dy, at, x):
        """dx, dgamma, dbeta as they are given out."""
        rows = self.rows(dy)
        out = {"dx": self.give_rows(self.gradient(rows, at), x)}
        if self.gamma is not None:
            out["dgamma"] = self.give_column(self.gamma_gradient(rows, at), "param")
        if self.beta is not None:
            out["dbeta"] = self.give_column(self.beta_gradient(rows, at), "param")
        return out

    def tangent(self, x_dot, gamma_dot, beta_dot, at):
        return self.scale * at.r * self.project(x_dot, at) + gamma_dot * at.x_hat + beta_dot  # [BN-5.3]

    def second_order(self, dy, u_x, u_gamma, u_beta, at):
        """(d2x, d2gamma, d2dy) as rows and columns [BN-5.4]."""
        moved = self.project(u_x, at)
        d2dy = self.scale * at.r * moved + u_gamma * at.x_hat + u_beta
        d2x = at.r * self.project(u_gamma * dy, at)
        if at.training:
            d2x = d2x - self.scale * at.r**2 * self.curvature(dy, u_x, at)
        return d2x, self.total(at.r * moved * dy), d2dy

    def curvature(self, dy, u_x, at):
        b, c = self.mean_of(dy * at.x_hat, at), self.mean_of(u_x * at.x_hat, at)
        return self.project(b * u_x + c * dy, at) + self.covariance(dy, u_x, b, c, at) * at.x_hat

    def covariance(self, dy, u_x, b, c, at):
        return self.mean_of(u_x * dy, at) - self.mean_of(u_x, at) * self.mean_of(dy, at) - b * c


class Sound(Derivatives):
    """The whole contract, by the clauses."""

    @property
    def scale(self):
        return self.type.type(1) if self.gamma is None else self.gamma

    @property
    def shift(self):
        return self.type.type(0) if self.beta is None else self.beta

    # parts of the forward

    def inverse_std(self, var):
        return 1 / np.sqrt(var + self.type.type(self.eps))

    def inference_inverse_std(self, var):
        return self.inverse_std(var)

    def normalize(self, rows, mean, r):
        return (rows - mean) * r

    def affine(self, x_hat, at):
        return self.scale * x_hat + self.shift  # [BN-2.3, BN-4.1]

    def training_statistics(self, at, before):
        """(mean, var) that normalize a training step; before: the running values before it [BN-3.6]."""
        return at.mean, at.var

    def inference_statistics(self, rows):
        """What normalizes in inference [BN-4.1]."""
        return self.running["mean"], self.running["var"]

    def check_input(self, x, dy):
        self.check_type("x", x)
        if dy is not None:
            self.check_like("dy", dy, x)

    # steps

    def settle(self, at):
        """Fill in r and x_hat."""
        at.r = (self.inverse_std(at.var) if at.training else self.inference_inverse_std(at.var)).astype(self.type)
        at.x_hat = self.normalize(at.x, at.mean, at.r)
        return at

    def training_point(self, x, keep=None, moments=None):
        """The point of a training step; nothing changes."""
        rows = self.rows(x)
        mean, var, count = moments or self.moments(rows, keep)
        return self.settle(Point(rows, keep, mean, var, count))

    def inference_point(self, x):
        if self.stateless:  # [BN-4.5]
            return self.training_point(x)
        rows = self.rows(x)
        mean, var = self.inference_statistics(rows)
        return self.settle(Point(rows, None, mean, var, self.count(rows, None), training=False))

    def batch(self, mean, var):
        """The batch statistics as they are given out."""
        return {"batch_mean": self.give_column(mean, "state"), "batch_var": self.give_column(var, "state")}

    def answer(self, at, x, dy):
        out = {"y": self.give_rows(self.affine(at.x_hat, at), x)}
        return out if dy is None else out | self.gradients(dy, at, x)

    @quiet
    def train(self, x, dy, keep=None, moments=None):
        self.check_input(x, dy)
        at = self.training_point(x, keep, moments)
        before, batch = self.running.copy(), self.batch(at.mean, at.var)
        self.update(at.mean, at.var, at.count)
        at.mean, at.var = self.training_statistics(at, before)
        return self.answer(self.settle(at), x, dy) | batch

    @quiet
    def infer(self, x, dy):
        self.check_input(x, dy)
        return self.answer(self.inference_point(x), x, dy)

    @quiet
    def frozen(self, x, dy):
        return self.infer(x, dy)

    def point(self, mode, x):
        return self.training_point(x) if mode == "train" else self.inference_point(x)

    def direction(self, name, array):
        column = self.load(name, array)
        return self.type.type(0) if column is None else column

    @quiet
    def jvp(self, mode, x, x_dot, gamma_dot, beta_dot):
        at = self.point(mode, x)
        columns = self.direction("gamma_dot", gamma_dot), self.direction("beta_dot", beta_dot)
        return {"y_dot": self.give_rows(self.tangent(self.rows(x_dot), *columns, at), x)}

    @quiet
    def double_backward(self, mode, x, dy, u_x, u_gamma, u_beta):
        at = self.point(mode, x)
        columns = self.direction("u_gamma", u_gamma), self.direction("u_beta", u_beta)
        d2x, d2gamma, d2dy = self.second_order(self.rows(dy), self.rows(u_x), *columns, at)
        return {
            "d2x": self.give_rows(d2x, x),
            "d2gamma": self.give_column(d2gamma, "param"),
            "d2dy": self.give_rows(d2dy, x),
        }
