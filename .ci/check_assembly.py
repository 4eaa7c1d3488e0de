"""Assemble every file of LLVM's language, so that a slip shows before a kernel is compiled."""

from pathlib import Path

import llvmlite.binding as llvm

SOURCE = Path(__file__).resolve().parent.parent / "src"

if __name__ == "__main__":
    llvm.initialize_native_target()
    for path in sorted(SOURCE.rglob("*.ll")):
        llvm.parse_assembly(path.read_text()).verify()
        print(f"{path.name}: assembled")
