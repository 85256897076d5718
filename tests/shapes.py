"""The checker of annotations that tests run under: shapes and types, with an int accepted for a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
