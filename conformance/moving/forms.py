"""How each framework writes a BN layer down: its names, what its numbers weigh, which running variance it keeps.

A form is data; `convert` has the only code that turns one convention into another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .core import MovingError, complement


@dataclass(frozen=True)
class Form:
    """paths: field -> path of its array, "{}" standing for the layer's path; "count" for the batch counter.

    eps, decay: names of the constructor's arguments, and their defaults. weighs: what the number of `decay` weighs,
    the "old" state or the "new" batch. affine: arguments that say whether gamma and beta are there; one for both where
    there is one name. cumulative: its decay may be None. axis: argument for the channel axis. zero_debiased: the state
    is divided by 1 - decay**count. reads_only: no framework of today writes it.
    """

    name: str
    paths: Mapping[str, str]
    eps: str
    default_eps: float
    decay: str
    default_decay: float
    weighs: str
    running_ddof: int
    affine: tuple[str, ...] = ()
    cumulative: bool = False
    size: str | None = None
    separator: str = "."
    zero_debiased: bool = False
    reads_only: bool = False

    def path(self, field: str, layer: str) -> str:
        """Where a layer's array lies; the layer's path may be empty."""
        return (
            "/".join(filter(None, self._split(field, layer))) if self.separator == "/" else self._dotted(field, layer)
        )

    def _split(self, field, layer):
        return self.paths[field].replace("{}", layer).split("/")

    def _dotted(self, field, layer):
        return self.paths[field].replace("{}", layer).lstrip(self.separator)

    def layer_of(self, field: str, path: str) -> str | None:
        """The layer whose `field` lies at `path`, or None."""
        before, _, after = self.paths[field].partition("{}")
        if path == (before + after.lstrip(self.separator)).lstrip(self.separator):
            return ""
        if path.startswith(before) and path.endswith(after) and len(path) > len(before) + len(after):
            return path[len(before) : len(path) - len(after)]
        return None

    def old_weight(self, number):
        """The user's number as the weight of the old state; None stays None."""
        return number if number is None or self.weighs == "old" else complement(number)

    users_number = old_weight  # the complement is its own inverse


def _plain(*names):
    return dict(zip(("gamma", "beta", "running_mean", "running_var", "count"), (f"{{}}.{name}" for name in names)))


TORCH_NAMES = ("weight", "bias", "running_mean", "running_var")
LINEN = {
    "gamma": "params/{}/scale",
    "beta": "params/{}/bias",
    "running_mean": "batch_stats/{}/mean",
    "running_var": "batch_stats/{}/var",
}
HAIKU = {
    "gamma": "params/{}/scale",
    "beta": "params/{}/offset",
    "running_mean": "state/{}/~/mean_ema/average",
    "running_var": "state/{}/~/var_ema/average",
    "count": "state/{}/~/mean_ema/counter",
}
FLAX = dict(
    eps="epsilon", default_eps=1e-5, decay="momentum", default_decay=0.99, weighs="old", running_ddof=0,
    affine=("use_scale", "use_bias"), separator="/",
)  # fmt: skip
TORCHLIKE = dict(
    eps="eps", default_eps=1e-5, decay="momentum", default_decay=0.1, weighs="new", running_ddof=1, affine=("affine",),
)  # fmt: skip

FORMS = {
    form.name: form
    for form in (
        Form(
            "core", _plain("gamma", "beta", "running_mean", "running_var", "count"), "eps", 1e-5, "decay", 0.9, "old",
            1,
            cumulative=True,
        ),
        Form(
            "torch", _plain(*TORCH_NAMES, "num_batches_tracked"), **TORCHLIKE, cumulative=True, size="num_features",
        ),
        Form(
            "keras", {f: f"{{}}/{n}" for f, n in zip(LINEN, ("gamma", "beta", "moving_mean", "moving_variance"))},
            "epsilon", 1e-3, "momentum", 0.99, "old", 0, affine=("scale", "center"), separator="/",
        ),
        Form("flax-linen", LINEN, **FLAX),
        Form(
            "flax-nnx", {f: "{}/" + path.rsplit("/", 1)[1] for f, path in LINEN.items()}, **FLAX, size="num_features",
        ),
        Form(
            "onnx", {f: f"{{}}/{n}" for f, n in zip(LINEN, ("scale", "B", "input_mean", "input_var"))}, "epsilon", 1e-5,
            "momentum", 0.9, "old", 0, affine=("scale and B",), separator="/",
        ),
        Form(
            "equinox", _plain("weight", "bias", "mean", "var", "counter"), "eps", 1e-5, "momentum", 0.99, "old", 0,
            affine=("channelwise_affine",), size="input_size", zero_debiased=True,
        ),
        Form(
            "haiku", HAIKU, "eps", 1e-5, "decay_rate", 0.9, "old", 0, affine=("create_scale", "create_offset"),
            separator="/", zero_debiased=True,
        ),
        Form("mlx", _plain(*TORCH_NAMES), **TORCHLIKE, size="num_features"),
        Form(
            "paddle", _plain("weight", "bias", "_mean", "_variance"), "epsilon", 1e-5, "momentum", 0.9, "old", 0,
            affine=("weight_attr, bias_attr",), size="num_features",
        ),
        Form(
            "tinygrad", _plain(*TORCH_NAMES, "num_batches_tracked"), **TORCHLIKE, size="sz",
        ),
        # blobs of the BatchNorm layer (sum of means, sum of variances, scale factor) and of the Scale layer after it
        Form(
            "caffe", _plain("scale.0", "scale.1", "0", "1") | {"factor": "{}.2"}, "eps", 1e-5,
            "moving_average_fraction", 0.999, "old", 1, reads_only=True,
        ),
        Form(
            "lasagne", _plain("gamma", "beta", "mean", "inv_std"), "epsilon", 1e-4, "alpha", 0.1, "new", 0,
            reads_only=True,
        ),
    )
}  # fmt: skip


def form_of(name: str) -> Form:
    """The form called `name`. Errors: MovingError."""
    if name not in FORMS:
        raise MovingError(f"no form {name!r}, expected one of {', '.join(FORMS)}")
    return FORMS[name]
