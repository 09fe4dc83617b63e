"""What goes beyond the paper's Algorithms 1 and 2: renormalization, folding, synchronized statistics."""
