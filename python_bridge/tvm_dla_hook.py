"""Makes the stock ``tvmc`` know the target ``dla`` (``tvm-dla-tvmc enable`` imports this at start).

Python runs it in every process, so it only leaves a finder behind: nothing else is imported until
something imports ``tvm.driver.tvmc``.
"""

import sys
from importlib.machinery import PathFinder


class _Finder:
    """Finds tvmc as usual, and registers the target once the package is complete."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore
        if name != "tvm.driver.tvmc":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):  # type: ignore
                execute(module)
                from tvm_dla import register

                register()

            spec.loader.exec_module = exec_module  # type: ignore
        return spec


sys.meta_path.insert(0, _Finder)
