"""Magnitude pruning of any model, nested ones included.

pruned = prune_low_magnitude(model, schedule="polynomial", sparsity=0.75, end_step=2000)
pruned.compile(...)
pruned.fit(data, callbacks=get_pruning_callbacks())
small = unprune(pruned)
"""
