"""The numbers of a method as its file spells them, not as doubles hold them."""

import ast
from fractions import Fraction
from functools import cache
from pathlib import Path

from emberkeep.ode import methods

FOLDER = Path(methods.__file__).parent


class Exactly(ast.NodeTransformer):
    """Numbers that are no counts, as Fractions of what is written."""

    def __init__(self, text):
        self.text = text

    def visit_Constant(self, node):
        if isinstance(node.value, float):
            return self.fraction(node, ast.get_source_segment(self.text, node))
        return node

    def visit_BinOp(self, node):
        if isinstance(node.op, ast.Div):
            parts = ast.get_source_segment(self.text, node).replace(" ", "")
            return self.fraction(node, parts)
        return self.generic_visit(node)

    @staticmethod
    def fraction(node, text):
        above, _, below = text.partition("/")
        value = ast.parse(f"Fraction({above!r}) / Fraction({below or 1!r})", mode="eval").body
        return ast.copy_location(value, node)


@cache
def contents(file):
    """What a file of methods defines, with Fractions for its numbers."""
    text = (FOLDER / f"{file}.py").read_text()
    tree = ast.fix_missing_locations(Exactly(text).visit(ast.parse(text)))
    names = {"Fraction": Fraction, "__name__": f"exact_{file}"}
    exec(compile(tree, f"{file}.py", "exec"), names)
    return names


def exact(name):
    """A method with Fractions for its numbers."""
    return contents(methods.FILES[name])[name.replace("-", "_").upper()]
