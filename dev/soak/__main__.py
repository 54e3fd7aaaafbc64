"""`python -m dev.soak`."""

from dev.soak.cli import main

if __name__ == "__main__":
    main()
