"""The whole way from _quarto.yml to the finished site and PDF, doing only what has to be done again.

Begin with `render`: it calls every other room in turn, and decides from its record of what was made from what whether a chapter or a
format has to be made at all.  The project's own script runs first; the two formats are written side by side.  `variant` renders
one chapter with other settings.  Nothing here looks into a chapter: that is for the rooms before this one.
"""
