"""Text that others wrote (a backend, a file, the command line): one cleaning for every face."""

LONGEST = 2000  # characters of a message
NAME = 200  # of a name, a version, a setting


def clean(text, most: int = LONGEST) -> str:
    """`text` as it can be shown anywhere: visible characters, line feeds and tabs, at most `most` of them.

    Everything else (escape sequences, lone surrogates, marks that turn the direction of writing) is written as Python
    would escape it, so that it is seen and does nothing.
    """
    text = str(text)
    shown = "".join(_visible(character) for character in text[:most])
    return shown if len(shown) <= most and len(text) <= most else f"{shown[:most]}… ({len(text):,} characters)"


def name(text) -> str:
    """The same for a name: short, and on one line."""
    return clean(text, NAME).replace("\n", "\\n").replace("\t", "\\t")


def line(text, most: int = LONGEST) -> str:
    """The same for a terminal or a list: on one line, whatever the text says."""
    return " ".join(clean(text, most).split())


def _visible(character):
    if character.isprintable() or character in "\n\t":
        return character
    return character.encode("unicode_escape").decode()
