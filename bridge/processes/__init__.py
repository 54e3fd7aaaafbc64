"""What a process is given by the operating system: its sockets, and the bond between parent and children."""
