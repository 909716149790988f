#!/usr/bin/env python3
"""clang-format, clang-tidy, cppcheck and tools/tidy over src/; ends `N passed, N failed`."""
import argparse
import concurrent.futures
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def files(*endings):
    found = []
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        found += [os.path.join(folder, name) for name in names if name.endswith(endings)]
    return sorted(found)


def run(command):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout


def each_file(name, command, paths, is_bad):
    """Runs the command once for each file; returns (passed, failed)."""
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for path, (code, output) in zip(paths, pool.map(lambda p: run(command + [p]), paths)):
            if is_bad(code, output):
                failed += 1
                print(f"{name}: {os.path.relpath(path, ROOT)}\n{output}", flush=True)
    return len(paths) - failed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--fast", action="store_true", help="clang-format and tidy only")
    args = parser.parse_args()
    build = os.path.join(ROOT, args.build)
    results = [each_file("clang-format", ["clang-format", "--dry-run", "-Werror"],
                         files(".c", ".h"), lambda code, _: code != 0)]
    code, output = run([sys.executable, "tools/tidy.py"])
    print(output, end="")
    results.append((int(code == 0), int(code != 0)))
    if not args.fast:
        results.append(each_file("clang-tidy", ["clang-tidy", "--quiet", "-p", build], files(".c"),
                                 lambda code, out: code != 0 or "warning:" in out))
        code, output = run(["cppcheck", "--quiet", "--error-exitcode=1", "--inline-suppr",
                            "--enable=warning,portability", "--std=c11",
                            "--suppressions-list=tools/cppcheck.suppress",
                            f"--project={build}/compile_commands.json"])
        print(output, end="")
        results.append((int(code == 0), int(code != 0)))
    passed, failed = (sum(pair[i] for pair in results) for i in (0, 1))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
