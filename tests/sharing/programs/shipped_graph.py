"""A chain whose trace is shipped."""

from emberkeep import phasetype


def dying(state):
    return [((state[0] - 1,), float(state[0]))] if state[0] else []


graph = phasetype.Graph.from_callback(dying, [((4,), 1.0)], name="dying")
