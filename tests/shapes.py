"""The type checker of all tests: shapes and dtypes, where an int is accepted for a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
