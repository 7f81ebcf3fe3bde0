"""`python -m rialto` is the command line."""

from rialto.cli import main

if __name__ == "__main__":
    main()
