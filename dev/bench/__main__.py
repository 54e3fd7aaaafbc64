"""`python -m dev.bench`."""

from dev.bench.cli import main

if __name__ == "__main__":
    main()
