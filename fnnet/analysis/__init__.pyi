from . import curvature as curvature
from . import deep_linear as deep_linear
from . import mean_field as mean_field
from . import representations as representations
from . import tangent_kernel as tangent_kernel
