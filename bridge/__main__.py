"""`python -m bridge` is `bridge`."""

from bridge.cli.main import main

main()
