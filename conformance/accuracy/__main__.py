from .cli import accuracy

accuracy(prog_name="python -m bnconform.conformance.accuracy")
