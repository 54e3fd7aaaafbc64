"""Does a year's history slow anything down? `python -m dev.bench growth`."""
