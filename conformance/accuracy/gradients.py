"""Derivatives as textbooks and libraries compute them; arrays as in `kernels`, total: a sum over axis 0."""


def explicit(x, dy, mean, r, gamma, total):
    """The formula: gamma r (dy - mean(dy) - x_hat mean(dy x_hat))."""
    x_hat = (x - mean) * r
    of_beta, of_gamma = total(dy), total(dy * x_hat)
    m = x.dtype.type(len(x))
    return gamma * r * (dy - of_beta / m - x_hat * (of_gamma / m)), of_gamma, of_beta


def projected(x, dy, mean, r, gamma, total):
    """As PyTorch and cuDNN: sum(dy (x - mean)), with r^2 / m once a channel."""
    m = x.dtype.type(len(x))
    deviation = x - mean
    of_beta, dot = total(dy), total(dy * deviation)
    slope = dot * r * r / m
    return (dy - of_beta / m - deviation * slope) * r * gamma, dot * r, of_beta


def differentiated(x, dy, mean, r, gamma, total):
    """What reverse mode makes of the direct form with a two-pass variance."""
    two, m = x.dtype.type(2), x.dtype.type(len(x))
    deviation, scaled_dy = x - mean, dy * gamma
    of_r = total(scaled_dy * deviation)
    of_var = x.dtype.type(-0.5) * of_r * r * r * r
    of_mean = -total(scaled_dy * r) - of_var * two * total(deviation) / m
    dx = scaled_dy * r + of_var * two * deviation / m + of_mean / m
    return dx, total(dy * deviation * r), total(dy)


def differentiated_folded(x, dy, mean, r, gamma, total):
    """What reverse mode makes of a x + (beta - mean a): sum(dy x) - mean sum(dy) cancels."""
    two, m, a = x.dtype.type(2), x.dtype.type(len(x)), gamma * r
    of_beta = total(dy)
    of_a = total(dy * x) - mean * of_beta
    of_var = x.dtype.type(-0.5) * (of_a * gamma) * r * r * r
    of_mean = -a * of_beta
    return a * dy + of_var * two * (x - mean) / m + of_mean / m, of_a * r, of_beta


def differentiated_one_pass(x, dy, mean, r, gamma, total):
    """What reverse mode makes of it with E[x^2] - E[x]^2: 2 x of_var against 2 mean of_var."""
    two, m, a = x.dtype.type(2), x.dtype.type(len(x)), gamma * r
    of_beta = total(dy)
    of_a = total(dy * x) - mean * of_beta
    of_var = x.dtype.type(-0.5) * (of_a * gamma) * r * r * r
    of_mean = -a * of_beta - two * mean * of_var
    return a * dy + two * x * of_var / m + of_mean / m, of_a * r, of_beta


def tangent(x, w, mean, r, gamma, gamma_dot, beta_dot, total):
    """y_dot by the formula: gamma r P(w) + gamma_dot x_hat + beta_dot."""
    x_hat, m = (x - mean) * r, x.dtype.type(len(x))
    moved = w - total(w) / m - x_hat * (total(w * x_hat) / m)
    return gamma * r * moved + gamma_dot * x_hat + beta_dot


def chained(x, w, mean, r, gamma, gamma_dot, beta_dot, total):
    """y_dot as forward mode carries it through mean, variance, root and a x + b."""
    two, m = x.dtype.type(2), x.dtype.type(len(x))
    mean_dot = total(w) / m
    var_dot = total(two * (x - mean) * (w - mean_dot)) / m
    r_dot = x.dtype.type(-0.5) * r * r * r * var_dot
    a, a_dot = gamma * r, gamma_dot * r + gamma * r_dot
    return w * a + x * a_dot + (beta_dot - mean_dot * a - mean * a_dot)


def second_order(x, dy, u, mean, r, gamma, u_gamma, u_beta, total):
    """d2x, d2gamma, d2dy by the formula with P(w) = w - mean(w) - x_hat mean(w x_hat)."""
    x_hat, m = (x - mean) * r, x.dtype.type(len(x))
    mean_of = lambda values: total(values) / m
    project = lambda w: w - mean_of(w) - x_hat * mean_of(w * x_hat)
    b, c, moved = mean_of(dy * x_hat), mean_of(u * x_hat), project(u)
    k = mean_of(u * dy) - mean_of(u) * mean_of(dy) - b * c
    curved = project(b * u + c * dy) + k * x_hat
    return {
        "d2dy": gamma * r * moved + u_gamma * x_hat + u_beta,
        "d2gamma": total(r * moved * dy),
        "d2x": r * project(u_gamma * dy) - gamma * r * r * curved,
    }
