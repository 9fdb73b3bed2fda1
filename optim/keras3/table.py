"""What becomes of each layer of Keras 3: one entry per class of `keras.layers`.

A test compares the entries with `keras.layers`: a layer that has none fails it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Equal:
    """A layer of tf_keras computes the same.

    Attributes:
        name: of the class in `tf_keras.layers`; empty: the same name.
        renamed: names of arguments there, by those of Keras 3.
        unless: argument -> the only values with which the two agree. With any other the layer is
            traced.
        without: arguments that make no difference to what is computed.
        unnamed: arguments that the class takes, though none of its signatures names them.
        unmasked: whether the two agree only on input without a mask.
        floats: whether the two agree only on floating-point numbers.
        own_mask: whether the two mask what they return otherwise.
    """

    name: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    unless: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    unmasked: bool = False
    floats: bool = False
    own_mask: bool = False


@dataclass(frozen=True)
class Traced:
    """Its call is written out as the operations and layers that it consists of."""


@dataclass(frozen=True)
class Refused:
    """There is no twin of it.

    Attributes:
        reason: why.
        remedy: what to do.
    """

    reason: str
    remedy: str


Entry = Equal | Traced | Refused

_LAST = {"data_format": ("channels_last",)}
_NO_LORA = ("lora_rank", "lora_alpha", "quantization_config", "gptq_unpacked_column_size")
_EQUAL = Equal()
_TRACED = Traced()
_LORA = Equal(without=_NO_LORA)
_RECURRENT = Equal(without=("seed", "use_cudnn"), unnamed=("zero_output_for_mask",))
_CONV_RECURRENT = Equal(unless=_LAST, without=("seed",))
_SEEDED = Equal(without=("seed",))
_RANDOM_IMAGE = Equal(unless=_LAST, without=("data_format", "seed"))
_LABELS = Refused(
    "changes images together with their labels", "apply it in the input pipeline, not in the model"
)
_FOREIGN = Refused(
    "runs code of another framework, which no graph of TensorFlow shows",
    "export the model from that framework, or rebuild this part of Keras layers",
)


def _table(*entries: tuple[Entry, str]) -> Mapping[str, Entry]:
    return {name: entry for entry, names in entries for name in names.split()}


LAYERS: Mapping[str, Entry] = _table(
    (
        _EQUAL,
        "Activation ActivityRegularization BatchNormalization Cropping1D Dot ELU Flatten "
        "GroupNormalization Identity InputLayer Normalization PReLU Permute ReLU RepeatVector "
        "Rescaling Reshape UnitNormalization UpSampling1D",
    ),
    (Equal(renamed={"negative_slope": "alpha"}), "LeakyReLU"),
    # On whole numbers those of Keras 2 return others, or fail.
    (
        Equal(floats=True),
        "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D LayerNormalization "
        "Masking",
    ),
    # Steps that one of two inputs masks are masked in Keras 2; in Keras 3 those that both do.
    (Equal(own_mask=True), "Add Average Concatenate Subtract"),
    (Equal(unmasked=True), "Maximum Minimum Multiply Softmax"),
    (_LORA, "Dense EinsumDense"),
    (Equal(without=("weights", *_NO_LORA)), "Embedding"),
    (
        _EQUAL,  # channels first between transpositions (`layout`)
        "AveragePooling1D AveragePooling2D AveragePooling3D Conv1D Conv1DTranspose Conv2D "
        "Conv2DTranspose Conv3D Cropping2D Cropping3D DepthwiseConv1D DepthwiseConv2D "
        "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D MaxPooling1D MaxPooling2D "
        "MaxPooling3D SeparableConv1D SeparableConv2D UpSampling2D UpSampling3D ZeroPadding1D "
        "ZeroPadding2D ZeroPadding3D",
    ),
    (Equal(unless={"dilation_rate": (1, (1, 1, 1))}), "Conv3DTranspose"),  # it takes no notice
    (Equal(unless=_LAST, without=("data_format",)), "CenterCrop"),
    (
        Equal(
            unless={
                **_LAST,
                "pad_to_aspect_ratio": (False,),
                "antialias": (False,),
                "interpolation": ("bilinear", "nearest", "bicubic", "area"),
            },
            without=("data_format", "fill_mode", "fill_value"),
        ),
        "Resizing",
    ),
    (
        _SEEDED,
        "AlphaDropout Dropout GaussianDropout GaussianNoise SpatialDropout1D",
    ),
    (
        Equal(unless=_LAST, without=("seed", "noise_shape")),
        "SpatialDropout2D SpatialDropout3D",
    ),
    (
        Equal(
            unless={
                "flash_attention": (None, False),
                "use_gate": (False,),
                "sliding_window": (None,),
            },
            without=("seed",),
            unmasked=True,
        ),
        "MultiHeadAttention",
    ),
    (Equal(unless={"dropout": (0, 0.0)}, without=("seed",), unmasked=True), "Attention"),
    (Equal(unless={"dropout": (0, 0.0)}, without=("seed",), unmasked=True), "AdditiveAttention"),
    (_RECURRENT, "GRU GRUCell LSTM LSTMCell RNN SimpleRNN SimpleRNNCell StackedRNNCells"),
    (_CONV_RECURRENT, "ConvLSTM1D ConvLSTM2D ConvLSTM3D"),
    (_EQUAL, "Bidirectional TimeDistributed SpectralNormalization"),
    (
        _RANDOM_IMAGE,
        "RandomBrightness RandomFlip RandomRotation RandomTranslation RandomZoom",
    ),
    (Equal(without=("seed", "value_range", "data_format")), "RandomContrast"),
    (
        Equal(unless={"sparse": (False,)}),
        "CategoryEncoding HashedCrossing Hashing",
    ),
    (
        Equal(
            unless={"sparse": (False,), "oov_method": ("floormod",)},
            without=("vocabulary_size", "oov_method", "salt"),
        ),
        "IntegerLookup StringLookup TextVectorization",
    ),
    (
        _TRACED,
        "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
        "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Discretization "
        "GroupQueryAttention GroupedQueryAttention Lambda Layer MaxNumBoundingBoxes MelSpectrogram "
        "Pipeline RMSNormalization ReversibleEmbedding STFTSpectrogram Wrapper",
    ),
    (
        _TRACED,
        "AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization Equalization "
        "RandAugment RandomCrop RandomColorDegeneration RandomColorJitter RandomElasticTransform "
        "RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert "
        "RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear "
        "Solarization",
    ),
    (_LABELS, "CutMix MixUp"),
    (_FOREIGN, "FlaxLayer JaxLayer TorchModuleWrapper"),
    (
        Refused(
            "runs a SavedModel, which has no layers",
            "give the model that the SavedModel was made of",
        ),
        "TFSMLayer",
    ),
)


def names(entries: Iterable[str] = LAYERS) -> frozenset[str]:
    """Return the names of the layers that have an entry."""
    return frozenset(entries)
