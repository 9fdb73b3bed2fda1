"""The layers that rules make; see `optim.quantization.layers`."""

from optim.graph.parameter import Parameter as Parameter
from optim.quantization.layers import AddConstant as AddConstant
from optim.quantization.layers import Affine as Affine
from optim.quantization.layers import Convolve as Convolve
from optim.quantization.layers import HardSwish as HardSwish
from optim.quantization.layers import Identity as Identity
