"""Bridges to other libraries. Each library is an optional extra, imported only when its module here is."""
