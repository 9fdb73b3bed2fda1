"""Weight clustering: stock and ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.techniques.control import ByOptim
from harness.techniques.promises import Promise
from harness.techniques.treated import Treated

if TYPE_CHECKING:
    from optim.sparsity.measure import KernelSparsity


class Clustered(Treated):
    """What the clustering techniques share: few values in each kernel."""

    parity: Mapping[str, float] = {"simulation": 60}
    promise = Promise(clusters=16)


class ClusterTfmot(Clustered):
    """``tfmot.clustering.keras.cluster_weights`` as shipped."""

    id = "cluster-tfmot"
    title = "tfmot.clustering.keras.cluster_weights(model, 16, KMEANS_PLUS_PLUS) as shipped"
    owner = "tfmot"
    of_keras3 = False  # it refuses them

    def transform(self, model: Any) -> Any:
        import tensorflow_model_optimization as tfmot

        return tfmot.clustering.keras.cluster_weights(
            model,
            number_of_clusters=self.promise.clusters,
            cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
        )

    def load(self, path: Path, custom_objects: Mapping[str, Any]) -> Any:
        import tensorflow_model_optimization as tfmot

        with tfmot.clustering.keras.cluster_scope():
            return super().load(path, custom_objects)

    def kernels(self, model: Any) -> list[KernelSparsity]:
        from tensorflow_model_optimization.python.core.clustering.keras import cluster_wrapper

        from optim.sparsity.measure import KernelSparsity, measure

        found = []
        for wrapper in model._flatten_layers():
            if isinstance(wrapper, cluster_wrapper.ClusterWeights):
                wrapper.update_clustered_weights_associations()
                for name in wrapper.original_clusterable_weights:
                    values = wrapper.get_weight_from_layer(name).numpy()
                    measured = measure(values, 0, None, None)
                    found.append(KernelSparsity(wrapper.layer.name, name, **measured))
        return found

    def export(self, model: Any, path: Path, input_shape: Any, data: Any) -> None:
        import tensorflow_model_optimization as tfmot

        stripped = tfmot.clustering.keras.strip_clustering(model)
        super().export(stripped, path, input_shape, data)


class Cluster(ByOptim, Clustered):
    """``optim.cluster_weights``: recursive, passes through what has no kernel."""

    id = "cluster"
    title = "optim.cluster_weights(model, 16)"
    answers: tuple[str, ...] = ("cluster-tfmot",)
    components = ("clustering", "loading", "sparsity")

    def transform(self, model: Any) -> Any:
        from optim import cluster_weights

        return cluster_weights(model, self.promise.clusters)
