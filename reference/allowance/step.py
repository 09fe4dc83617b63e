"""Allowances of one step: y and all derivatives, by running error analysis (BOUNDS.md, sections 4 to 7)."""

import numpy as np

from ..layout import Layout
from .affine import HUGE, Affine, add, exact, multiply
from .statistics import Allowance, Numerics, Statistics, inverse_std_error

INPUTS = ("x", "dy", "x_dot", "gamma_dot", "beta_dot", "u_x", "u_gamma", "u_beta")


class _Arithmetic:
    """Operations on Affine values in the declared arithmetic; means and sums run over the reduced axes."""

    def __init__(self, layout: Layout, numerics: Numerics, m, mask):
        self.layout, self.numerics, self.u, self.tiny = layout, numerics, numerics.u, numerics.tiny
        self.m, self.sums = np.maximum(m, 1), numerics.of_sum(m)
        self.mask = 1.0 if mask is None else np.broadcast_to(mask, layout.shape).astype(np.float64)
        self.names = 0

    def noisy(self, a: Affine, amount) -> Affine:
        """One more rounding: an element's own if `a` has x's shape, else one that its channel shares."""
        if np.shape(a.value) == self.layout.shape:
            return a._replace(local=a.local + amount)
        return a._replace(rest=a.rest + amount)

    def times(self, a, b) -> Affine:
        product = multiply(a, b)
        return self.noisy(product, self.u * (np.abs(product.value) + product.error) + self.tiny)

    def plus(self, a, b) -> Affine:
        total = add(a, b)
        return self.noisy(total, self.u * (np.abs(total.value) + total.error))

    def fresh(self, name: str) -> str:
        """A name for an error that no other quantity shares yet."""
        self.names += 1
        return f"{name} {self.names}"

    def total(self, a: Affine, size=None) -> Affine:
        """Sum over a channel, expanded to broadcast against x. size: magnitudes summed, default |a|.

        Shared errors add up with their signs; the elements' own by the worst case, under one new name.
        """
        full = lambda values: self.layout.expand(self.layout.total(np.broadcast_to(values, self.layout.shape)))
        terms = {name: full(term) for name, term in a.terms.items()}
        size = np.abs(a.value) if size is None else size
        terms[self.fresh("sum")] = full(a.local) + self.layout.expand(self.sums) * full(size + a.error) + self.tiny
        return Affine(full(a.value), terms, full(a.rest))

    def mean(self, a: Affine, size=None) -> Affine:
        return self.total(a, size).scaled(1.0 / self.layout.expand(self.m))


class StepBounds:
    """x_hat and r with their errors at one point, and the error of every output that is made of them."""

    def __init__(self, x, gamma, beta, at: Statistics, *, eps, channel_axes, numerics, training, mask=None):
        self.layout = layout = Layout(np.shape(x), channel_axes)
        self.on = on = _Arithmetic(layout, numerics, at.m, mask)
        self.training, u, expand = training, on.u, layout.expand
        self.gamma = exact(expand(layout.parameter("gamma", gamma, 1.0)))
        beta = expand(layout.parameter("beta", beta, 0.0))
        # u |beta|: the folded form rounds beta - mean a once a channel
        self.beta = Affine(beta, {"offset of beta": u * np.abs(beta)})
        total = at.var + eps
        rho, largest = inverse_std_error(at, eps, numerics)
        self.lost = largest >= HUGE**0.5  # channels about which nothing can be said
        r = 1.0 / np.sqrt(total)
        shift = np.minimum(r * largest * at.mean_error, HUGE)
        if at.shift_in_var:  # e / sqrt(var + e^2 + eps) grows with e and stays below 1
            shift = largest * at.mean_error / np.sqrt(total + at.mean_error**2)
        r, rho, mean = expand(r), expand(rho), expand(at.mean)
        self.r = Affine(r, {"variance": r * rho})
        # magnitudes of the terms of a x - a mean, which cancel where |mean| is large against the deviation
        self.magnitude = r * (np.abs(x) + np.abs(mean))
        value = (x - mean) * r
        terms = {"mean": -expand(shift), "variance": value * rho, "offset": 2 * u * r * np.abs(mean)}
        own = u * (np.maximum(r * np.abs(x), np.abs(value)) + np.abs(value)) + on.tiny
        self.x_hat = Affine(value, terms, local=np.broadcast_to(own, layout.shape))

    def sum_hat(self, w: Affine, size=None) -> Affine:
        """sum(w x_hat), which the folded form takes as the difference of r sum(w x) and r mean(x) sum(w)."""
        size = np.abs(w.value) if size is None else size
        total = self.on.total(multiply(w, self.x_hat), size * self.magnitude)
        # the products w x may underflow before r multiplies them
        return self.on.noisy(total, self.on.tiny * self.layout.expand(self.on.m) * (1 + self.r.value))

    def project(self, w: Affine, size=None):
        """P(w) = w - mean(w) - x_hat mean(w x_hat), the shape of every training derivative [BN-5.1], and the size
        of its terms; the identity in inference. size: magnitude of w where it is itself a sum.

        Automatic differentiation scales the terms before it adds them: 3 roundings of each by element,
        and 4 of the means by channel.
        """
        size = np.abs(w.value) if size is None else size
        if not self.training:
            return w, size
        on, u = self.on, self.on.u
        offset = on.mean(w, size)
        slope = self.sum_hat(w, size).scaled(1.0 / self.layout.expand(on.m))
        offset, slope = (on.noisy(a, 4 * u * np.abs(a.value)) for a in (offset, slope))
        through = add(offset, multiply(self.x_hat, slope)).scaled(on.mask)
        core = size + on.mask * (np.abs(offset.value) + np.abs(self.x_hat.value * slope.value))
        # x times the slope and mean(x) times the slope apart: they cancel in a sum
        apart = on.mask * self.magnitude * np.abs(slope.value)
        return on.noisy(add(w, through.scaled(-1.0)), u * (3 * core + apart)), core

    def y(self):
        on = self.on
        # gamma r may be subnormal where neither y nor x_hat is: the folded form multiplies what it lost by x - mean
        scaled = on.noisy(on.times(self.gamma, self.x_hat), on.tiny * np.abs(self.x_hat.value) / self.r.value)
        return on.plus(scaled, self.beta)

    def dx(self, dy: Affine):
        """gamma r P(dy) [BN-5.1, BN-5.2]."""
        on = self.on
        moved, _ = self.project(dy)
        # what gamma dy, the slope and mean(dy) lose to underflow is multiplied by r, the latter two by gamma as well
        lost = 4 * on.tiny * self.r.value * (1 + np.abs(self.x_hat.value) if self.training else 1)
        lost = lost * np.maximum(1, np.abs(self.gamma.value))
        return on.noisy(on.times(on.times(self.gamma, self.r), moved), lost)

    def tangent(self, x_dot, gamma_dot, beta_dot):
        """y_dot [BN-5.3], and with cotangents for tangents d2dy [BN-5.4]."""
        on = self.on
        scaled = on.noisy(on.times(gamma_dot, self.x_hat), on.u * self.magnitude * np.abs(gamma_dot.value))
        # the folded form carries beta_dot through two sums of a channel
        shared = on.noisy(beta_dot, 2 * on.u * np.abs(beta_dot.value))
        return on.plus(self.dx(x_dot), on.plus(scaled, shared))

    def second(self, dy, u_x, u_gamma, u_beta):
        """d2x, d2gamma, d2dy [BN-5.4]."""
        on = self.on
        moved, core = self.project(u_x)
        scaled = on.times(self.r, moved)
        of_gamma = on.total(multiply(scaled, dy), self.r.value * core * np.abs(dy.value))
        outer, _ = self.project(on.times(u_gamma, dy))
        d2x = on.times(self.r, outer)
        if self.training:
            d2x = on.plus(d2x, self._curvature(dy, u_x))
        return {"d2dy": self.tangent(u_x, u_gamma, u_beta), "d2gamma": of_gamma, "d2x": d2x}

    def _curvature(self, dy, u_x):
        """- gamma r^2 (P(b u_x + c dy) + k x_hat): what x does to r and to the projection."""
        on = self.on
        count = 1.0 / self.layout.expand(on.m)
        b, c = self.sum_hat(dy).scaled(count), self.sum_hat(u_x).scaled(count)
        product = on.mean(on.times(u_x, dy))
        k = on.plus(on.plus(product, on.times(on.mean(u_x), on.mean(dy)).scaled(-1.0)), on.times(b, c).scaled(-1.0))
        first, second = on.times(b, u_x), on.times(c, dy)
        inner, _ = self.project(add(first, second), np.abs(first.value) + np.abs(second.value))
        bent = on.plus(inner, on.times(k, self.x_hat))
        return on.times(on.times(on.times(self.gamma, self.r), self.r), bent).scaled(-1.0)

    def renormed(self, r, d, dy):
        """y and gradients of batch renormalization [BN-6.4]; r, d: Affine, one value a channel."""
        on = self.on
        y = on.plus(on.times(self.gamma, on.plus(on.times(self.x_hat, r), d)), self.beta)
        out = {"y": y}
        if dy is not None:
            out["dx"] = on.times(self.dx(dy), r)
            of_beta = on.total(dy)
            out["dbeta"], out["dgamma"] = of_beta, on.plus(on.times(r, self.sum_hat(dy)), on.times(d, of_beta))
        return out


def clipped(value: Affine, low, high, u) -> Affine:
    """clip(value, low, high): an error passes as far as it stays within the limits, which are rounded themselves."""
    clip = lambda values: np.clip(values, low, high)
    middle, error = clip(value.value), value.error
    moved = np.maximum(clip(value.value + error) - middle, middle - clip(value.value - error))
    return Affine(middle, {}, moved + u * np.abs(middle))


def renorm_factors(at: Statistics, state: Statistics, *, eps, limits, numerics: Numerics, layout: Layout):
    """r' = s_B / s and d' = (batch_mean - running_mean) / s, clipped, with their errors [BN-6.4]."""
    r_max, d_max = limits["r_max"], limits["d_max"]
    u, s = numerics.u, np.sqrt(state.var + eps)
    (rho_state, most), (rho, _) = (inverse_std_error(one, eps, numerics) for one in (state, at))
    ratio = np.sqrt(at.var + eps) / s
    # 1 + rho bounds r from above; s_B is its inverse: off by no more than var_error through the root
    root = np.sqrt(1 + at.var_error / (at.var + eps)) - 1
    r = ratio * ((1 + np.maximum(rho, root)) * (1 + rho_state + 2 * u) - 1)
    gap = at.mean - state.mean
    d = (at.mean_error + state.mean_error + 2 * u * np.abs(gap)) * most / s + np.abs(gap) / s * (rho_state + u)
    wide = lambda value, error, low, high: clipped(Affine(layout.expand(value), {}, layout.expand(error)), low, high, u)
    return wide(ratio, r, 1 / r_max, r_max), wide(gap / s, d, -d_max, d_max)


@np.errstate(all="ignore")
def step_allowances(
    step, gamma, beta, at: Statistics, *, eps, channel_axes, numerics, training, state=None, limits=None
) -> dict[str, Allowance]:
    """Allowances of one step before the final rounding into the output's type.

    step: dict with x and as wanted mask, dy, x_dot, gamma_dot, beta_dot, u_x, u_gamma, u_beta (as the oracle takes
    them).
    at: statistics that normalize, with their errors. eps: one number, or one a channel. state, limits: running
    statistics before the step and {"r_max", "d_max"}, for batch renormalization.
    Returns name -> Allowance for y, dx, dgamma, dbeta, y_dot, d2x, d2gamma, d2dy, as far as `step` asks for them.
    """
    wide = {name: np.asarray(step[name], np.float64) for name in INPUTS if step.get(name) is not None}
    point = StepBounds(
        wide["x"],
        gamma,
        beta,
        at,
        eps=eps,
        channel_axes=channel_axes,
        numerics=numerics,
        training=training,
        mask=step.get("mask"),
    )
    layout = point.layout
    given = {name: exact(value) for name, value in wide.items() if value.shape == layout.shape}
    dy = given.get("dy")
    param = lambda name: exact(layout.expand(layout.parameter(name, wide.get(name), 0.0)))
    if limits is not None:
        factors = renorm_factors(at, state, eps=eps, limits=limits, numerics=numerics, layout=layout)
        out = point.renormed(*factors, dy)
    else:
        out = {"y": point.y()}
        if dy is not None:
            out |= {"dx": point.dx(dy), "dgamma": point.sum_hat(dy), "dbeta": point.on.total(dy)}
    if "x_dot" in given:
        out["y_dot"] = point.tangent(given["x_dot"], param("gamma_dot"), param("beta_dot"))
    if "u_x" in given:
        out |= point.second(dy, given["u_x"], param("u_gamma"), param("u_beta"))
    return {name: _allowance(name, result, point) for name, result in out.items()}


def _allowance(name, result, point):
    layout = point.layout
    if name == "dbeta":
        return Allowance.independent(_per_channel(layout, result.error))
    if name not in ("dgamma", "d2gamma"):
        found = Allowance.of(result, layout)
        return found._replace(element=np.where(layout.expand(point.lost), np.inf, found.element))
    flat = lambda values: _per_channel(layout, np.broadcast_to(values, np.shape(result.value)))
    # a variance that is off to one side pulls all channels alike
    found = Allowance.independent(flat(result.error), flat(result.terms.get("variance", 0.0)))
    return found._replace(element=np.where(point.lost, np.inf, found.element))


def _per_channel(layout, values):
    """Back from the shape that broadcasts against x to param_shape."""
    return np.transpose(np.squeeze(values, layout.reduced_axes), np.argsort(np.argsort(layout.channel_axes)))
