"""The smallest script that shows a failure of what is shipped, without this project.

`recipes` has what is done to a model, `candidates` the models, the smallest first, and `search`
runs them one by one until one fails as the case did.
"""
