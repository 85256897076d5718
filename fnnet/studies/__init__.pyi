from . import classical as classical
from . import early_training as early_training
from . import edge_of_stability as edge_of_stability
from . import fractals as fractals
from . import trainability as trainability
