"""Judged implementations -> terminal, JSON, HTML, JUnit."""
