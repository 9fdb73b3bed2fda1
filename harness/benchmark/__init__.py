"""The training benchmark: what techniques cost in accuracy, on data that can be learnt.

The matrix asks whether a technique works; its weights are random. Here small members of
eight families are trained on real images, scikit-learn's digits, and each technique then
starts from those weights: test accuracy of the Keras model and of its int8 file, size of
the file as it is and deflated, and latency, over several seeds.

A *unit* is one application, one technique and one seed. It runs in a process of its own
(`harness.execution.runner`) and leaves one record (`harness.records`); page and CSV are
functions of the records.

    definition   what is run: tables and keys
    execution    one unit, which imports TensorFlow, and all of them: workers, order, resuming
    report       from records to the page and the CSV

The command is `harness bench` (`harness.cli.bench`).
"""
