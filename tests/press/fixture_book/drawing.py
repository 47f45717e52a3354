"""What the fixture book's cells import: it lies at the project's root, as execute-dir: project has it."""

from matplotlib.figure import Figure


def circle(radius: float) -> Figure:
    figure = Figure(figsize=(4, 3))
    figure.patch.set_alpha(0)
    axis = figure.subplots()
    axis.patch.set_alpha(0)
    axis.plot([0, radius, 0, -radius, 0], [radius, 0, -radius, 0, radius])
    axis.set_xlabel("x")
    return figure
