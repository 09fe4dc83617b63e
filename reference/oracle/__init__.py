"""The exact oracle: correctly rounded values of the definition, independent of the reference."""
