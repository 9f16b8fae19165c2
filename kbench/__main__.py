"""`python -m kbench`: the same as `kbench`."""

from kbench.cli import main

# Processes that are spawned import this module too, under another name.
if __name__ == "__main__":
    main(prog_name="kbench")
