"""Mistakes of arithmetic: not one value is predicted but how far rounding may carry, and the traces it leaves."""
def explaining(asked, failing): return []
def partial(asked, failing): return []
