"""The run: each implementation in its own process, results in a journal as they come."""
