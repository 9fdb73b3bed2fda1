"""`prune_low_magnitude` and `unprune`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from optim._keras import accepted, check_layer, keras
from optim.errors import ConfigError
from optim.models.clone import check_built, plain_variable
from optim.models.compile_state import tell_of_functions
from optim.models.layer_options import Overrides, Skip
from optim.pruning.policies import policy_for
from optim.pruning.settings import NAMES, Settings
from optim.pruning.wrapper import (
    AnyPruneLowMagnitude,
    PruneLowMagnitude,
    hidden_kernels,
    is_prunable,
    pruned_layers,
)
from optim.wrapping.kinds import PRUNED, check_unwrapped
from optim.wrapping.strip import strip, strip_layer
from optim.wrapping.transform import Rules

__all__ = ["prune_low_magnitude", "sparsify", "unprune"]

_SETTINGS = {*NAMES, "pruning_schedule"}
_NAMED = 8  # layers that a warning names


def prune_low_magnitude(
    to_prune: Any,
    *,
    skip: Any = (),
    overrides: Mapping[Any, Mapping[str, Any] | None] | None = None,
    policy: Any = None,
    pruning_policy: Any = None,
    **options: Any,
) -> Any:
    """Prepare a model, a layer or a list of layers for magnitude pruning.

        prune_low_magnitude(model)  # constant 50 %
        prune_low_magnitude(model, schedule="polynomial", sparsity=0.75, end_step=2000)
        prune_low_magnitude(model, sparsity_m_by_n=(2, 4))
        prune_low_magnitude(
            model,
            sparsity=0.8,
            skip="stem_*",
            overrides={"block_1_*": {"sparsity": 0.3}, Dense: {"block_size": (4, 1)}},
        )

    Layers with a prunable kernel (`optim.pruning.wrapper.PRUNABLE`, extended by
    `register_prunable`) are wrapped in `PruneLowMagnitude`. Any other layer is passed
    through: pre-processing, normalization, op layers, custom layers; with a warning, if there
    are layers with kernels inside. Nested models are pruned inside and stay nested.

    Train with `get_pruning_callbacks()`, then call `unprune`.

    Args:
        to_prune: a Functional or Sequential model; a layer; or a list of layers.
        skip: layers to leave alone: a name or `fnmatch` pattern, matched with the layer's
            name and with its path (`"stem/conv_*"`); a layer class; a predicate on the
            layer; or a sequence of those.
        overrides: options for some layers: pattern, class or predicate -> dict of the
            options listed below from `schedule` on; None for no change. Of several that match,
            patterns and predicates go before classes, the earlier before the later, a class
            before those it is derived from.
        policy: what is worth pruning: `"latency-xnnpack"`, or an object such as a tfmot
            `PruningPolicy`; layers it does not allow are passed through. `pruning_policy` is
            tfmot's word for it.
        schedule: when to prune how much: `"constant"` (default), `"polynomial"`, or a tfmot
            `PruningSchedule`, for which `pruning_schedule` is tfmot's word.
        sparsity: share of zeros that is aimed at, 0.5 by default.
        initial_sparsity: polynomial: share of zeros at the start, 0 by default.
        begin_step: training step from which kernels are pruned, 0 by default.
        end_step: last step at which they are; -1, the default of a constant schedule, for
            no end. A polynomial schedule needs one, and reaches `sparsity` there.
        frequency: number of steps from one update of the masks to the next, 100 by default.
            As in tfmot, the first update is at step `begin_step` if that is above 0, else
            at step `frequency`: a shorter training prunes nothing.
        power: polynomial: exponent, 3 by default.
        block_size: rows and columns of the blocks that are pruned together, on the last two
            axes of a kernel. Layers with kernels no larger than one block are passed
            through.
        block_pooling_type: how to score a block, `"AVG"` or `"MAX"` of the magnitudes in it.
        sparsity_m_by_n: `(m, n)`, m zeros in n consecutive values, such as (2, 4), along the
            axis of the inputs, which is the innermost of the weights in a LiteRT file. Set
            once, at step 1 or `begin_step`. Layers whose kernels have no such axis
            (embeddings, depthwise and locally connected layers) are passed through.
        depthwise: prune depthwise kernels too.
        **options: those above from `schedule` on; for a layer or a list also arguments
            for the wrapper layer.

    Returns:
        For a model, a new one with the same weights (the original is not modified) and the
        original's compile state: same losses, metrics and weights, a new optimizer made
        from the original's config. Its outputs have the names they had. For a layer, the
        wrapper around that very layer, or the layer itself if it is passed through. For a
        list, a list of those.

    Raises:
        KerasModelError: not something of tf_keras.
        UnsupportedModelError: a subclassed model, layers that cannot be copied, what the
            policy refuses, or layers that are pruned already with other options than those
            given, all at once; or a model that is clustered or quantized.
        ConfigError: bad options, or a name that no layer has.
        TypeError: unknown options.
    """
    settings = {name: options.pop(name) for name in _SETTINGS & set(options)}
    if {"schedule", "pruning_schedule"} <= set(settings):
        raise ConfigError("schedule and pruning_schedule: two words for one thing, give one")
    if policy is not None and pruning_policy is not None:
        raise ConfigError("policy and pruning_policy: two words for one thing, give one")
    rules = _Rules(settings, Skip(skip), Overrides(overrides, _SETTINGS), policy or pruning_policy)

    return rules.apply(to_prune, options)


class _Rules(Rules):
    function = "prune_low_magnitude"
    kind = PRUNED
    done, undo = "pruned", "unprune"
    naming = "name their kernels with optim.register_prunable(class, ['inner.kernel', ...])"

    def __init__(
        self, given: dict[str, Any], skip: Skip, overrides: Overrides, policy: Any
    ) -> None:
        super().__init__(skip, overrides)
        self.given = given
        self.base = base = Settings().changed(given)
        self.policy = policy_for(policy)
        self._arguments = {base: base.arguments()}  # layers share the schedule object
        for settings in overrides.entries.values():  # what is wrong is said before any work
            self.arguments(base.changed(settings or {}))

    def check(self, model: Any) -> None:
        super().check(model)
        if self.policy:
            self.policy.ensure_model_supports_pruning(model)

    def conflict(self, wrapper: Any, path: str) -> str | None:
        asked = {**self.given, **self.overrides(wrapper.layer, path)}
        if not asked or _same(wrapper, self.arguments(self.base.changed(asked))):
            return None  # without options what is there is fine
        return "with other options than those given"

    def arguments(self, settings: Settings) -> dict[str, Any]:
        if settings not in self._arguments:
            self._arguments[settings] = settings.arguments()
        return self._arguments[settings]

    def wrap(self, layer: Any, original: Any, path: str, **arguments: Any) -> Any:
        settings = self.base.changed(self.overrides(original, path))
        if self.skip(original, path) or (self.policy and not self.policy.allow_pruning(original)):
            return layer
        if not isinstance(original, AnyPruneLowMagnitude) and hidden_kernels(original):
            self.hidden.append(f"{path} ({type(original).__name__})")
        if not is_prunable(original, settings.depthwise) or not settings.fits(original):
            return layer
        return PruneLowMagnitude(layer, **self.arguments(settings), **arguments)


def _same(wrapper: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether a pruning wrapper, ours or tfmot's, has these arguments."""
    has, asked = wrapper.pruning_schedule, arguments["pruning_schedule"]
    return bool(
        (has is asked or has.get_config() == asked.get_config())
        and tuple(wrapper.block_size) == arguments["block_size"]
        and wrapper.block_pooling_type == arguments["block_pooling_type"]
        and wrapper.sparsity_m_by_n == arguments["sparsity_m_by_n"]
        and getattr(wrapper, "depthwise", False) == arguments.get("depthwise", False)
    )


def sparsify(model: Any, **options: Any) -> Any:
    """Return a plain copy of a model with its smallest weights set to zero, at once.

    Pruning without training: for a model that is trained, or quantized with
    `preserve="sparsity"` and trained, afterwards.

    Args:
        model: a Functional or Sequential model; not modified.
        **options: those of `prune_low_magnitude`; of a schedule what it says at its end.

    Returns:
        A model of plain layers, as `unprune` returns it.

    Raises:
        UnsupportedModelError: as `prune_low_magnitude`; or the model has pruning wrappers, or
            is not built.
        KerasModelError, ConfigError, TypeError: as `prune_low_magnitude`.
    """
    model = accepted(model, "sparsify")
    check_unwrapped(model)
    check_built(model)
    pruned = prune_low_magnitude(model, **options)
    for wrapper in pruned_layers(pruned):
        ends = (getattr(wrapper.pruning_schedule, name, 0) for name in ("begin_step", "end_step"))
        wrapper.pruning_step.assign(max(0, *ends))
        wrapper.pruning_obj.update_masks()
    return unprune(pruned)


def unprune(model: Any) -> Any:
    """Return a plain copy of a pruned model, without wrappers, masks and thresholds.

    The zeros stay: the last masks are applied to the weights. Layers get their old names
    back, nested models stay nested. The compile state is carried over as by
    `prune_low_magnitude`. Warns if the model was trained, but masks were never updated, and of
    functions given to `add_loss` of the pruned model: they know its weights, and are not kept.

    Args:
        model: a model made by `prune_low_magnitude`, ours or tfmot's; not modified. Or a
            layer, for models whose layers were wrapped one by one.

    Returns:
        A model of plain layers. For a wrapper, the very layer within, which gets the zeros;
        any other layer as it is.

    Raises:
        KerasModelError: not a model or layer of tf_keras.
        UnsupportedModelError: a subclassed model, or layers that cannot be copied.
    """
    plain = without_masks(model)
    if isinstance(model, keras.Model):
        tell_of_functions(model, plain, stacklevel=4)
    return plain


def without_masks(model: Any) -> Any:
    """What `unprune` returns, for use within: what matters in training only is not told of."""
    check_layer(model, "unprune")
    if isinstance(model, keras.Model):
        plain, wrappers = strip(model, AnyPruneLowMagnitude, _masked_values)
    else:
        plain, wrappers = strip_layer(model, AnyPruneLowMagnitude, _masked_values)
    _warn_if_too_early(wrappers, model.name)
    return plain


def _masked_values(wrapper: Any) -> Iterator[tuple[Any, Any]]:
    for weight, mask, _ in wrapper.pruning_vars:
        yield weight, plain_variable(weight) * plain_variable(mask)


def _warn_if_too_early(wrappers: list[Any], name: str) -> None:
    """Tell of a training that ended before the first update of masks (tfmot #973)."""
    waiting = [wrapper for wrapper in wrappers if _is_early(wrapper)]
    if not waiting:
        return
    steps = max(_value(wrapper.pruning_step) for wrapper in waiting)
    every = {getattr(wrapper.pruning_schedule, "frequency", 1) for wrapper in waiting}
    first = min(_first_update(wrapper) for wrapper in waiting)
    names = [wrapper.layer.name for wrapper in waiting]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    warnings.warn(
        f"unprune: {name!r} was trained for {steps} steps, but the masks of "
        f"{', '.join(names[:_NAMED])}{more} were never updated: they are every "
        f"{' or '.join(map(str, sorted(every)))} steps, first at step {first}. Train longer, or "
        "set a smaller `frequency`",
        stacklevel=4,
    )


def _is_early(wrapper: Any) -> bool:
    """Whether a wrapper was trained, and its masks have yet to be updated."""
    if not wrapper.pruning_vars or not 0 < _value(wrapper.pruning_step) < _first_update(wrapper):
        return False
    return all(np.all(_value(mask) == 1) for _, mask, _ in wrapper.pruning_vars)


def _first_update(wrapper: Any) -> int:
    """The step at which the masks are updated for the first time."""
    schedule = wrapper.pruning_schedule
    begin = int(getattr(schedule, "begin_step", 0))
    every = 1 if wrapper.sparsity_m_by_n else int(getattr(schedule, "frequency", 1))
    end = int(getattr(schedule, "end_step", -1))
    return min(begin or every, end if end > 0 else begin or every)


def _value(variable: Any) -> Any:
    """The value of a variable, mirrored over devices or not."""
    return keras.backend.get_value(plain_variable(variable))
