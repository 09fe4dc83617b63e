"""`python -m bnconform.conformance.findings`: run every script and write the index in README.md."""

from .index import README, write

if __name__ == "__main__":
    for name, status in write().items():
        print(f"{status:14} {name}")
    print(f"wrote {README}")
