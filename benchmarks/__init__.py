"""Speed, measured against what one would use instead: every comparison within one run, on one machine, as a ratio.

`render` is the book against Quarto and Jupyter; `training` the ensembles against plain PyTorch and JAX; `scaling` one experiment on
several processes; `scale` the lab with many experiments; `staleness` whether a change is noticed, by the lab and by others.
`python -m benchmarks render` runs the first of these.

No test runs them: they take minutes, and what they find is told in the book's last appendix.
"""
