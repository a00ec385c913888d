"""The command `xent`, outside the package: what the environment asks of it may keep the package from being imported."""

import sys


def main() -> None:
    """Run the command; a setting of the environment that cannot be met is one line and exit code 2, as bad usage is."""
    try:
        from xent import cli
    except ImportError as error:
        if not str(error).startswith("XENT_"):
            raise
        print(f"xent: {error}", file=sys.stderr)
        sys.exit(2)
    cli.main()
