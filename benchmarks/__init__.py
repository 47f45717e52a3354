"""Speed, measured against what one would use instead: every comparison within one run, on one machine, as a ratio."""
