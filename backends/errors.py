"""Errors that adapters share."""


class NoGpu(RuntimeError):
    """The framework sees no GPU on this machine; the text says who looked."""

    def __init__(self, looked: str):
        super().__init__(f"no GPU here: {looked}")
