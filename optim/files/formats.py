"""The formats of model files: what each is called, and what it is good for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A kind of model file.

    Attributes:
        name: the word for it.
        title: the same for a reader, after "it is".
        instead: what to do with it; empty where a model can be loaded from it.
    """

    name: str
    title: str
    instead: str = ""

    @property
    def is_model(self) -> bool:
        """Whether a model can be loaded from it."""
        return not self.instead


KERAS2_ARCHIVE = Format("keras2-archive", "a .keras file of Keras 2")
KERAS3_ARCHIVE = Format("keras3-archive", "a .keras file of Keras 3")
KERAS2_HDF5 = Format("keras2-hdf5", "an HDF5 file of Keras 2")
KERAS3_HDF5 = Format("keras3-hdf5", "an HDF5 file of Keras 3")
DAMAGED_ARCHIVE = Format("damaged-archive", "a damaged .keras file")
DAMAGED_HDF5 = Format("damaged-hdf5", "a damaged HDF5 file")
KERAS_SAVED_MODEL = Format("keras-savedmodel", "a SavedModel of Keras 2")
SAVED_MODEL = Format("savedmodel", "a SavedModel without layers")

LITERT = Format(
    "litert",
    "a LiteRT file",
    "optim.verify and optim.sparsity_report read it; other functions want the model that it was "
    "made from",
)

_SAVE_WHOLE = "save the whole model with model.save, or build it and use model.load_weights"

#: What a model cannot be loaded from, and what to do then.
OTHERS: tuple[Format, ...] = (
    WEIGHTS := Format("weights", "a file of weights without a model", _SAVE_WHOLE),
    CHECKPOINT := Format("checkpoint", "a checkpoint of weights without a model", _SAVE_WHOLE),
    PROTOBUF := Format("protobuf", "one file of a SavedModel", "give the folder that it is in"),
    PACKED := Format("packed", "a packed folder", "unpack it, and give the folder or file inside"),
    TORCH := Format("torch", "a file of PyTorch", "convert the model to Keras first"),
    PICKLE := Format("pickle", "a pickle, which runs code when it is read", "use model.save"),
    ONNX := Format("onnx", "an ONNX file", "convert the model to Keras first"),
    JSON := Format("json", "a model's description without weights", _SAVE_WHOLE),
    EMPTY := Format("empty", "empty", "copy or save it again"),
    FOLDER := Format(
        "folder",
        "a folder without a model",
        "give the folder that holds saved_model.pb, or a file written by model.save",
    ),
    UNKNOWN := Format(
        "unknown",
        "no model file that is known here, or a damaged one",
        "give a .keras or .h5 file, or the folder of a SavedModel",
    ),
)
