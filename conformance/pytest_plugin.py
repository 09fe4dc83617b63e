"""pytest --bn-backend: one test a case, in a porter's own repository."""
