"""`python -m ratlp` is the command `ratlp`."""

from ratlp.cli import main

if __name__ == "__main__":
    main()
