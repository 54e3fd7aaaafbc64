"""Traffic for the API: real sentences, at a steady pace that does not slow down with the answers."""
