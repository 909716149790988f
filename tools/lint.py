#!/usr/bin/env python3
"""clang-format, clang-tidy, cppcheck and tools/tidy over src/; ends `N passed, N failed`.

clang-tidy takes seconds for a file. What it found nothing in is remembered in BUILD/lint-clean by
the preprocessed text (comments included), the configuration and the version, and is not asked
again; cppcheck does the same in BUILD/lint-cppcheck.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import shlex
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


class CleanFiles:
    """The memory of what clang-tidy found nothing in."""

    def __init__(self, build):
        self.folder = os.path.join(build, "lint-clean")
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            self.commands = {os.path.normpath(os.path.join(entry["directory"], entry["file"])): entry
                             for entry in json.load(file)}
        with open(os.path.join(ROOT, ".clang-tidy"), encoding="utf-8") as file:
            self.common = file.read() + run(["clang-tidy", "--version"])[1]

    def stamp(self, path):
        """Where the file's mark belongs; None if its text cannot be made."""
        entry = self.commands.get(path)
        if entry is None:
            return None
        words = [word for word in shlex.split(entry["command"]) if word not in ("ccache", "-c", "-MD")]
        for option in ("-o", "-MF", "-MQ"):
            if option in words:
                at = words.index(option)
                del words[at:at + 2]
        # By clang, because it sees the parts of headers that are for its analyzer.
        done = subprocess.run(["clang", "-E", "-CC", "-D__clang_analyzer__=1", "-w"] + words[1:],
                              cwd=entry["directory"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            return None
        digest = hashlib.sha256(self.common.encode() + b"\0" + " ".join(words).encode() + b"\0" +
                                done.stdout).hexdigest()
        return os.path.join(self.folder, digest)


def clang_tidy(build):
    clean = CleanFiles(build)

    def one(path):
        mark = clean.stamp(path)
        if mark is not None and os.path.exists(mark):
            return ""
        # A fuzz target that this build leaves out is given the flags of its neighbours.
        more = [] if path in clean.commands else [f"--extra-arg=-I{ROOT}/src/base/tests"]
        code, output = run(["clang-tidy", "--quiet", "-p", build] + more + [path])
        bad = code != 0 or "warning:" in output
        if not bad and mark is not None:
            open(mark, "w").close()
        return (output or f"exit status {code}\n") if bad else ""

    paths, failed = files(".c"), 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for path, output in zip(paths, pool.map(one, paths)):
            if output:
                failed += 1
                print(f"clang-tidy: {os.path.relpath(path, ROOT)}\n{output}", flush=True)
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
        results.append(clang_tidy(build))
        known = os.path.join(build, "lint-cppcheck")
        os.makedirs(known, exist_ok=True)
        code, output = run(["cppcheck", f"--cppcheck-build-dir={known}", f"-j{os.cpu_count() or 1}", "--quiet", "--error-exitcode=1", "--inline-suppr",
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
