"""Adapters: one class a framework, translating and never computing."""
