from . import calibration as calibration
from . import ensembles as ensembles
from . import evaluate as evaluate
from . import export as export
from . import model as model
