"""A problem of one's own as a folder of golden files: answered by the oracle, kept, and judged like any other.

write_folder(draft, Path("problem"))            a shrunk failing problem, say
bnconform run IMPL --golden problem     whoever gets the folder sees the same
"""

from pathlib import Path

from ..cases.draft import Draft
from .freeze import write
from .store import Golden


def write_folder(draft: Draft, folder: Path) -> Golden:
    """Write `draft` and the oracle's answers to it into `folder`: manifest.json and one safetensors file.

    draft: a case of the caller's own with its input tensors; x, parameters and state of the types that the case names.
    What an earlier call left in the folder is replaced. Errors: ValueError for what is outside the definition's domain.
    """
    write(folder, [draft])
    return Golden(folder, edition=Golden(folder).hash)
