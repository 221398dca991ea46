"""Named checks -> reward.json and a CTRF report. A check passes when its function returns without raising."""
import json, os, pathlib, stat

def read_output(path, limit=1_000_000):
    """The bytes of a plain file of at most `limit` bytes; ValueError for a link, a device or a larger file."""
    if os.path.realpath(path) != path or not stat.S_ISREG(os.lstat(path).st_mode) or os.path.getsize(path) > limit:
        raise ValueError(f"{path} is not a plain file of at most {limit} bytes")
    return pathlib.Path(path).read_bytes()

def run(checks, logs="/logs/verifier"):
    """Grade (name, weight, function) triples: 1 if all pass, else 0.9 x the passed share of the weight."""
    tests = []
    for name, _, check in checks:
        outcome = {"name": name, "status": "passed", "duration": 0}
        try:
            check()
        except Exception as error:
            outcome |= {"status": "failed", "message": f"{type(error).__name__}: {error}"[:300]}
        tests.append(outcome)
    good = [test["status"] == "passed" for test in tests]
    share = sum(weight for (_, weight, _), ok in zip(checks, good) if ok) / sum(weight for _, weight, _ in checks)
    summary = {"tests": len(good), "passed": sum(good), "failed": good.count(False)} | dict.fromkeys(("pending", "skipped", "other", "start", "stop"), 0)
    report = {"reportFormat": "CTRF", "specVersion": "0.0.0", "results": {"tool": {"name": "task-checks"}, "summary": summary, "tests": tests}}
    for name, value in (("ctrf.json", report), ("reward.json", {"reward": 1.0 if all(good) else round(0.9 * share, 4)})):
        pathlib.Path(logs, name).write_text(json.dumps(value, indent=1), encoding="ascii")
