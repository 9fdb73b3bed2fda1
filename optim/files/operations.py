"""Operations of TensorFlow's graphs: which compute, and which reach beyond the graph.

TensorFlow marks operations with effects as stateful; of those, the ones named here are allowed.
A few that read files are not marked; these are found by their names.
"""

from __future__ import annotations

import re

#: Stateful operations that models are made of: variables, tables in memory, control flow,
#: random numbers. As patterns of whole names.
_ALLOWED = re.compile(
    r"VarHandleOp|ReadVariableOp|AssignVariableOp|Assign(Add|Sub)VariableOp|VarIsInitializedOp|"
    r"VariableV?2?|VariableShape|ResourceGather(Nd)?|ResourceScatter\w+|Resource(Sparse)?Apply\w+|"
    r"ResourceStridedSliceAssign|DestroyResourceOp|DisableCopyOnRead|DummyIterationCounter|"
    r"(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|InitializeTableV2|"
    r"LookupTable(Find|Insert|Remove|Size|Export|Import)V2|"
    r"If|While|Case|StatefulPartitionedCall|Assert|CheckNumerics(V2)?|GuaranteeConst|Empty|"
    r"TensorArray\w*|Stack\w*|Random\w+|Stateful(Standard|Truncated|Uniform|Random)\w*|"
    r"Multinomial|ParameterizedTruncatedNormal|TruncatedNormal|StatelessRandomGetAlg|"
    r"Rng(ReadAnd)?Skip|NonDeterministicInts|SampleDistortedBoundingBox(V2)?|"
    r"\w*CandidateSampler|CudnnRNN\w*|DeviceIndex|XlaCallModule|Placeholder\w*"
)

#: Operations that are not marked, and read or write files all the same, run Python, or load
#: something.
_REFUSED = re.compile(
    r"\w*(File|Dataset|Reader|PyFunc|Snapshot)\w*|ImmutableConst|DecodeProtoV2|EncodeProto|"
    r"Debug\w+|Remote\w+|TPUPartitionedCall|\w*Iterator\w*|ReaderRead\w*"
)

#: Operations that write and read the variables of a SavedModel, in functions of its own.
SAVING = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"})


def not_allowed(kind: str) -> str:
    """Say why an operation is not run unasked; "" if it may.

    Args:
        kind: its name, such as "MatMul".
    """
    from tensorflow.python.framework import op_def_registry

    if _REFUSED.fullmatch(kind):
        return f"has the operation {kind}, which reaches beyond the model"
    known = op_def_registry.get(kind)
    if known is None:
        return f"has the operation {kind}, which TensorFlow does not know"
    if known.is_stateful and not _ALLOWED.fullmatch(kind):
        return f"has the operation {kind}, which reaches beyond the model"
    return ""
