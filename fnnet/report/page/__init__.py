"""The page: an interactive report of a sweep, as one self-contained HTML file.

    columns      a sweep's axes and metrics: their values, scales and levels
    rows         the runs, and their means over seeds, column by column
    curves       learning curves, and the envelope of all
    sentences    the head, in words
    importance   how much each axis matters
    spread       noise over seeds against differences between configurations
    provenance   how the sweep was made
    content      all of these, as one JSON object
    panels       the figures, empty; static/*.js fills them as menus and selections change
    document     the page, as HTML

Names and values come from users: they are passed as JSON, and the page writes them as text, never as HTML.
"""
