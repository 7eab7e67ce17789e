"""Read code as it stands in tutorials: every value that it assigns becomes a node, and nothing is run.

Loops are gone through once. Functions of the code are followed, and branches are decided where that can be
seen, else joined. What is not understood, such as a call of some other library, becomes an input that has the
name it is assigned to, and is remembered as not understood.
"""

import ast
import re
import textwrap
from typing import Any

from amiss.arrays.recorded import Node
from amiss.authoring.expressions import FUNCTIONS, function_name, syntax_tree
from amiss.core.errors import ParameterError
from amiss.identification.reading import (
    PRODUCTS,
    REDUCTIONS,
    Assignment,
    Code,
    ExpressionReader,
    base_of,
    labels_of,
)

__all__ = ["read_code"]

DEEPEST, MOST = 20, 300  # calls of the code's own functions within each other, and in all
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
NOTHING = object()
"""What a block returns that has no `return`."""


def read_code(text: str) -> Code:
    """Read an expression or lines of code.

    Raises:
        ParameterError: it is no Python, or too large.

    Examples:
        >>> code = read_code("E = a - y; d = E * a * (1 - a)")
        >>> [assignment.name for assignment in code.assignments], sorted(code.inputs)
        (['E', 'd'], ['a', 'y'])
    """
    plain = _plain(text) if isinstance(text, str) else text
    tree = syntax_tree(plain, "identify: code")
    reader = CodeReader()
    reader.functions = {node.name: node for node in tree.body if isinstance(node, FUNCTION)}
    reader.block(tree.body)
    reader.enter_uncalled()
    return reader.code


def _plain(text: str) -> str:
    """Return code without what it is quoted with: fences, prompts, magic commands, signs of a typesetter."""
    text = text.removeprefix("\ufeff").replace("\u2212", "-").replace("\u00b2", "**2")
    lines = [re.sub(r"^(>>>|\.\.\.) ?", "", line) for line in textwrap.dedent(text).strip().splitlines()]
    return textwrap.dedent("\n".join(line for line in lines if not re.match(r"\s*(```|[%!])", line))).strip()


class CodeReader(ExpressionReader):
    """Reads statements."""

    def __init__(self) -> None:
        super().__init__()
        self.functions: dict[str, Any] = {}
        self.constants: dict[str, Any] = {"__name__": "__main__"}
        self.called: set[int] = set()
        self.function, self.depth, self.calls, self.looping = "", 0, 0, False
        self.results: tuple[Any, ...] = ()

    # --- statements ------------------------------------------------------------------------------------
    def block(self, body: list[ast.stmt]) -> Any:
        """Read statements; return what the first `return` among them gives, else NOTHING."""
        for place, statement in enumerate(body):
            if isinstance(statement, ast.If):
                done, found = self.branch(statement, body[place + 1 :])
                if done:
                    return found
            else:
                found = self.statement(statement)
            if found is not NOTHING:
                return found
        return NOTHING

    def statement(self, statement: ast.stmt) -> Any:
        """Read one statement; return what it returns, else NOTHING."""
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self.assign(target, value, statement.lineno)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, value, statement.lineno)
            case ast.AugAssign():
                self.update(statement)
            case ast.Return(value=ast.expr() as value):
                return self.returned(value, statement.lineno)
            case ast.Expr(value=value):
                self.alone(value, statement.lineno)
            case ast.For():
                return self.loop(statement)
            case ast.While() | ast.With() | ast.Try():
                return self.block(statement.body)
            case ast.ClassDef():
                self.read_class(statement)
        return NOTHING

    def returned(self, value: ast.expr, line: int) -> Any:
        """Read what is returned; of several values the first is meant, as of gradient and Hessian."""
        parts = value.elts if isinstance(value, ast.Tuple) else [value]
        results = tuple(self.understood(part, "return") for part in parts)
        if not self.depth:
            self.keep("return", results[0], line, source=parts[0])
        self.results = results
        return results[0]

    def alone(self, value: ast.expr, line: int) -> None:
        """Read a lone expression, and the numbers that a `print` shows."""
        match value:
            case ast.Constant():
                return
            case ast.Call(func=ast.Name(id="print"), args=arguments):
                for argument in arguments:
                    if not isinstance(argument, ast.Constant | ast.Name | ast.JoinedStr):
                        self.keep("printed metric", self.understood(argument, ""), line)
            case ast.Call() if function_name(value.func) not in (
                *FUNCTIONS,
                *PRODUCTS,
                *REDUCTIONS,
                *self.functions,
            ):
                return  # it does something, as append does
            case _:
                self.keep("", self.understood(value, ""), line)

    def loop(self, statement: ast.For) -> Any:
        """Read the body of a loop once; what it adds up from 0 is a sum."""
        pairs: list[tuple[ast.expr, ast.expr]] = []
        match statement.target, statement.iter:
            case ast.Tuple(elts=names), ast.Call(func=ast.Name(id="zip"), args=arrays) if len(names) == len(
                arrays
            ):
                pairs = list(zip(names, arrays, strict=True))
            case ast.Name() as name, (ast.Name() | ast.Attribute()) as array:
                pairs = [(name, array)]
        for name, array in pairs:
            self.names[ast.unparse(name)] = self.understood(array, ast.unparse(name))
        outer, self.looping = self.looping, True
        found = self.block(statement.body)
        self.looping = outer
        return found

    def read_class(self, statement: ast.ClassDef) -> None:
        """Read the methods of a class, which share what they keep in self."""
        outer, names = self.functions, dict(self.names)
        self.functions = {
            **outer,
            **{part.name: part for part in statement.body if isinstance(part, FUNCTION)},
        }
        self.block([part for part in statement.body if not isinstance(part, FUNCTION)])
        self.enter_uncalled()
        self.functions, self.names = outer, names

    def enter_uncalled(self) -> None:
        """Read the functions that the code defines and does not call, each with names of its own."""
        for function in list(self.functions.values()):
            if id(function) not in self.called:
                self.called.add(id(function))
                arguments = {argument.arg for argument in function.args.args}
                names = {name: value for name, value in self.names.items() if name not in arguments}
                self.within(function, names, self.defaults_of(function))

    # --- branches --------------------------------------------------------------------------------------
    def branch(self, statement: ast.If, rest: list[ast.stmt]) -> tuple[bool, Any]:
        """Read an `if`; return whether the rest of the block is read too, and what is returned."""
        decided = self.truth(statement.test)
        if decided is not None:
            return False, self.block(statement.body if decided else statement.orelse)
        if not (_changes(statement.body) or _changes(statement.orelse)):
            self.block(statement.body)
            self.block(statement.orelse)
            return False, NOTHING
        test = self.mask(statement.test)
        if test is None and not statement.orelse and not _returns(statement.body):
            return False, self.block(statement.body)  # such as every tenth epoch: as if it were always
        before, mark = dict(self.names), len(self.code.assignments)
        if _returns(statement.body) or _returns(statement.orelse):
            first = self.block([*statement.body, *rest])
            self.names = dict(before)
            second = self.block([*statement.orelse, *rest])
            result = self.either(test, first, second, statement)
            if result is not NOTHING and not self.depth:
                self.keep("return", result, statement.lineno)
            return True, result
        self.block(statement.body)
        first, self.names = self.names, dict(before)
        self.block(statement.orelse)
        second, self.names = self.names, dict(before)
        for name in {**first, **second}:
            a, b = (names.get(name, before.get(name, NOTHING)) for names in (first, second))
            if a is NOTHING or b is NOTHING or a is b:
                self.names[name] = b if a is NOTHING else a
                continue
            joined = self.code.assignments[mark:]
            self.code.assignments[mark:] = [x for x in joined if x.name != name]
            self.names[name] = self.either(test, a, b, statement, name)
        return False, NOTHING

    def either(
        self, test: Node | None, first: Any, second: Any, statement: ast.If, name: str = "return"
    ) -> Any:
        """Return what one of two branches gives; an input that is not understood where the test is not."""
        if first is NOTHING or second is NOTHING:
            return second if first is NOTHING else first
        uses = tuple(x for x in (first, second) if isinstance(x, Node))
        if test is None:
            value, unread = (
                self.input(f"{name} if {ast.unparse(statement.test)}"),
                f"if {ast.unparse(statement.test)}",
            )
        else:
            value, unread = self.xp.where(test, first, second), ""
        if name != "return" or not self.depth:
            found = Assignment(
                name, value, statement.lineno, unread=unread, uses=uses, function=self.function
            )
            self.code.assignments.append(found)
        return value

    def mask(self, test: ast.expr) -> Node | None:
        """Return the node of a condition on arrays, None where it is none."""
        if not isinstance(test, ast.Compare) or any(isinstance(part, ast.Mod) for part in ast.walk(test)):
            return None
        try:
            node = self.read(test)
        except ParameterError:
            return None
        return node if isinstance(node, Node) else None

    def truth(self, test: ast.expr) -> bool | None:
        """Return whether a condition on constants of the code holds, None where that cannot be seen."""
        match test:
            case ast.Constant(value=value):
                return bool(value)
            case ast.Name(id=name) if name in self.constants:
                return bool(self.constants[name])
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                inside = self.truth(inner)
                return None if inside is None else not inside
            case ast.Compare(
                left=left, ops=[ast.Eq() | ast.Is() | ast.NotEq() | ast.IsNot() as op], comparators=[right]
            ):
                known, a = self.constant(left)
                too, b = self.constant(right)
                return (a == b) == isinstance(op, ast.Eq | ast.Is) if known and too else None
        return None

    def constant(self, tree: ast.expr) -> tuple[bool, Any]:
        """Return whether an expression is a constant of the code, and which."""
        if isinstance(tree, ast.Constant):
            return True, tree.value
        name = ast.unparse(tree)
        return name in self.constants, self.constants.get(name)

    # --- values ----------------------------------------------------------------------------------------
    def assign(self, target: ast.expr, value: ast.expr, line: int, step: str = "") -> None:
        """Give a name a value."""
        if isinstance(target, ast.Tuple | ast.List):
            self.unpack(target.elts, value, line)
            return
        name = ast.unparse(target)
        if isinstance(value, ast.Lambda):
            body = [ast.Return(value=value.body, lineno=line)]
            made = ast.FunctionDef(name=name, args=value.args, body=body, decorator_list=[], lineno=line)
            self.functions[name] = made
            self.called.add(id(made))
            return
        self.constants.pop(name, None)
        if isinstance(value, ast.Constant):
            self.constants[name] = value.value
        result = self.understood(value, name)
        if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
            name, result = self.stored(target, result)
        self.names[name] = result
        self.keep(name, result, line, step, source=value)

    def unpack(self, targets: list[ast.expr], value: ast.expr, line: int) -> None:
        """Give several names their values."""
        if isinstance(value, ast.Attribute) and value.attr == "shape":  # rows, and then columns
            for place, name in enumerate(targets):
                self.names[ast.unparse(name)] = self.xp.record(
                    "count", self.read(value.value), f"shape[{place}]"
                )
        elif isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(targets):
            for name, part in zip(targets, value.elts, strict=True):
                self.assign(name, part, line)
        else:
            self.results = ()
            self.understood(value, "")
            results = self.results if len(self.results) == len(targets) else (None,) * len(targets)
            for name, result in zip(targets, results, strict=True):
                self.names.pop(ast.unparse(name), None)
                if result is not None:
                    self.names[ast.unparse(name)] = result

    def stored(self, target: ast.Subscript, value: Any) -> tuple[str, Any]:
        """Return the name of an array, and what it is after something was stored in a part of it."""
        name = ast.unparse(target.value)
        if name not in self.names:
            return ast.unparse(target), value
        labels, old = labels_of(target.slice), self.names[name]
        if labels is not None:  # of each row the entry of its label
            hot = self.label(labels)
            return name, old * (1.0 - hot) + value * hot
        mask = self.mask(target.slice)
        if mask is not None:
            return name, self.xp.where(mask, value, old)
        return (
            (name, value) if isinstance(target.slice, ast.Slice | ast.Name) else (ast.unparse(target), value)
        )

    def update(self, statement: ast.AugAssign) -> None:
        """Read an update in place."""
        target, op = statement.target, statement.op
        labels = labels_of(target.slice) if isinstance(target, ast.Subscript) else None
        if labels is not None and isinstance(op, ast.Add | ast.Sub):  # scores[range(n), y] -= 1
            name = ast.unparse(target.value)  # type: ignore[union-attr]
            change = self.understood(statement.value, name) * self.label(labels)
            old = self.name(name)
            self.names[name] = old + change if isinstance(op, ast.Add) else old - change
            self.keep(name, self.names[name], statement.lineno)
            return
        name = ast.unparse(target)
        if self.looping and isinstance(op, ast.Add) and _is_zero(self.names.get(name)):
            self.names[name] = self.xp.record("sum", self.understood(statement.value, name), "all")
            self.keep(name, self.names[name], statement.lineno, source=statement.value)
            return
        step = "+" if isinstance(op, ast.Add) else "-" if isinstance(op, ast.Sub) else ""
        loaded = ast.parse(name, mode="eval").body
        whole = ast.copy_location(ast.BinOp(left=loaded, op=op, right=statement.value), statement)
        self.assign(target, whole, statement.lineno, step)

    def keep(self, name: str, value: Any, line: int, step: str = "", source: ast.expr | None = None) -> None:
        """Remember a value, and what it was made of where it was not understood."""
        unread, uses = "", ()
        if source is not None and isinstance(value, Node) and value.operation == "input":
            names = [
                ast.unparse(part) for part in ast.walk(source) if isinstance(part, ast.Name | ast.Attribute)
            ]
            if value.operands[0] not in names:
                unread = ast.unparse(source)
                uses = tuple(
                    node
                    for x in names
                    if isinstance(node := self.names.get(x, self.code.inputs.get(x)), Node)
                )
        found = Assignment(name, value, line, step, self.opaque, unread, uses, self.function)
        self.code.assignments.append(found)

    # --- functions -------------------------------------------------------------------------------------
    def follow(self, tree: ast.Call) -> Any:
        base = base_of(tree.func) if isinstance(tree.func, ast.Attribute) else None
        function = self.functions.get(function_name(tree.func)) if base in (None, "self", "cls") else None
        if function is None:
            return None
        self.called.add(id(function))
        self.calls += 1
        if self.depth >= DEEPEST or self.calls > MOST:
            return self.refuse(tree)
        names = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")]
        values = dict(zip(names, tree.args, strict=False)) | {
            word.arg: word.value for word in tree.keywords if word.arg
        }
        constants = self.defaults_of(function)
        constants = {name: value for name, value in constants.items() if name not in values}
        constants |= {
            name: got for name, value in values.items() for known, got in [self.constant(value)] if known
        }
        defaults = {name: value for name, value in constants.items() if isinstance(value, int | float)}
        given = {**self.names, **{name: float(value) for name, value in defaults.items()}}
        given |= {name: self.understood(value, name) for name, value in values.items()}
        self.depth += 1
        found = self.within(function, given, constants)
        self.depth -= 1
        return self.refuse(tree) if found is NOTHING else found

    def defaults_of(self, function: Any) -> dict[str, Any]:
        """Return the constants that arguments of a function have by default."""
        names = [argument.arg for argument in function.args.args]
        pairs = zip(reversed(names), reversed(function.args.defaults), strict=False)
        return {name: value.value for name, value in pairs if isinstance(value, ast.Constant)}

    def within(self, function: Any, names: dict[str, Any], constants: dict[str, Any]) -> Any:
        """Read the body of a function with names of its own; what it keeps in self outlives it."""
        outer = self.names, self.constants, self.function, self.looping
        self.names, self.constants = dict(names), {**self.constants, **constants}
        self.function, self.looping = function.name, False
        try:
            return self.block(function.body)
        finally:
            kept = {name: value for name, value in self.names.items() if "." in name}
            self.names, self.constants, self.function, self.looping = outer
            self.names = {**self.names, **kept}


def _is_zero(x: Any) -> bool:
    return isinstance(x, int | float) and x == 0


def _changes(body: list[ast.stmt]) -> bool:
    """Return whether statements do more than report."""
    changing = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return
    return any(isinstance(part, changing) for statement in body for part in ast.walk(statement))


def _returns(body: list[ast.stmt]) -> bool:
    return any(isinstance(part, ast.Return) for statement in body for part in ast.walk(statement))
