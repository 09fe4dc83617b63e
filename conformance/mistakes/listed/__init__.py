"""The listed mutants, by what they are about: one entry each, its points in the grammar beside its name."""
