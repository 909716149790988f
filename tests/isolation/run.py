#!/usr/bin/env python3
"""Isolation tests against a real quired. Ends with `N passed, N failed`. See README.md.

usage: run.py [--build DIR] [--all] [--specs [NAME...]] ...
  run.py                              what `./test` runs
  run.py --specs lost_update          that spec, whatever it needs
  run.py --specs --needs deadlock     the specs that wait for `deadlock`
  run.py --programs queue_by_lock
  run.py --histories RR SER --seconds 20
  run.py --specs NAME --level SER --order "a1 b1 a2 b2" --verbose   one order, with its transcript
"""
import argparse
import concurrent.futures
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def parse_options():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--all", action="store_true", help="every order, the long forms")
    p.add_argument("--specs", nargs="*", metavar="NAME", help="only specs; these, or all")
    p.add_argument("--needs", help="specs and programs that wait for this word")
    p.add_argument("--pending", action="store_true", help="run what is not expected to pass, too")
    p.add_argument("--level", help="RU, RC, RR, SI or SER")
    p.add_argument("--order", type=str.split, help="one order of the steps")
    p.add_argument("--limit", type=int, help="orders of a spec at a level")
    p.add_argument("--verbose", action="store_true", help="the transcript of each order")
    p.add_argument("--edition", default="", help="of the databases")
    p.add_argument("--programs", nargs="*", metavar="NAME", help="only programs; these, or all")
    p.add_argument("--histories", nargs="*", metavar="LEVEL", help="only histories; these levels, or all")
    p.add_argument("--seconds", type=int, help="of all histories together")
    p.add_argument("--seed", type=int, default=0)
    options = p.parse_args()
    os.environ["QUIRE_BUILD"] = os.path.abspath(options.build)
    os.environ["QUIRE_TEST_EDITION"] = options.edition
    return options


def available():
    """The words of `needs:` that the server meets today."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "available")
    with open(path, encoding="utf-8") as file:
        return {line.split("#")[0].strip() for line in file} - {""}


def is_chosen(needs, named, options):
    if options.needs:
        return options.needs in needs
    return named or options.pending or not set(needs) - available()


def spec_suite(quired, options):
    import specs
    if options.limit is None:
        options.limit = specs.ALL_ORDERS if options.all or options.specs else specs.QUICK_ORDERS
    found = specs.load_specs(options.specs)
    chosen = [s for s in found if is_chosen(s.needs, bool(options.specs), options)]
    for spec in found:
        if spec not in chosen:
            print(f"skipped {spec.name}: needs {' '.join(spec.needs)}")
    results = specs.run_specs(quired, chosen, options) if chosen else []
    for r in results:
        print(f"{'FAILED' if r.problems else 'ok':6} {r.spec.name} {r.level}: {r.orders} orders, "
              f"{r.seconds:.1f} s", flush=True)
    failed = sum(bool(r.problems) for r in results)
    return len(results) - failed, failed


def program_suite(quired, options):
    import programs
    chosen = []
    for name, (needs, _) in programs.PROGRAMS.items():
        if options.programs and name not in options.programs:
            continue
        if is_chosen(needs, bool(options.programs), options):
            chosen.append(name)
        else:
            print(f"skipped program {name}: needs {' '.join(needs)}")
    return programs.run(quired, chosen, options.all)


def history_suite(quired, options):
    import histories
    if options.seconds:
        histories.SHORT_SECONDS = histories.LONG_SECONDS = options.seconds
    chosen = []
    for kind in histories.KINDS:
        if options.histories and kind[0] not in options.histories:
            continue
        if is_chosen(kind[2], bool(options.histories), options):
            chosen.append(kind)
        else:
            print(f"skipped history {kind[0]}: needs {' '.join(kind[2])}")
    return histories.run(quired, chosen, options.all, options.edition, os.environ["QUIRE_BUILD"],
                         options.seed)


def run_suite(suite, options, announced=()):
    import wire
    with wire.server.Server("--allow-plaintext-login", announced=announced) as quired:
        return suite(quired, options)


def main():
    options = parse_options()
    import histories
    only = [options.specs, options.programs, options.histories] != [None, None, None]
    steps, load = [], []  # side by side: specs mostly wait
    if not only or options.specs is not None:
        steps.append((spec_suite, options, {"deadlock"}))
    if not only or options.programs is not None:
        steps.append((program_suite, options, {"deadlock"}))
    if options.histories is not None or not only and not options.needs:
        load.append((history_suite, options, {"deadlock"} | histories.ANNOUNCED))
        if options.all and not options.edition:
            on_hyperscale = argparse.Namespace(**{**vars(options), "edition": "Hyperscale"})
            load.append((history_suite, on_hyperscale, {"deadlock"} | histories.ANNOUNCED))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        rows = pool.map(lambda suites: [run_suite(*suite) for suite in suites], (steps, load))
        counts = [count for row in rows for count in row]
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
