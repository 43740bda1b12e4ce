"""Diagrams and timelines as pictures, made from the models.

A figure is a `Drawing` (`widgets.models.drawing`): texts, lines, outlines and arrows in points, in roles of the theme.
Two writers put it into a picture: `svg_writer` with the standard library only, `mpl_writer` with matplotlib.

For a live panel or page, without matplotlib:
* `StepFigure().page_svg(prefix)` once, then `lab.diagram().page_changes(prefix)` at each step: a style, texts by id;
* `figure.live_svg()` for any figure as it stands, the timeline for example: an <svg> element in the page's theme;
* `live_still(drawing, sentence)` (in `figure`) is what a panel leaves in a notebook for where nothing runs.

For a notebook or a file: `figure.draw(theme)` is a matplotlib figure; `png`, `svg` and `export` make files.
"""
