"""`bnconform translate SOURCE TARGET`."""

import json
import sys
from pathlib import Path

import click

from .core import MovingError
from .files import read, write
from .forms import FORMS
from .proving import prove_files
from .translation import translate


class WrongUse(click.ClickException):
    """What cannot be moved: one line, and status 2."""

    exit_code = 2


def _numbers(pairs):
    """["eps=1e-3", "momentum=none"] as arguments."""
    found = {}
    for pair in pairs:
        name, given, text = pair.partition("=")
        try:
            found[name] = None if text.lower() == "none" else float(text)
        except ValueError:
            raise click.UsageError(f"{pair!r}: expected NAME=NUMBER, or NAME=none") from None
        if not given:
            raise click.UsageError(f"{pair!r}: expected NAME=NUMBER")
    return found


def _names(text):
    """ "order", or the map of a JSON file."""
    if text in (None, "order"):
        return text
    try:
        found = json.loads(Path(text).read_text())
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--names {text}: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise click.UsageError(f"--names {text}: expected {{source layer: target layer}}")
    return found


def _target_numbers(form, pairs):
    """What the user asks of the target, in its own words, as eps and the weight of the old state."""
    asked = _numbers(pairs)
    for name in asked:
        if name not in (form.eps, form.decay):
            raise click.UsageError(f"--target {name}: {form.name} has {form.eps} and {form.decay}")
    return {"eps": asked.get(form.eps), "decay": form.old_weight(asked[form.decay]) if form.decay in asked else ...}


@click.command("translate")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--from", "of", type=click.Choice(list(FORMS)), help="whose SOURCE is, where the suffix says too little")
@click.option(
    "--to", type=click.Choice([n for n, f in FORMS.items() if not f.reads_only]), help="whose TARGET is to be"
)
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="NAME=NUMBER",
    help="what the source's layers were built with, in its own words: eps=1e-3, momentum=0.1",
)
@click.option(
    "--target",
    "wanted",
    multiple=True,
    metavar="NAME=NUMBER",
    help="another eps or momentum for the target, in its words",
)
@click.option(
    "--names", metavar="FILE|order", help="JSON {source layer: target layer}; or pair the layers as they come"
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="a file of the target model, whose BN layers are filled; the rest of it stays",
)
@click.option(
    "--corrected",
    type=int,
    metavar="M",
    help="change running_var to the target's estimator, by M/(M-1), M values a channel",
)
@click.option("--axis", type=int, help="channel axis for the target's arguments")
@click.option("--prove", is_flag=True, help="train both sides for 50 steps first; write only if they end in the same")
@click.option(
    "--check", is_flag=True, help="TARGET is there already, made by another converter: prove it, write nothing"
)
@click.option(
    "--rank", "ranks", type=click.IntRange(2, 5), multiple=True, default=(2, 3, 4, 5), help="ranks of x to prove"
)
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="report and proofs as JSON")
def translate_command(source, target, of, to, given, wanted, names, into, corrected, axis, prove, check, ranks, path):
    """Batch normalization layers of SOURCE, in the convention of TARGET's framework; everything else is reported.

    Files: .pt, .safetensors (torch, or --from/--to mlx, paddle, tinygrad, equinox, ...), .npz (core; arrays by name),
    .weights.h5, .keras, .msgpack (Flax), .onnx. What the target file has no place for (eps,
    momentum) lies beside it as JSON.

    Exit status: 0, 1 where a proof fails, 2 for wrong use or a file that cannot be moved.
    """
    try:
        values = read(source, of)
        there = read(target, to) if check else read(into, to) if into else None
        form = FORMS[to or (there.form if there else _form_of(target))]
        moved = translate(
            values, values.form, form.name, arguments=_numbers(given), names=_names(names), into=there,
            corrected=corrected, axis=axis, rank=ranks[0], **({} if check else _target_numbers(form, wanted)),
        )  # fmt: skip
        click.echo(moved.report())
        proofs = []
        if prove or check:
            proofs = prove_files(values, moved, there if check else None, _numbers(wanted) if check else {}, ranks)
            for layer, proof in proofs:
                click.echo(_line(layer, proof))
        failed = any(not proof.holds for _, proof in proofs)
        if path:
            path.write_text(json.dumps(_data(moved, proofs), indent=1) + "\n")
        if failed:
            click.echo("nothing written" if not check else f"{target} is not {source} translated", err=True)
        elif not check:
            click.echo("written: " + ", ".join(str(p) for p in write(target, moved.values, there)))
    except MovingError as error:
        raise WrongUse(str(error)) from None
    sys.exit(int(failed))


def _line(layer, proof):
    sign = "proved" if proof.holds else "WRONG"
    words = f"{proof.steps} steps, worst {proof.worst:.2g} of the allowance: {proof.says}"
    return f"{sign}: {layer}, rank {proof.rank}, {words}"


def _form_of(path):
    from .files import SUFFIXES, suffix_of

    return SUFFIXES[suffix_of(path)]


def _data(moved, proofs):
    return {
        "schema": "bnconform-translate",
        "names": moved.names,
        "arguments": dict(moved.arguments),
        "report": [{"layer": n.layer, "kind": n.kind, "text": n.text} for n in moved.notes],
        "proofs": [{"layer": layer, **proof.to_json()} for layer, proof in proofs],
    }
