"""Chapters' cells and inline code, run in real Jupyter kernels: one a chapter, several side by side.

`chapters` decides what must run and keeps what was shown; `kernel` starts a kernel, sends it code and, with nbclient, hears it out;
`outputs` makes of what it shows text as a terminal leaves it, and chooses among the forms of an output, as Quarto does.
`source_imports` is loaded by the kernels: a project's modules are read from their source.  Nothing here knows what the code means.
"""
