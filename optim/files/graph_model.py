"""A plain SavedModel as a Keras model of one layer, for export and comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optim._keras import keras, tf
from optim.errors import ModelFileError
from optim.models.sealed import Sealed

#: Signatures in the order in which they are looked for; else the only one there is.
_SIGNATURES = ("serving_default", "serve")


class SavedGraph(keras.layers.Layer, Sealed):  # type: ignore[misc, name-defined]
    """The signature of a SavedModel as a layer.

    Args:
        loaded: what `tf.saved_model.load` returned; it holds the variables.
        signature: the function to call.
        name: of the layer.
    """

    def __init__(self, loaded: Any, signature: Any, name: str) -> None:
        super().__init__(name=name, trainable=False, autocast=False)
        self._loaded = loaded
        self._signature = signature

    def call(self, inputs: Any) -> Any:
        names = list(self._signature.structured_input_signature[1])
        given = dict(zip(names, tf.nest.flatten(inputs), strict=True))
        found = self._signature(**given)
        return [found[name] for name in sorted(found)]


def read_graph_model(path: Path) -> Any:
    """Return a Keras model of a SavedModel's signature.

    Its inputs and outputs have the names of the signature's.

    Raises:
        ModelFileError: there is no signature to call, or it takes what is no tensor.
    """
    loaded = tf.saved_model.load(str(path))
    signatures = dict(getattr(loaded, "signatures", {}))
    wanted = next((name for name in _SIGNATURES if name in signatures), None)
    if wanted is None and len(signatures) == 1:
        wanted = next(iter(signatures))
    if wanted is None:
        raise ModelFileError(
            f"cannot load a model from {str(path)!r}: its SavedModel has "
            f"{f'the signatures {sorted(signatures)}' if signatures else 'no signature'}, and one "
            "called 'serving_default' is wanted -> save the model with model.export, or with "
            "tf.saved_model.save(model, path, signatures=...)"
        )
    signature = signatures[wanted]
    specs = signature.structured_input_signature[1]
    inputs = [_input(spec, name) for name, spec in specs.items()]
    outputs = SavedGraph(loaded, signature, "graph")(inputs)
    names = sorted(signature.structured_outputs)
    named = [
        keras.layers.Activation("linear", name=_free(name, specs), dtype=tensor.dtype)(tensor)
        for name, tensor in zip(names, outputs, strict=True)
    ]
    model = keras.Model(inputs, named if len(named) > 1 else named[0], name=_plain(path.stem))
    model.trainable = False
    return model


def _input(spec: Any, name: str) -> Any:
    if spec.shape.rank is None:
        raise ModelFileError(
            f"the input {name!r} of the SavedModel has no known shape -> save it with an input "
            "signature that has one"
        )
    shape = spec.shape.as_list()
    return keras.Input(shape[1:], batch_size=shape[0], dtype=spec.dtype, name=name)


def _free(name: str, taken: Any) -> str:
    return f"{name}_out" if name in taken or name == "graph" else name


def _plain(name: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)
    return plain if plain[:1].isalpha() else f"model_{plain}"
