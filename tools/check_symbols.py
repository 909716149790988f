#!/usr/bin/env python3
"""No global symbol may be defined by two of our static libraries.

  tools/check_symbols.py NM LIBRARY...

Any of them may be linked into one program. The linker takes a name from the first archive that has
it, so a name defined twice breaks some programs' link and, where it does not, calls a stranger.
"""
import subprocess
import sys


def symbols(nm, library):
    """The strong global symbols that the library's objects define."""
    listing = subprocess.run([nm, "--extern-only", "--defined-only", "--format=posix", library],
                             check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        fields = line.split()
        # `library[object]:` heads each object; W and V are weak: a sanitizer's or the compiler's
        if len(fields) >= 2 and len(fields[1]) == 1 and fields[1] not in "WVwv":
            yield fields[0]


def main():
    nm, libraries = sys.argv[1], sys.argv[2:]
    homes, passed, failed = {}, 0, 0
    for library in libraries:
        for name in symbols(nm, library):
            homes.setdefault(name, []).append(library)
    for name, where in sorted(homes.items()):
        if len(where) > 1:
            print(f"{name}: defined in {', '.join(where)}")
            failed += 1
        else:
            passed += 1
    if not homes:
        print("no symbols found")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
