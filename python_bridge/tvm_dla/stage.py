"""One side of a cut, as a composite function that takes tensors and returns tensors."""

from __future__ import annotations

from typing import Any

from tvm import relay


class Stage:
    """The calls of one side, in topological order, growing into a composite function.

    What the stage takes from outside becomes its parameters, in order of first use; what others
    take from it becomes its results.
    """

    def __init__(self, name: str, calls: list[Any]) -> None:
        self.name = name
        self.calls = calls
        self.results: list[Any] = []
        self._parameters: dict[Any, Any] = {}
        self._inside: dict[Any, Any] = {}
        for call in calls:
            arguments = [self._operand(argument) for argument in call.args]
            self._inside[call] = relay.Call(
                call.op, arguments, call.attrs, call.type_args, call.span
            )

    def produce(self, values: list[Any]) -> None:
        """Returns those of `values` that this stage computes, each once."""
        for value in values:
            if source_call(value) in self._inside and value not in self.results:
                self.results.append(value)

    def needs(self) -> list[Any]:
        """The values of outside calls this stage takes."""
        return [value for value in self._parameters if source_call(value) is not None]

    def call(self, outside: dict[Any, Any]) -> dict[Any, Any]:
        """The stage's results as expressions of the enclosing function.

        `outside` has the values of the calls the stage needs.
        """
        if not self.results:
            return {}
        returned = [self._operand(value) for value in self.results]
        body = returned[0] if len(returned) == 1 else relay.Tuple(returned)
        composite = relay.Function(list(self._parameters.values()), body)
        composite = composite.with_attr("Composite", self.name)
        called = relay.Call(composite, [outside.get(value, value) for value in self._parameters])
        if len(returned) == 1:
            return {self.results[0]: called}
        return {value: relay.TupleGetItem(called, i) for i, value in enumerate(self.results)}

    def _operand(self, expr: Any) -> Any:
        """`expr`, an operand in the enclosing function, as seen inside the composite."""
        if expr in self._inside:
            return self._inside[expr]
        if isinstance(expr, relay.Tuple):
            return relay.Tuple([self._operand(field) for field in expr.fields])
        if isinstance(expr, relay.TupleGetItem) and source_call(expr) in self._inside:
            return relay.TupleGetItem(self._operand(expr.tuple_value), expr.index)
        if isinstance(expr, relay.Constant):
            return expr
        return self._parameter(expr)

    def _parameter(self, expr: Any) -> Any:
        if expr not in self._parameters:
            name = expr.name_hint if isinstance(expr, relay.Var) else f"cut{len(self.needs())}"
            self._parameters[expr] = relay.var(name, expr.checked_type)
        return self._parameters[expr]


def leaves(expr: Any) -> list[Any]:
    """The tensors in `expr`: itself, or the fields of a tuple."""
    if isinstance(expr, relay.Tuple):
        return [leaf for field in expr.fields for leaf in leaves(field)]
    return [expr]


def spelled_out(expr: Any) -> Any:
    """A tuple-valued call as the tuple of its results; anything else as it is."""
    fields = getattr(expr.checked_type, "fields", None)
    if isinstance(expr, relay.Tuple) or fields is None:
        return expr
    return relay.Tuple([relay.TupleGetItem(expr, index) for index in range(len(fields))])


def source_call(expr: Any) -> Any | None:
    """The call that computes the value `expr`; none for a parameter or a constant."""
    while isinstance(expr, relay.TupleGetItem):
        expr = expr.tuple_value
    return expr if isinstance(expr, relay.Call) else None
