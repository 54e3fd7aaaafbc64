"""Charts as data, before they are rendered. Pure."""
