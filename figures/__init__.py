"""What the experiments found, drawn: one module per chapter, functions from a Result to a Figure.

Read `style` first: it has the colours by meaning, the canvas, and how curves are labelled.  Every other module goes with the chapter
of the same name, and each of its functions is one figure, named for what it shows.  `python -m figures` draws the one in the README.

A figure computes nothing and saves nothing: numbers come from the result, and Quarto or press puts the figure on the page.
`inline` makes of it the HTML that stands there, `phone` the narrow form for phones.
"""
