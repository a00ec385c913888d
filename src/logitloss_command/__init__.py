"""The command `logitloss`, outside the package, which the environment may keep from being imported."""

import sys


def main() -> None:
    """Run the command; a setting of the environment that cannot be met is one line and exit code 2, as bad usage is."""
    try:
        from logitloss import cli
    except ImportError as error:
        if not str(error).startswith("LOGITLOSS_"):
            raise
        print(f"logitloss: {error}", file=sys.stderr)
        sys.exit(2)
    cli.main()
