"""Reports: tables for the terminal and pictures for people."""

from fnnet.report import claims as claims
from fnnet.report import page as page
from fnnet.report import plots as plots
from fnnet.report import tables as tables
