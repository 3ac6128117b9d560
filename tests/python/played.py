"""How cases are played, one after another, and counted."""

import traceback

# More failures than these are no accident.
MAY_BE_UNSTEADY = 2


def cases_of(namespace, part=""):
    """The functions `case_…` of a module whose names have this part, by their names without `case_`."""
    cases = {name.removeprefix("case_"): case for name, case in namespace.items() if name.startswith("case_")}
    return {name: case for name, case in cases.items() if part in name}


def play_all(cases):
    """Plays pairs of a label and a function, and ends with `N passed, N failed`; the exit code. Cases that failed are
    played once more. One that passes then is printed as unsteady: somebody must find out why."""
    cases = list(cases)
    failed = [case for case in cases if not passes(*case, "FAILED")]
    if len(failed) <= MAY_BE_UNSTEADY:
        failed = [case for case in failed if not passes(*case, "FAILED again", "unsteady")]
    print(f"{len(cases) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def passes(label, case, bad, good="ok"):
    """Plays one, and prints how it went."""
    try:
        case()
    except Exception:
        print(f"test {label} ... {bad}", flush=True)
        traceback.print_exc()
        return False
    print(f"test {label} ... {good}", flush=True)
    return True
