"""What a layer does that is built without being told [the adapter's `defaults()`, where it has one]."""

from .finding import Finding, skipped


def defaults(box, conventions):
    """Default eps and decay, read off a layer of the framework that was built with none."""
    hook = getattr(box.backend, "defaults", None)
    if hook is None:
        yield skipped("default eps", "the backend has no defaults()")
        yield skipped("default decay", "the backend has no defaults()")
        return
    found = hook()
    for name, declared in (("eps", conventions.default_eps), ("decay", conventions.default_decay)):
        value = found.get(name)
        agrees = declared is not None and value is not None and abs(value - declared) <= 1e-9 + 1e-6 * abs(declared)
        yield Finding(f"default {name}", str(value), "of a layer built without it", str(declared), agrees)
