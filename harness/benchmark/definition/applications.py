"""The applications of the benchmark: a small member of each of eight families.

Chosen by what training them costs (docs/benchmark.md has the figures): the smallest images
they take, and only arguments that their constructors offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from harness.matrix import discovery, selection
from harness.matrix.application import Application
from harness.vocabulary import LISTINGS, UsageError, nearest, unknown

#: What a constructor with preprocessing of its own takes, and what one without does.
BYTES = (0.0, 255.0)
SIGNED = (-1.0, 1.0)


@dataclass(frozen=True)
class Member:
    """How one application is built and trained here.

    Attributes:
      name: the constructor's.
      arguments: for the constructor, beside weights, classes and input shape.
      pixels: black and white of the images it is fed with.
      size: height and width of its images.
      rate: learning rate at which the cosine schedule starts.
      reference: where the constructor is, as `package.module:function`, if it is none of
        those of the matrix.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    pixels: tuple[float, float] = BYTES
    size: int = 32
    rate: float = 2e-3
    reference: str = ""

    @property
    def application(self) -> Application:
        """The constructor itself.

        Raises:
          UsageError: there is none of that name.
        """
        return selection.select([self.reference or self.name])[0]


#: Where the constructors are that a family's members are made with.
_FAMILIES = "tf_keras.src.applications"

MEMBERS: tuple[Member, ...] = (
    Member("MobileNet", {"alpha": 0.5}, SIGNED, rate=3e-3),
    Member("MobileNetV2", {"alpha": 0.6}, SIGNED, rate=3e-3),
    Member("MobileNetV3Small", {"alpha": 0.75}, rate=3e-3),
    Member(
        "EfficientNet",
        {"width_coefficient": 0.5, "depth_coefficient": 0.35, "default_size": 32},
        rate=3e-3,
        reference=f"{_FAMILIES}.efficientnet:EfficientNet",
    ),
    Member(
        "EfficientNetV2",
        {
            "width_coefficient": 0.5,
            "depth_coefficient": 0.35,
            "default_size": 32,
            "model_name": "efficientnetv2-b0",  # by which it chooses its blocks
        },
        rate=3e-3,
        reference=f"{_FAMILIES}.efficientnet_v2:EfficientNetV2",
    ),
    Member(
        "ResNetRS",
        {
            "depth": 50,  # the blocks given below count
            "block_args": [{"input_filters": 2**n, "num_repeats": 1} for n in (4, 5, 6, 7)],
        },
        reference=f"{_FAMILIES}.resnet_rs:ResNetRS",
    ),
    Member(
        "DenseNet",
        {"blocks": [2, 4, 4, 2]},
        SIGNED,
        reference=f"{_FAMILIES}.densenet:DenseNet",
    ),
    Member(
        "ConvNeXt",
        {
            "depths": [1, 1, 2, 1],
            "projection_dims": [24, 48, 96, 192],
            # At the default of 1e-6 the branches would take longer than a training to wake.
            "layer_scale_init_value": 0.1,
            "default_size": 32,
        },
        rate=1e-3,
        reference=f"{_FAMILIES}.convnext:ConvNeXt",
    ),
)

#: Recurrent networks, of which the rows of an image are the steps. Run where they are named.
RECURRENT: tuple[Member, ...] = tuple(
    Member(name, reference=f"harness.benchmark.definition.recurrent:{name}")
    for name in ("lstm_rows", "gru_rows", "bigru_rows", "cnn_gru", "crnn")
)

#: For `--quick`: the two that train fastest, one with depthwise convolutions and one without.
QUICK = ("MobileNet", "DenseNet")


def select(patterns: Iterable[str] = ()) -> tuple[Member, ...]:
    """Return the members that `patterns` name; all of them for no pattern.

    Args:
      patterns: names and shell patterns of the members; beyond these, what the matrix takes
        for an application, built with default arguments.

    Raises:
      UsageError: a pattern matches nothing; the message names the nearest.
    """
    chosen: dict[str, Member] = {}
    for pattern in patterns:
        hits = [one for one in (*MEMBERS, *RECURRENT) if fnmatchcase(one.name, pattern)]
        if not hits:
            hits = [_plain(one) for one in _others(pattern)]
        chosen.update((one.name, one) for one in hits)
    return tuple(chosen.values()) if chosen else MEMBERS


def _others(pattern: str) -> tuple[Application, ...]:
    try:
        return selection.select([pattern])
    except UsageError as error:
        if ":" in pattern:
            raise
        members = [one.name for one in MEMBERS]
        others = [one.name for one in RECURRENT]
        every = [*members, *others, *(one.name for one in discovery.discover())]
        if nearest(pattern, every):
            raise unknown("application", pattern, every) from error
        raise UsageError(
            f"{unknown('application', pattern, members)}; "
            f"`python -m harness {LISTINGS['application']}` shows others that it takes"
        ) from error


def _plain(application: Application) -> Member:
    if application.is_discovered:
        return Member(application.name)
    return Member(application.name, reference=application.reference)
