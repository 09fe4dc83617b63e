"""Wrong implementations of batch normalization, and which case notices which.

`names` is the vocabulary of mistakes.
"""
