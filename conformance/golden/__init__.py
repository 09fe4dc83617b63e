"""Golden vectors: the oracle's answers, frozen, hashed and proved again; large ones drawn when they are asked for."""
