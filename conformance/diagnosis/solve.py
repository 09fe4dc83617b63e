"""Constants solved for: which value a quantity must have had, channel by channel, and which transform makes it so."""

import numpy as np

from ..mistakes.point import Point
from ..mistakes.whats import bits, clamped, constant, cut, formula, narrow, scaled, shifted
from .candidates import COLUMNS, made

ROUNDS = 12  # of Newton's method
WANTED = 1.0  # tolerances that may be left


def set_to(where, values):
    """The mistake that gives a quantity these values, in one step: a column, or one number for all channels."""
    return Point(
        where, formula("set", lambda v, at: np.broadcast_to(values, np.shape(v)) if np.ndim(v) else values, "set")
    )


class Solved:
    """What a quantity is, and what it must have been: columns over the channels of some steps, where that can be told."""

    def __init__(self):
        self.right, self.got, self.loose, self.traces = [], [], [], []

    def add(self, right, got, loose, trace, known):
        self.right.append(np.where(known, right, np.nan))
        self.got.append(np.where(known, got, np.nan))
        self.loose.append(loose)
        self.traces.append(trace)

    def arrays(self):
        flat = [np.concatenate([np.ravel(part) for part in parts]) for parts in (self.right, self.got, self.loose)]
        known = np.isfinite(flat[0]) & np.isfinite(flat[1]) & np.isfinite(flat[2])
        return [part[known] for part in flat]


@np.errstate(all="ignore")
def values(step, where) -> tuple | None:
    """(right value, value that explains this step, how loosely it is known, whether it does) as arrays (C,)."""
    right = step.trace.get(where)
    if (
        right is None
        or isinstance(right, bool | dict | tuple | list)
        or not np.issubdtype(np.asarray(right).dtype, np.number)
    ):
        return None
    count = len(step.deviation)
    right = np.asarray(right, np.float64)
    if right.size not in (1, count):
        return None
    start = np.broadcast_to(right.reshape(-1), (count,)).copy()
    episode, names = step.episode, list(step.got)
    tolerance = {name: step.allowed[name] + 1e-300 for name in names}

    def residual(value):
        found = episode.predict((set_to(where, value.reshape(-1, 1)),), step.index)
        if found is None or set(found) != set(names):
            return None
        return np.concatenate([(found[n] - step.got[n]) / tolerance[n] for n in names], axis=1)

    value, width = start.copy(), np.maximum(np.abs(start) * 1e-6, 1e-9)
    here = residual(value)
    if here is None:
        return None
    for _ in range(ROUNDS):
        ahead = residual(value + width)
        slope = (ahead - here) / width[:, None]
        usable = np.isfinite(slope) & np.isfinite(here)
        slope, error = np.where(usable, slope, 0), np.where(usable, here, 0)
        weight = np.sum(slope * slope, axis=1)
        move = np.where(weight > 0, -np.sum(slope * error, axis=1) / weight, 0.0)
        if not np.any(np.abs(move) > 1e-14 * np.abs(value)):
            break
        trial = residual(value + move)
        better = np.nansum(trial**2, axis=1) <= np.nansum(here**2, axis=1)
        half = residual(value + np.where(better, move, move / 4))
        value = value + np.where(better, move, move / 4)
        here = np.where(better[:, None], trial, half)
    weight = np.sqrt(np.nansum(slope**2, axis=1))
    worst = np.max(np.where(np.isnan(here), np.inf, np.abs(here)), axis=1, initial=0.0)
    loose = np.where(weight > 0, 2.0 / weight, np.inf)
    return start, value, loose, (worst <= WANTED + 1) & (weight > 0)


def solved(steps, where) -> Solved | None:
    """The values of a quantity over steps that deviate; None where they do not explain one of them."""
    found = Solved()
    for step in steps:
        answer = values(step, where)
        if answer is None:
            continue
        right, got, loose, known = answer
        known = known & (step.deviation > 1)
        if known.any():
            found.add(right, got, loose, step.trace, known)
    return found if found.right else None


@np.errstate(all="ignore")
def transforms(found: Solved):
    """Whats with a constant that make the right values into those that were found, the likeliest first."""
    right, got, loose = found.arrays()
    if not len(right):
        return
    near = lambda values: np.all(np.abs(values - got) <= 2 * loose + 1e-12 * np.abs(got))
    distinct = np.ptp(right) > 4 * np.max(loose)
    tight = np.argmin(loose / np.maximum(np.abs(got), 1e-300))
    if near(np.full_like(got, nice(got[tight], loose[tight]))):
        yield constant(nice(got[tight], loose[tight]))
    ratio, wide = got / right, loose / np.abs(right)
    best = np.argmin(np.where(right != 0, wide, np.inf))
    if right[best] != 0:
        factor = nice(ratio[best], wide[best])
        if near(right * factor):
            yield scaled(factor)
    shift = nice(got[tight] - right[tight], loose[tight])
    if near(right + shift):
        yield shifted(shift)
    if distinct or len(right) == 1:
        yield from _clamps(right, got, loose, near)
    for kind in ("float16", "bfloat16"):
        if near(narrow(right, kind)):
            yield from ()
    for count in range(2, 24):
        if near(cut(right, count)) and np.any(np.abs(cut(right, count) - right) > loose):
            yield bits(count)


def _clamps(right, got, loose, near):
    moved = np.abs(got - right) > 2 * loose
    if not moved.any() or moved.all() and len(right) > 3:
        return
    low, high = got[moved & (got > right)], got[moved & (got < right)]
    limits = (
        nice(low[0], loose[0]) if len(low) else -np.inf,
        nice(high[0], loose[0]) if len(high) else np.inf,
    )
    if near(np.clip(right, *limits)):
        yield clamped(*limits)


def nice(number, loose):
    """The number of fewest digits within `loose` of `number`.

    >>> float(nice(0.50003, 1e-3)), float(nice(9.9999e-6, 1e-8))
    (0.5, 1e-05)
    """
    if not np.isfinite(number) or number == 0 or not loose > 0:
        return float(number)
    if abs(number) <= loose:
        return 0.0
    for digits in range(1, 15):
        short = float(f"{number:.{digits - 1}e}")
        if abs(short - number) <= loose:
            return short
    return float(number)


def candidates(steps, wheres):
    """(candidates with constants solved for, wheres by which some of these steps can be explained at all)."""
    made_up, able = [], []
    for where in wheres:
        if where not in COLUMNS:
            continue
        found = solved(steps, where)
        if found is None:
            continue
        able.append(where)
        made_up += [made(Point(where, what), 1.8) for what in transforms(found)]
    return made_up, able
