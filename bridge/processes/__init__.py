"""Operating system resources of a process: listening sockets, and the tie between parent and children."""
