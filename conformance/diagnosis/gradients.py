"""Derivatives under some rules [BN-5]: every term has its coefficient, so that one can be missing."""

import numpy as np


class Point:
    """Where the derivatives are taken: the statistics, r, x_hat, and what the gradient believes of them."""

    def __init__(self, layer, x, norm, training, view, mask, factors, step):
        rules = layer.rules
        self.x, self.norm, self.training, self.view, self.mask = x, norm, training, view, mask
        self.factors, self.step = factors, step
        self.r, self.kappa = layer.root(norm.var, training)
        self.x_hat = (x - norm.mean) * self.r
        if rules.hat_limit is not None:
            self.x_hat = np.clip(self.x_hat, -rules.hat_limit, rules.hat_limit)
        self.uncentred = not rules.centred and rules.centred_modes in ("both", "train" if training else "infer")
        self.hat_out = x * self.r if self.uncentred else self.x_hat
        if factors is not None:
            self.hat_out = self.x_hat * factors[0] + factors[1]
        self.gradient = self._of_gradient(layer, x, norm, training)

    def _of_gradient(self, layer, x, norm, training):
        """(r, kappa, x_hat) that the backward pass uses."""
        rules, r, kappa = layer.rules, self.r, self.kappa
        if rules.eps_gradient == "right":
            r, kappa = 1 / np.sqrt(norm.var + layer.case.eps), 1.0
        elif rules.eps_gradient == "formula":
            kappa = 1.0
        if rules.gradient_eps is not None and rules.eps_modes in ("both", "train" if training else "infer"):
            r = 1 / np.sqrt(norm.var + rules.gradient_eps(layer.case))
        if rules.variance_term is not None:
            kappa = rules.variance_term(norm.var, layer.case.eps, norm.m)
        if rules.hat_from_y:
            return r, kappa, (x - norm.mean) * r + np.where(layer.gamma == 0, np.nan, 0.0)
        if rules.gradient_hat_kept or rules.hat_limit is not None and rules.hat_limit_kept:
            return r, kappa, self.x_hat
        return r, kappa, x * r if self.uncentred and rules.eps_gradient != "right" else (x - norm.mean) * r


def applies(rules, training):
    """Whether the changed gradient fields hold in this mode."""
    return rules.gradient_modes in ("both", "train" if training else "infer")


def _other_stats(layer, at, choice):
    """The point as a backward pass sees it that takes the statistics of the other mode."""
    if choice == "updated" and layer.updated is not None:
        mean, var = (values[None] for values in layer.updated)
    elif choice == "running" and layer.state is not None:
        mean, var = (values[None] for values in layer.state.used())
    else:
        mean = np.mean(at.x, axis=0, keepdims=True)
        var = np.var(at.x, axis=0, keepdims=True)
    r, _ = layer.root(var, at.training)
    return r, 1.0, (at.x - mean) * r


def first(layer, at, dy):
    """(dx, dgamma, dbeta): tables and (channels,) [BN-5.1, BN-5.2, BN-6.2, BN-6.4]."""
    rules = layer.rules
    r, kappa, x_hat = at.gradient
    choice = (rules.gradient_stats or {}).get("train" if at.training else "infer")
    if choice:
        r, kappa, x_hat = _other_stats(layer, at, choice)
    gamma = layer.gamma if rules.gamma_in_gradient else layer.gamma0
    dgamma, dbeta = _parameters(layer, at, dy, x_hat)
    kind = rules.train_gradient if at.training else rules.infer_gradient
    factor = at.factors[2] if at.factors is not None else 1.0
    changed = applies(rules, at.training)
    if at.factors is not None and (rules.renorm or {}).get("through"):
        return _renorm_through(layer, at, dy, rules.renorm["through"]), dgamma, dbeta
    scale = gamma if rules.dx_gamma or not changed else 1.0
    upstream = dy * scale * factor
    own, mean_term, hat_term = (rules.own, rules.mean_term, rules.hat_term) if changed else (1.0, 1.0, 1.0)
    power = rules.dx_r if changed else 1.0
    if kind == "infer":
        dx = own * r**power * upstream
    else:
        dx = r**power * _project(layer, at, upstream, x_hat, kappa, own, mean_term, hat_term, changed)
    if changed and rules.dx_scale:
        dx = dx * rules.dx_scale(at.norm.m, layer.case, at.view)
    if at.mask is not None and rules.mask_dx == "zero":
        dx = np.where(at.mask, dx, 0.0)
    return dx, dgamma, dbeta


def _renorm_through(layer, at, dy, how):
    """dx if r' and d' moved with the batch: the gradient of frozen statistics where neither is clipped [BN-6.4]."""
    mean, var = layer.state.used()
    frozen = dy * layer.gamma / np.sqrt(var + layer.case.eps)
    if how == "frozen":
        return frozen
    ratio, shift, _ = at.factors
    limits = at.step.options
    free_r = (ratio < limits["r_max"]) & (ratio > 1 / limits["r_max"])
    free_d = np.abs(shift) < limits["d_max"]
    r, _, x_hat = at.gradient
    w, average = dy * layer.gamma, at.norm.average
    plain = r * ratio * (w - average(w) - x_hat * average(w * x_hat))
    through_r = free_r * r * x_hat * ratio * average(w * x_hat)
    return plain + through_r + free_d * average(w) / np.sqrt(var + layer.case.eps)


def _divisor(at, rules):
    """What the sums in dx are divided by."""
    m, view = at.norm.m, at.view
    if not applies(rules, at.training):
        return m
    return {
        "m": m,
        "m - 1": m - 1,
        "batch": np.full_like(m, view.shape[0]),
        "spatial": m / max(view.samples, 1),
        "all": np.full_like(m, view.m),
        "one": np.ones_like(m),
        "total": m * view.count,
    }[rules.gradient_count]


def _means(layer, at, values):
    """Mean over those that share a statistic, as the backward pass takes it."""
    rules = layer.rules
    if at.mask is not None and rules.mask != "ignored":
        counted = np.where(at.mask, values, 0.0) if rules.mask_sums == "marked" else values
        return np.sum(counted, axis=0, keepdims=True) / _divisor(at, rules)
    if rules.lost is not None:
        if rules.lost_grad == "kept":
            values = np.where(_kept(layer, at), values, 0.0)
        return np.sum(np.broadcast_to(values, at.x.shape), axis=0, keepdims=True) / _divisor(at, rules)
    if rules.shard_sums != "merged" and rules.shard_sums_in in ("dx", "both") and "sizes" in at.step.options:
        return _shard_means(at, values, rules)
    share = (
        at.norm.average(values)
        if rules.mean_count == "m"
        else np.mean(np.broadcast_to(values, at.x.shape), axis=0, keepdims=True) * at.view.m / at.norm.m
    )
    return share if rules.gradient_count == "m" else share * at.norm.m / _divisor(at, rules)


def _shard_means(at, values, rules):
    sizes = at.step.options["sizes"]
    per_sample = len(values) // sum(sizes)
    parts = np.split(values, np.cumsum(sizes)[:-1] * per_sample)
    if rules.shard_sums == "local":
        return np.concatenate([np.broadcast_to(p.mean(axis=0, keepdims=True), p.shape) if len(p) else p for p in parts])
    if rules.shard_sums in ("first", "last"):
        return [p for p in parts if len(p)][0 if rules.shard_sums == "first" else -1].mean(axis=0, keepdims=True)
    if rules.shard_sums == "counted twice":
        return values.mean(axis=0, keepdims=True) * len([p for p in parts if len(p)])
    if rules.shard_sums == "counted by all":
        return values.mean(axis=0, keepdims=True) * len(parts)
    if rules.shard_sums == "divided":
        return values.mean(axis=0, keepdims=True) / len(parts)
    if rules.shard_sums == "local over total":
        return np.concatenate([np.broadcast_to(p.sum(axis=0, keepdims=True) / len(values), p.shape) for p in parts])
    full = [p for p in parts if len(p)]
    return np.mean([p.mean(axis=0, keepdims=True) for p in full], axis=0)  # "equal": every shard the same


def _project(layer, at, w, x_hat, kappa, own, mean_term, hat_term, changed):
    """own w - mean(w) - x_hat mean(w x_hat), the terms weighed by the rules [BN-5.1]."""
    rules = layer.rules
    through = mean_term * _means(layer, at, w) + hat_term * x_hat * kappa * _means(layer, at, w * x_hat)
    if at.mask is not None and rules.mask != "ignored":
        where = {"marked": at.mask if rules.mask != "inverted" else ~at.mask, "all": True, "none": False}[
            rules.mask_terms
        ]
        through = np.where(where, through, 0.0)
    if rules.lost is not None and rules.lost_grad == "derived":
        through = np.where(_kept(layer, at), through, 0.0)
    return own * w - through


def _kept(layer, at):
    """The values that mistaken sums do not leave out."""
    return layer.rules.lost(at.view.samples, at.view.m // max(at.view.samples, 1), at.view.count)


def _parameters(layer, at, dy, x_hat):
    """dgamma and dbeta."""
    rules = layer.rules
    kept = np.where(_kept(layer, at), dy, 0.0) if rules.lost is not None and rules.lost_grad == "kept" else dy
    if at.mask is not None and rules.mask_parameters == "marked":
        kept = np.where(at.mask, dy, 0.0)
    hat = x_hat
    if at.factors is not None:
        how = (rules.renorm or {}).get("parameters", "")
        hat = x_hat if how == "plain" else x_hat * at.factors[0] + (at.factors[1] if how != "no shift" else 0.0)
    changed = applies(rules, at.training)
    if changed:
        hat = {
            "x_hat": hat,
            "x": at.x,
            "centred": at.x - at.norm.mean,
            "y": layer.gamma * x_hat + layer.beta,
            "scaled": layer.gamma * hat,
            "x r": at.x * at.gradient[0],
        }[rules.dgamma_of]
    sums = _shard_total(rules, at)
    dgamma, dbeta = sums(kept * hat), sums(kept if rules.dbeta_of == "dy" or not changed else kept * layer.gamma)
    if changed and rules.dgamma_scale:
        dgamma = dgamma * rules.dgamma_scale(at.norm.m, layer.case, at.view).reshape(-1)
    if changed and rules.dbeta_scale:
        dbeta = dbeta * rules.dbeta_scale(at.norm.m, layer.case, at.view).reshape(-1)
    return dgamma, dbeta


def _shard_total(rules, at):
    """Sum over the rows, as the rules gather it from shards."""
    if (
        rules.shard_sums == "merged"
        or rules.shard_sums_in not in ("parameters", "both")
        or "sizes" not in at.step.options
    ):
        return lambda table: np.sum(table, axis=0)
    sizes = at.step.options["sizes"]

    def total(table):
        parts = np.split(table, np.cumsum(sizes)[:-1] * (len(table) // sum(sizes)))
        full = [p.sum(axis=0) for p in parts if len(p)]
        return {
            "local": lambda: full[0],
            "last": lambda: full[-1],
            "counted twice": lambda: sum(full) * len(full),
            "counted by all": lambda: sum(full) * len(parts),
            "divided": lambda: sum(full) / len(parts),
            "equal": lambda: sum(full) / len(full),
            "local over total": lambda: full[0],
        }[rules.shard_sums]()

    return total


def _moves(layer, at, words):
    """Whether the statistics move with x in this derivative."""
    mode = "train" if at.training else "infer"
    kind = layer.rules.train_gradient if at.training else layer.rules.infer_gradient
    return (kind == "train") != (f"other mode {mode}" in words)


def tangent(layer, at, arrays, table, view):
    """Forward mode [BN-5.3]."""
    if "x_dot" not in arrays:
        return {}
    terms = {"own": 1.0, "mean": 1.0, "hat": 1.0, "gamma": 1.0, "beta": 1.0, **(layer.rules.jvp or {})}
    r, kappa, x_hat = at.gradient
    x_dot = table("x_dot")
    moved = terms["own"] * x_dot
    if _moves(layer, at, terms):
        mean = at.norm.average
        moved = moved - terms["mean"] * mean(x_dot) - terms["hat"] * x_hat * kappa * mean(x_dot * x_hat)
    flat = lambda name: layer.along(name, arrays)
    y_dot = layer.gamma * r * moved + terms["gamma"] * flat("gamma_dot") * x_hat + terms["beta"] * flat("beta_dot")
    return {"y_dot": view.back(y_dot)}


def second(layer, at, arrays, table, view):
    """Gradients of the gradients [BN-5.4], term by term."""
    if "u_x" not in arrays:
        return {}
    drop = layer.rules.second or {}
    has = lambda term: drop.get(term, 1.0)
    r, kappa, x_hat = at.gradient
    mean, gamma = at.norm.average, layer.gamma
    dy, u = table("dy"), table("u_x")
    flat = lambda name: layer.along(name, arrays)
    full = _moves(layer, at, drop)

    def project(w, *terms):
        return w - mean(w) - x_hat * mean(w * x_hat) if full and all(has(term) for term in terms) else w

    outer = flat("u_gamma") * dy
    d2x = has("outer") * r * project(outer, "outer projection")
    if full:
        b, c = mean(dy * x_hat), mean(u * x_hat)
        k = has("product in k") * mean(u * dy) - has("mean") * mean(u) * mean(dy) - has("kb") * b * c
        curved = project(has("b") * b * u + has("c") * c * dy, "curved projection") + has("k") * k * x_hat
        d2x = d2x - has("curved") * gamma * r**2 * curved
    d2gamma = has("d2gamma") * np.sum(r * project(u, "projection", "d2gamma projection") * dy, axis=0)
    out = {"d2x": view.back(d2x), "d2gamma": d2gamma.reshape(layer.shape)}
    d2dy = has("d2dy") * gamma * r * project(u, "projection", "d2dy projection")
    d2dy = d2dy + has("gamma") * flat("u_gamma") * x_hat + has("beta") * flat("u_beta")
    return out | {"d2dy": view.back(d2dy)}
