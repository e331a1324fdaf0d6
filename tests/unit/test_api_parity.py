"""The public API is obstore's: every name, parameter, kind and default that its stubs declare exists here.

What is not built yet stands in `NOT_YET` and nowhere else. A name that is there and is built fails: the table
only shrinks.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import Any, is_typeddict

import pytest

NOT_YET = {
    "obstore_c": {
        "AsyncReadableFile",
        "AsyncWritableFile",
        "ReadableFile",
        "WritableFile",
        "open_reader",
        "open_reader_async",
        "open_writer",
        "open_writer_async",
    },
    "obstore_c.store": {
        "AzureAccessKey",
        "AzureBearerToken",
        "AzureConfig",
        "AzureCredential",
        "AzureCredentialProvider",
        "AzureSASToken",
        "AzureStore",
        "GCSConfig",
        "GCSCredential",
        "GCSCredentialProvider",
        "GCSStore",
        "HTTPStore",
        "LocalStore",
    },
}

# What obstore has not.
ADDITIONS = {
    "obstore_c": {"download", "download_async", "get_into", "get_into_async"},
    "obstore_c.store": {"PrefixStore"},
}

# Names of obstore's own inside: the version of its Rust crate, its extension module.
PRIVATE = {"_object_store_source", "_object_store_version", "_store"}

# Stub files, and the module of ours where their names are public.
STUBS = {
    "_attributes.pyi": "obstore_c",
    "_bytes.pyi": "obstore_c",
    "_buffered.pyi": "obstore_c",
    "_copy.pyi": "obstore_c",
    "_delete.pyi": "obstore_c",
    "_get.pyi": "obstore_c",
    "_head.pyi": "obstore_c",
    "_list.pyi": "obstore_c",
    "_put.pyi": "obstore_c",
    "_rename.pyi": "obstore_c",
    "_scheme.pyi": "obstore_c",
    "_sign.pyi": "obstore_c",
    "_store/__init__.pyi": "obstore_c.store",
    "_store/_aws.pyi": "obstore_c.store",
    "_store/_azure.pyi": "obstore_c.store",
    "_store/_client.pyi": "obstore_c.store",
    "_store/_gcs.pyi": "obstore_c.store",
    "_store/_http.pyi": "obstore_c.store",
    "_store/_retry.pyi": "obstore_c.store",
    "exceptions/__init__.pyi": "obstore_c.exceptions",
    "store.py": "obstore_c.store",
}

# Helpers of the stubs that obstore does not export either.
INTERNAL = {"Buffer", "S3ChecksumAlgorithm", "S3EncryptionAlgorithm", "S3Regions", "msg"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _stub_root() -> Path:
    spec = find_spec("obstore")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _declared(stub: str) -> dict[str, ast.stmt]:
    """The public names of a stub. Of overloads, the last one, which is the implementation's."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse((_stub_root() / stub).read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
    return {name: node for name, node in found.items() if not name.startswith("_") and name not in INTERNAL}


DECLARED = [
    pytest.param(module, name, node, id=f"{module}.{name}")
    for stub, module in STUBS.items()
    for name, node in _declared(stub).items()
]


def _parameters_of_stub(node: Function) -> list[tuple[str, str, Any]]:
    arguments = node.args
    required: Any = inspect.Parameter.empty

    def default(expression: ast.expr | None) -> Any:
        return required if expression is None else eval(compile(ast.Expression(expression), "stub", "eval"))

    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    found = [
        (argument.arg, "POSITIONAL_OR_KEYWORD", default(expression))
        for argument, expression in zip(positional, defaults, strict=True)
    ]
    if arguments.vararg:
        found.append((arguments.vararg.arg, "VAR_POSITIONAL", required))
    for argument, expression in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append((argument.arg, "KEYWORD_ONLY", default(expression)))
    if arguments.kwarg:
        found.append((arguments.kwarg.arg, "VAR_KEYWORD", required))
    return found


def _parameters_of_ours(function: Any) -> list[tuple[str, str, Any]]:
    return [
        (each.name, each.kind.name, each.default) for each in inspect.signature(function).parameters.values()
    ]


def _compare_function(node: Function, ours: Any, *, method: bool = False) -> None:
    wanted, found = _parameters_of_stub(node), _parameters_of_ours(ours)
    if method:  # whatever the first one is called
        wanted, found = wanted[1:], found[1:]
    assert found == wanted
    if isinstance(node, ast.AsyncFunctionDef):
        returns = str(ours.__annotations__["return"])
        assert inspect.iscoroutinefunction(ours) or returns.startswith("Coroutine")


def _compare_class(node: ast.ClassDef, ours: Any) -> None:
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            _compare_member(member, ours)
    if is_typeddict(ours):
        fields = {each.target.id for each in node.body if isinstance(each, ast.AnnAssign)}
        more = set(ours.__annotations__) - fields
        assert fields <= set(ours.__annotations__)
        assert not more or ours.__name__.endswith("Config"), more


def _compare_member(member: Function, ours: Any) -> None:
    decorators = {ast.unparse(each) for each in member.decorator_list}
    if "overload" in decorators:
        return
    name = member.name
    compiled = ours.__module__.startswith("obstore_c._lib.")  # what its methods take is tested there
    if "property" in decorators:
        assert isinstance(inspect.getattr_static(ours, name), property), name
    elif name == "__call__":  # of a callback protocol
        assert callable(getattr(ours, name))
    elif name in ("__init__", "from_url") and not compiled:
        static = inspect.getattr_static(ours, name)
        _compare_function(member, getattr(static, "__func__", static), method=True)
    elif name.startswith("__"):
        optional = name.startswith("__getnewargs") or name == "__buffer__"  # in Python from 3.12 on
        assert optional or hasattr(ours, name), name
    elif compiled:
        assert callable(getattr(ours, name)), name
    else:
        _compare_function(member, getattr(ours, name), method=True)


@pytest.mark.parametrize(("module", "name", "node"), DECLARED)
def test_declared_name_is_the_same_here(module: str, name: str, node: ast.stmt) -> None:
    package = importlib.import_module(module)
    if name in NOT_YET.get(module, ()):
        assert not hasattr(package, name), f"{name} is built: take it out of NOT_YET"
        return
    ours = getattr(package, name)
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            _compare_function(node, ours)
        case ast.ClassDef():
            _compare_class(node, ours)


@pytest.mark.parametrize("module", ["", ".store"])
def test_exports_are_obstores(module: str) -> None:
    theirs = importlib.import_module(f"obstore{module}").__all__
    package = importlib.import_module(f"obstore_c{module}")
    missing = set(theirs) - set(package.__all__) - PRIVATE
    assert missing == {name for name in NOT_YET[f"obstore_c{module}"] if name in theirs}
    declared = {each.values[1] for each in DECLARED if each.values[0] == package.__name__}
    assert set(package.__all__) - set(theirs) - declared == ADDITIONS[package.__name__]
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)


def test_star_import_works() -> None:
    for module in ("obstore_c", "obstore_c.store"):
        exec(f"from {module} import *", {})


def test_methods_are_the_functions() -> None:
    import obstore_c as obs
    from obstore_c.store import ObjectStoreMethods

    for name, method in vars(ObjectStoreMethods).items():
        if not name.startswith("_") and name != "list_async":
            assert method is getattr(obs, name)
            assert method.__doc__


def test_every_function_has_a_docstring_and_its_twin_points_there() -> None:
    import obstore_c as obs

    for name in obs.__all__:
        value = getattr(obs, name)
        if inspect.isfunction(value):
            assert value.__doc__
            if name.endswith("_async"):
                assert value.__doc__.startswith(f"Call `{name.removesuffix('_async')}` asynchronously.")
            else:
                assert all(part in value.__doc__ for part in ("Args:", "Example:")), name


def test_unknown_names_are_attribute_errors() -> None:
    import obstore_c as obs

    with pytest.raises(AttributeError, match="'obstore_c' has no attribute 'gett'"):
        _ = obs.gett
    with pytest.raises(AttributeError, match=r"'obstore_c\.store' has no attribute 'FTPStore'"):
        _ = obs.store.FTPStore
