"""Makes a failing case small: Zeller and Hildebrandt's delta debugging over its
steps, then over the rows that they insert, then over dimensions."""

import copy
import time

from case import Query, Rows, Step
from compare import Failure
from execute import Run
from counts import Statistics


class Shrinker:
    def __init__(self, generator, kind, seconds):
        self.generator = generator
        self.kind = kind
        # Where it is an ordinary error that is wrong, errors must stay failures.
        self.strict = kind.startswith("error ") and not kind.startswith("error XX")
        self.deadline = time.monotonic() + seconds
        self.tried = 0

    def fails(self, case):
        """Does the last step of the case still fail in the same way?"""
        if time.monotonic() > self.deadline:
            return False
        self.tried += 1
        try:
            Run(self.generator.server, case, Statistics(), strict=self.strict).run()
        except Failure as failure:
            self.generator.revive()
            return failure.kind == self.kind and failure.place == len(case.steps) - 1
        return False

    def list(self, items, fails):
        """The shortest list, without any one of whose items nothing fails."""
        parts = 2
        while items:
            size = max(1, len(items) // parts)
            for start in range(0, len(items), size):
                fewer = items[:start] + items[start + size:]
                if fails(fewer):
                    items = fewer
                    parts = max(parts - 1, 2)
                    break
            else:
                if size == 1 or time.monotonic() > self.deadline:
                    break
                parts = min(2 * parts, len(items))
        return items

    def shrink(self, case):
        last = case.steps[-1]
        steps = self.list(case.steps[:-1], lambda steps: self.fails(case.copy_with([*steps, last])))
        case = case.copy_with([*steps, last])
        for dims in (1, 2, 3, 4, 8, 16, 64):
            if dims < case.dims and self.fails(case.copy_with(dims=dims)):
                case = case.copy_with(dims=dims)
                break
        case = self.rows(case)
        if isinstance(last, Query):
            case = self.settings(case)
        steps = self.list(case.steps[:-1], lambda steps: self.fails(case.copy_with([*steps, case.steps[-1]])))
        return case.copy_with([*steps, case.steps[-1]])

    def rows(self, case):
        for i, step in enumerate(case.steps):
            if not isinstance(step, Step):
                continue
            for j, statement in enumerate(step.statements):
                if not isinstance(statement, Rows):
                    continue

                def with_rows(rows):
                    statements = list(case.steps[i].statements)
                    statements[j] = copy.copy(statement)
                    statements[j].rows = rows
                    steps = list(case.steps)
                    steps[i] = Step(step.kind, statements, step.session, step.allowed)
                    return case.copy_with(steps)

                case = with_rows(self.list(statement.rows, lambda rows: self.fails(with_rows(rows))))
        return case

    def settings(self, case):
        last = case.steps[-1]

        def with_settings(names):
            fewer = Query(**{**last.__dict__, "settings": dict(names)})
            return case.copy_with([*case.steps[:-1], fewer])

        return with_settings(self.list(list(last.settings.items()), lambda names: self.fails(with_settings(names))))
