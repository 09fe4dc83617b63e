"""Are the allowances fair to every correct implementation, and tight enough to see a wrong one? Measured here."""
