"""What a layer may do otherwise: one field a decision of the definition, its default the right one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """A layer's decisions. `Rules()` is SPEC.md; a mistake is a change of one field or of a few."""

    # which values are read as which, and which share a statistic [BN-1.1, BN-8.3]
    read: str = "axes"  # see `View`
    write: str = "as read"  # "axes": y and dx are written where they belong although x was read elsewhere
    pool: str = "channel"  # "all", "sample", "activation", "row", "sample and channels": what shares a statistic
    pool_m: str = "pool"  # "channel": m of the factor m/(m - ddof) is that of the channel all the same
    pool_gradient: str = "pool"  # "channel": the means in dx run over the channel
    pool_state: str = "same"  # "whole": the state takes the right statistics although y does not
    read_dy: str = "same"  # how dy is read and dx is written
    axes: Callable | None = None  # (shape, channel axes) -> axes taken for the channel axes
    lost: Callable | None = None  # rows (samples, inner, channels) -> boolean (rows,) of values that the sums leave out
    lost_counted: bool = True  # the left-out values still count in m
    # "formula": the terms through the statistics go to the left-out values too; "kept": and all sums leave them out
    lost_grad: str = "derived"

    # statistics [BN-2.1, BN-2.2]
    spread: str = "variance"  # "about zero", "divided twice", "mean deviation", "range", "std"
    mean_scale: float = 1.0
    normalizer_ddof: int = 0
    inference_ddof: int = 0
    channels: Callable | None = None  # (statistic of all channels) -> what stands in its place
    channels_inference: bool = True  # `channels` holds in inference too
    mean_count: str = "m"  # "batch": sums are divided by the batch size
    one_uses_running: bool = False  # at m = 1
    sticky: bool = False  # after a training step inference trains
    reported_ddof: int = 0  # of batch_var given out
    state_from_normalizer: bool = False  # the blended variance starts from the normalizer's
    centred_modes: str = "both"  # where `centred` holds
    centred: bool = True  # the mean is subtracted in y

    # eps [BN-2.3, BN-2.4]
    eps_form: str = "inside"  # "outside", "clamped", "clamped std", "missing", "squared", "inside and outside"
    eps: Callable | None = None  # (case) -> the eps that is used
    eps_modes: str = "both"  # "train", "infer"
    eps_gradient: str = "derived"  # "formula": BN-5.1 with the wrong r; "right": r of the definition
    gradient_eps: Callable | None = None  # eps of the gradient alone
    gradient_hat_kept: bool = False  # ... but x_hat is that of the output
    variance_term: Callable | None = None  # (var, eps, m) -> factor of the gradient's term through the variance
    r_scale: Callable | None = None  # (1/sqrt) -> approximation

    # which statistics normalize [BN-2.3, BN-4.1, BN-4.4]
    train_stats: str = "batch"  # "running", "blended" (after the update), "mean running", "var running"
    infer_stats: str = "running"  # "batch", "mean batch", "var batch"
    frozen_trains: bool = False
    by_gradient: bool = False  # the mode follows from dy
    train_gradient: str = "train"  # "infer": the formula of the other mode [BN-5.2]
    infer_gradient: str = "infer"
    gradient_stats: Mapping[str, str] | None = None  # mode -> "batch" or "running", for the gradient alone

    # gamma and beta [BN-2.3]
    gamma: Callable | None = None
    beta: Callable | None = None
    affine_modes: str = "both"  # "train", "infer": where gamma and beta are changed
    gamma_beta_case: Callable | None = None  # (case) -> whether gamma and beta are changed
    swapped: bool | str = False  # "both": only where both are there; "slots": an absent one is the other slot's default
    y_of: Callable | None = None  # (x_hat, gamma, beta) -> y
    gamma_in_gradient: bool = True  # dx follows the changed gamma
    y_limit: float | None = None
    hat_limit: float | None = None
    hat_limit_kept: bool = False  # the gradient takes the clipped x_hat
    x_limit: float | None = None
    dy_limit: float | None = None
    types: Mapping[str, str] | None = None  # quantity -> type it is rounded to: y, dx, r, mean, square, count, folded

    # running statistics [BN-3]
    running_ddof: int | None = None
    ddof_count: str = "m"  # "batch", "spatial": what m/(m - ddof) counts
    mean_factor: bool = False
    mean_factor_at_one: float = 1.0
    decay: Callable | None = None  # (decay, step number from 1, case) -> weight of the old state
    decay_when_none: bool = False  # `decay` answers for decay = None too
    decay_part: str = "both"  # "mean", "var": where `decay` holds
    cumulative: Callable | None = None  # (step number from 1) -> weight of the new batch
    by_count: str = ""  # "weighted": the cumulative average weighs steps by m; "rescaled": old state times m / last m
    constant_updates: bool = True  # a channel of variance 0 moves its state
    updates: int = 1
    only_steps: Callable | None = None  # (step number from 1) -> whether the state moves
    again_with_gradient: bool = False
    update_mean: bool = True
    update_var: bool = True
    update_in: tuple[str, ...] = ()  # further modes that move the state
    state_given: str = "after"  # "before"; "late": inference lags too
    state_kind: str = "variance"  # what running_var holds: "std", "inverse std", with eps
    state_kind_set: bool = False  # the variance given is converted when the state is set
    state_kind_used: bool = False  # inference converts back
    state_kind_out: str = ""  # running_var is converted only where it is given out
    mix: str = "blend"  # "sum": decay old + new; "unweighted old": old + (1 - decay) new
    swapped_state: tuple[str, ...] = ()  # where mean and var are exchanged: "set", "update", "inference", "out"
    state_not_loaded: tuple[str, ...] = ()  # "mean", "var"
    debiased: tuple[str, ...] = ()  # "out", "inference"
    eps_stored: str = ""  # "batch": in each batch's variance, "before factor", "state": on top of the blend
    eps_stored_scale: float = 1.0
    state_type: str | None = None
    exists: str = "skip"  # at m <= ddof: "poison", "ddof 0", "zero", "skip both", "raise"
    exists_ddof: int | None = None  # ddof by which a variance exists, where that is not the one of the factor
    empty: str = "skip"  # at m = 0: "poison", "zero", "raise"
    empty_counts: bool = False
    needs_gradient: bool = False  # no update without dy

    # gradients [BN-5]: dx = gamma r (own dy - mean_term mean(dy) - hat_term x_hat mean(dy x_hat))
    own: float = 1.0
    mean_term: float = 1.0
    hat_term: float = 1.0
    dx_gamma: bool = True
    dx_r: float = 1.0  # power of r
    gradient_count: str = "m"  # "m - 1", "batch", "spatial": divisor of the two means
    dx_scale: Callable | None = None  # (m, case) -> factor
    dgamma_of: str = "x_hat"  # "x", "centred", "y"
    dgamma_scale: Callable | None = None
    dbeta_scale: Callable | None = None
    dbeta_of: str = "dy"
    gradient_modes: str = "both"  # in which mode the fields of this section apply
    accumulate: bool = False
    parameters_swapped: bool = False
    hat_from_y: bool = False
    jvp: Mapping[str, float] | None = None  # coefficient by term: mean, hat, gamma, beta, own
    second: Mapping[str, float] | None = None

    # what the input holds [BN-7]
    nonfinite: str = "ieee"  # "zeroed", "skipped", "y zeroed", "clipped"

    # extensions [BN-6]
    mask: str = "used"  # "ignored", "inverted"
    mask_factor: str = "marked"  # count in m/(m - ddof): "all"
    mask_spread: str = "marked"  # "all": the variance is not masked; "zeros": masked values count as zeros
    mask_count: str = "marked"  # "all", "channel 0", "rows"
    mask_output: str = ""  # "zero", "x"
    mask_sums: str = "all"  # sums of the gradient: "marked"
    mask_terms: str = "marked"  # where the terms through the statistics go: "all", "none"
    mask_dx: str = ""  # "zero": no gradient where the mask is false
    mask_parameters: str = "all"  # "marked": dgamma, dbeta over the marked values
    shards: str = "merged"  # "equal", "local var", "equal local var", "local"
    shard_state: str = "merged"  # "first", "last", "mean", "equal"
    shard_sums: str = "merged"  # "local", "counted twice", of dgamma, dbeta, or of dx
    shard_sums_in: str = "dx"
    renorm: Mapping[str, object] | None = None
    fold: Mapping[str, object] | None = None
    population_ddof: int = 1
    population_weighted: bool = False
    population: str = "mean of batches"
    narrow: Mapping[str, str] | None = None  # tensor -> type it is rounded to before use


DEFINITION = Rules()
