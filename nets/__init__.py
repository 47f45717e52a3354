"""What two or more questions share, and nothing else: data, networks, initialisation, optimisers, training, theory.

Read `names` (the data) and `plain` first: each trained network in the PyTorch that a reader of the lecture knows.  `mlp`,
`normed_mlp`, `deep_tanh` and `deep_relu` are the same as ensembles, many seeds trained as one, and tests hold the two together; `sgd`
trains them.  `mean_field`, `signal_propagation` and `finite_width` are theory.

A new optimiser belongs here, in `optimisers`, once two questions use it; what one question alone needs lies with it, in experiments/.
Nothing here reads a result or knows an experiment.
"""
