"""The processes, and the wiring that assembles them: the only package that imports everything."""
