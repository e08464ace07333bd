"""Claims: what was published, how it is tested, and the verdicts that runs give."""
