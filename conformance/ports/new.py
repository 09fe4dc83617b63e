"""`bnconform new`: a skeleton of a port, that runs and says what to write first."""

from importlib.resources import files
from pathlib import Path

import click

from ..run.plan import UsageError
from ..run.use import refuse
from ..text import line

SKELETONS = files("bnconform.conformance.ports") / "skeletons"


def _python(path: Path) -> dict[Path, str]:
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"PATH is {line(path, 80)!r}, expected a Python module such as my_backend.py")
    name = "".join(part.capitalize() for part in path.stem.split("_"))
    return {path: (SKELETONS / "backend.py.txt").read_text().format(module=path.stem, name=name)}


def _c(path: Path) -> dict[Path, str]:
    if path.suffix != ".c":
        raise UsageError(f"PATH is {line(path, 80)!r}, expected a C file such as bn.c")
    names = {"bn.c": path, "bn_files.h": path.with_name("bn_files.h"), "port.json": path.with_name("port.json")}
    return {place: (SKELETONS / name).read_text() for name, place in names.items()}


LANGUAGES = {"python": _python, "c": _c}


@click.command()
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--language", type=click.Choice(list(LANGUAGES)), default="python", show_default=True)
def new(path, language):
    """Write a commented skeleton of a port to PATH; nothing that is there is replaced."""
    try:
        written = LANGUAGES[language](path)
        there = next((place for place in written if place.exists()), None)
        if there:
            raise UsageError(f"{line(there, 80)} exists; nothing was written")
        if not path.parent.is_dir():
            raise UsageError(f"{line(path.parent, 80)} is no folder; nothing was written")
        for place, text in written.items():
            place.write_text(text)
    except (UsageError, OSError) as error:
        refuse(error)
    click.echo(f"wrote {', '.join(map(str, written))}; its first lines say how to go on")
