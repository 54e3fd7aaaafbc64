"""The `bridge` command: one file for each group of subcommands. Options and output only."""
