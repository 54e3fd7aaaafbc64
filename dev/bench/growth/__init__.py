"""Does a year's history slow anything down? See docs/performance.md, "A year's history"."""
