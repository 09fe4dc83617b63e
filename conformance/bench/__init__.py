"""Time and memory of the reference and of every installed implementation, on their own resident tensors."""
