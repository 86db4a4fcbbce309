"""The kernels as machine code for this machine; the only part of prediction that loads numba.

``python -m engine.predict.compiling`` is a process of its own: numba takes 120 MB and two seconds
(measured) that a process which only predicts does not have to spend. It writes a line of JSON (the
name of the function) and the relocatable object file to its standard output.
"""

from __future__ import annotations

import json
import os

from llvmlite import binding

_GIVEN = ("llvm.", "memset", "memcpy", "memmove")
"""Beginnings of the names that the code may call: LLVM's own, and those of every C library."""

# numba lets go of arrays that own memory. None does here, so this is never called.
_NEVER_CALLED = "define void @NRT_MemInfo_call_dtor(ptr %info) { ret void }"


def target() -> binding.TargetMachine:
    """Return the machine that code is made for: this one, with all that its CPU can do."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        jit=True,
    )


def compiled() -> tuple[str, bytes]:
    """Return the name of the kernel's function, and the object file that holds it.

    numba's function is ``int32 name(void **result, void **error, addresses, sizes)``. It is taken
    by itself: numba's wrapper for C would call Python to tell of errors, and there are none.

    Raises:
        RuntimeError: The code would call what is not there where it is loaded.
    """
    from numba import cfunc

    from engine.predict.walk import SIGNATURE, entry

    assembly = cfunc(SIGNATURE, error_model="numpy")(entry).inspect_llvm()
    module = binding.parse_assembly(assembly)
    module.link_in(binding.parse_assembly(_NEVER_CALLED))
    (name,) = [f.name for f in module.functions if "walk5entry" in f.name and f.name[:2] == "_Z"]
    for value in (*module.functions, *module.global_variables):
        if value.name != name and not value.is_declaration:
            value.linkage = "internal"
    _drop_unused(module)
    outside = [f.name for f in module.functions if f.is_declaration]
    if missing := [other for other in outside if not other.startswith(_GIVEN)]:
        raise RuntimeError(f"the kernel calls {', '.join(missing)}")
    return name, target().emit_object(module)


def _drop_unused(module: binding.ModuleRef) -> None:
    builder = binding.create_pass_builder(target(), binding.create_pipeline_tuning_options(3))
    passes = binding.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)


def main() -> None:
    """Compile, and write the outcome."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may get between the bytes
    name, code = compiled()
    out.write(json.dumps({"name": name}).encode() + b"\n" + code)
    out.close()


if __name__ == "__main__":
    main()
