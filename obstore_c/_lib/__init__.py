"""Compiled modules."""


def _require_compiled() -> None:
    try:
        import obstore_c._lib.buffer  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "obstore_c._lib.buffer":
            raise
        raise ImportError(
            f"{__path__[0]} holds obstore_c's sources, without the compiled modules, which the installed "
            "package has: run Python in another folder, or with -P, after `pip install .`"
        ) from None


_require_compiled()
