"""Mistakes that show in an attribute or in where something fails."""
def attributes(asked): return [], [q for q in asked if q.failed]
