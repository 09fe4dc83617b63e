"""The label that each layer of the set carries, and the words that several labels share; and the set itself, by name."""

import importlib
from pathlib import Path

# Regular expressions for what a sentence may say; `both(A, B)` wants both, in any order.
HALF = r"((?<!b)float16|\bhalf\b|fp16|1[01].?bits?)"
BFLOAT = r"(bfloat16|bf16|\b[78].?bits?)"
LEFT_OUT = r"(left (out|off)|lacks?\b|leaves? out|omit|miss(ing|es)|drop|without|lost|ignor|absent|never|\bnot (applied|added|used|taken|multiplied)|forgot|scaled by 0|\bzero)"
ROUNDED = r"(round|quantiz|truncat|computed in|kept in|stored (in|as)|precision|cast|bits|narrow)"
BESSEL = r"(ddof|bessel|biased|m ?/ ?\(m ?[-−] ?1\)|\(m ?[-−] ?1\) ?/ ?m|sample variance|m ?[-−] ?1\b)"
BATCH = r"(batch (statistic|mean|var)|batch's|training (mode|statistic|formula)|of (the|this) batch|current batch|another mode|other mode|own (mean|variance|statistic))"
RUNNING = r"(running|inference|moving|frozen)"
NOT_UPDATED = r"(not (updated|moved|changed|blended)|never (updated|moves?|changes)|no update|unchanged|stays|kept (at|as)|skip|(left|leaves .{0,20}) as (it|they) (was|were)|left alone|old value|delayed|decay (is |of )?1\b|update.*(missing|omitted|left out|lost))"


def both(*patterns):
    """A regular expression that wants each of the patterns somewhere, in any order."""
    return "".join(f"(?=.*(?:{pattern}))" for pattern in patterns)


def label(where, what, accept, when="always", condition=None, reject=(), reference=None):
    """The LABEL of a wrong layer: see README.md for its keys. `where` is a text, separated by spaces."""
    return {
        "where": where.split(),
        "when": when,
        "condition": condition,
        "what": what,
        "accept": list(accept),
        "reject": list(reject),
        "reference": reference,
    }


def right(what):
    """The LABEL of a layer that is correct: nothing may be named."""
    return label("", what, [], when="never")


def layers():
    """({"module:Name": class}, what is missing): all layers with a label, but for frameworks that are not installed."""
    found, missing = {}, []
    for path in sorted(Path(__file__).parent.glob("layers_*.py")):
        try:
            module = importlib.import_module(f"foreign.{path.stem}")
        except ModuleNotFoundError as error:
            missing.append(f"foreign.{path.stem} needs {error.name}")
            continue
        own = (v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__)
        found |= {f"{path.stem}:{layer.__name__}": layer for layer in own if "LABEL" in vars(layer)}
    return found, missing
