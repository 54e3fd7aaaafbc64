"""Programs for contributors; nothing here runs in production."""
