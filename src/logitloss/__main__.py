"""`python -m logitloss` runs the command."""

from logitloss.cli import main

main()
