"""Training trajectories: the same networks, weights, batches and optimizer, in the definition and in frameworks."""
