"""What may be wrong: the listed mutants and the products of the grammar, as candidates that a search can try."""

from dataclasses import dataclass, replace
from functools import cache

from ..mistakes import mutants
from ..mistakes.names import NAMES
from ..mistakes.point import ALWAYS, ORDER, WHERE, Point
from ..mistakes.whats import (
    ABSOLUTE,
    DELAYED,
    FACTORS,
    FIRST_CHANNEL,
    INVERTED,
    LEFT_OUT,
    NEGATED,
    NOT_MULTIPLIED,
    RELU,
    REVERSED,
    ROOTED,
    SQUARED,
    bits,
    overflowing,
    rolled,
    rounded,
    times,
)

SILENT = {"done", "outputs", "checks"}  # what shows in no value
COLUMNS = (
    "eps", "m", "mean", "variance", "mean_used", "var_used", "var_eps", "root", "gamma", "beta", "mean_dy", "mean_dy_x_hat",
    "m_grad", "root_grad", "gamma_grad", "dgamma", "dbeta", "bessel", "new_mean", "new_var", "old_mean", "old_var",
    "running_mean", "running_var", "decay", "new_weight", "initial_mean", "initial_var", "gamma_dot", "beta_dot", "mean_x_dot",
    "d2gamma", "k", "u_gamma", "mean_u_x", "renorm_r", "renorm_d", "running_root", "renorm_factor", "fold_root", "fold_mean",
    "fold_c", "fold_bias", "fold_gamma", "fold_beta", "population_var",
)  # fmt: skip
ROWS = (
    "x", "deviation", "squares", "centred", "x_hat", "scaled", "y", "dy", "x_hat_grad", "x_hat_dx", "x_hat_dgamma", "slope_dy",
    "through_dy", "factor", "projected_dy", "dx", "x_dot", "slope_x_dot", "y_dot", "slope_u_x", "curvature", "d2x", "d2dy",
    "renorm_x_hat", "fold_weight",
)  # fmt: skip
TYPES = ("float16", "bfloat16", "x", "float32")
PLAIN = (LEFT_OUT, NOT_MULTIPLIED, NEGATED, ABSOLUTE, RELU, SQUARED, ROOTED, INVERTED, DELAYED)
CHANNELS = (REVERSED, FIRST_CHANNEL, rolled(1), rolled(-1))


@dataclass(frozen=True)
class Candidate:
    """One or two mistakes that may explain what was observed.

    points: of the grammar. name: of the vocabulary, or made of where and what. cost: how far-fetched. forced: whether it is
    evaluated from the states that were observed (not where what is given out is not what is kept). says, clause: of a
    listed mutant.
    """

    points: tuple[Point, ...]
    name: str
    cost: float
    says: str = ""
    forced: bool = True

    @property
    def where(self) -> str:
        """The first quantity that it changes."""
        return min((point.where for point in self.points), key=ORDER.__getitem__)

    @property
    def grain(self) -> float:
        return max(point.what.grain for point in self.points)

    @property
    def words(self) -> str:
        """Where and what."""
        return "; ".join(dict.fromkeys(f"{WHERE[p.where]}: {p.what.words}{_under(p)}" for p in self.points))

    @property
    def clause(self) -> str:
        return NAMES[self.name.split(" + ")[0]][1] if self.name.split(" + ")[0] in NAMES else ""


def _under(point):
    return "" if point.when is ALWAYS else f", {point.when.words}"


@cache
def listed(running_ddof: int) -> tuple[Candidate, ...]:
    """The mutants by name, and those that are one point without their condition, which the search finds by itself."""
    found = []
    for mutant in mutants().values():
        wheres = {point.where for point in mutant.points}
        declared = dict(mutant.conventions).get("running_ddof", 1)
        if wheres <= SILENT or declared != running_ddof and mutant.diagnosis == "RUNNING_VAR_DDOF":
            continue
        forced = "given_state" not in wheres
        both = 1.0 + 0.5 * (" + " in mutant.diagnosis)
        found.append(Candidate(mutant.points, mutant.diagnosis, both, mutant.says, forced))
        if any(p.when.words in LOOSE for p in mutant.points):
            loose = tuple(replace(p, when=ALWAYS) if p.when.words in LOOSE else p for p in mutant.points)
            found.append(Candidate(loose, mutant.diagnosis, both + 0.3, "", forced))
    return tuple(found)


LOOSE = {
    "only in training", "only in inference", "only in evaluation", "only with frozen statistics", "only with a decay",
    "only with decay = None", "only where a gradient is asked for", "only where no gradient is asked for", "only where m = 1",
    "only where m = 0", "only after the first training step", "only in the first update", "only without beta",
    "only without gamma", "only where x is float16", "only where x is bfloat16", "only in channels of variance 0",
    "only with several channel axes",
}  # fmt: skip


@cache
def generic(where: str) -> tuple[Candidate, ...]:
    """All transforms without a constant of one quantity, and the roundings."""
    whats = [*PLAIN]
    if where in COLUMNS:
        whats += [*CHANNELS, *(times(factor) for factor in FACTORS)]
    if where in ROWS:
        whats += [REVERSED, *(bits(count) for count in range(3, 21))]
    whats += [rounded(kind) for kind in TYPES] + [overflowing(kind) for kind in ("float16", "float32")]
    return tuple(made(Point(where, what)) for what in whats)


def made(point: Point, cost=2.0) -> Candidate:
    """A candidate of one point, named by where and what."""
    return Candidate((point,), name_of(point), cost + 0.2 * (point.what.name in ("bits", "swapped")))


BY_WHERE = {
    "eps": "EPS_DIFFERS", "decay": "DECAY_DIFFERS", "new_weight": "DECAY_DIFFERS",
}  # fmt: skip


def name_of(point: Point) -> str:
    """A name of the vocabulary where one says it all, else where and what: DGAMMA_REVERSED."""
    what = point.what.name
    if what == "overflow":
        return "OVERFLOW"
    if point.where in BY_WHERE:
        return BY_WHERE[point.where]
    return f"{point.where}_{what}".upper().replace(" ", "_")
