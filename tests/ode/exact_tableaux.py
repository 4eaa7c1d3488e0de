"""The numbers of a method as its file spells them, not as doubles hold them."""

import ast
from fractions import Fraction
from pathlib import Path

from emberkeep.ode import methods
from emberkeep.ode.methods.tableau import Tableau

FOLDER = Path(methods.__file__).parent


def exact(name):
    """A method with Fractions for its numbers."""
    text = (FOLDER / f"{methods.FILES[name]}.py").read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name.replace("-", "_").upper():
            fields = {word.arg: value(word.value, text) for word in node.value.keywords}
            return Tableau(**fields)
    raise LookupError(name)


def value(node, text):
    if isinstance(node, ast.Tuple):
        return tuple(value(one, text) for one in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -value(node.operand, text)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return Fraction(value(node.left, text), value(node.right, text))
    if isinstance(node, ast.Constant):
        if isinstance(node.value, float):
            return Fraction(ast.get_source_segment(text, node))
        return node.value
    raise TypeError(ast.dump(node))
