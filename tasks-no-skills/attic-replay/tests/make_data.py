"""Writes attic.tar, the histories and expected.json. What the commands did is modelled here by hand, in Python; no shell runs."""
import hashlib
import io
import json
import random
import tarfile
from pathlib import Path

rng = random.Random(19114)
HERE = Path(__file__).parent
DATA = HERE.parent / "environment/data"
BACKUP = 1699927200  # 2023-11-14 02:00:00 UTC

BASHRC = r"""# ~/.bashrc
case $- in
  *i*) ;;
  *) return ;;
esac

PATH=~/bin:$PATH
export LC_ALL=C STAGE=test
umask 027
set -o noclobber
HISTTIMEFORMAT='%F %T '

# I have lost enough files for one life.
alias cp='cp -n'
alias rm='mv -t ~/.trash --'
alias ll='ls -la'

# stamp FILE: write the version into its placeholders
stamp() { sed -i "s/@V@/$(cat ~/site/VERSION)/g" "$1"; }
"""

MKRELEASE = r"""#!/bin/bash
# mkrelease [-n]: list the files of the release $STAGE in ~/out/release.lst; -n only shows the list.
cd ~/site || exit 1

list() {
  printf 'stage %s version %s build %s\n' "$STAGE" "$(cat VERSION)" "$(cat .build)"
  while IFS= read -r pattern; do
    find . -type f -path "./$pattern" -print0
  done < "conf/$STAGE.parts" | LC_ALL=C sort -zu | while IFS= read -r -d '' file; do
    printf '%s %s %s\n' "$(sha256sum < "$file" | cut -c 1-20)" "$(stat -c %a "$file")" "${file#./}"
  done
}

[ -r "conf/$STAGE.parts" ] || { echo "no parts for $STAGE" >&2; exit 1; }
if [ "$1" = -n ]; then
  list
else
  list >| ~/out/release.lst
  echo $(( $(cat .build) + 1 )) >| .build
fi
"""


def svg(seed):
    return f'<svg xmlns="http://www.w3.org/2000/svg"><path d="M{" ".join(str(random.Random(seed).randrange(99)) for _ in range(40))}"/></svg>\n'


HOME = {  # path -> (mode, content) as of the backup
    ".bashrc": (0o644, BASHRC),
    "bin/mkrelease": (0o755, MKRELEASE),
    "out/release.lst": (0o640, "stage beta version 2.3.9 build 41\n"),
    ".trash/notes.txt": (0o644, "old notes\n"),
    "site/VERSION": (0o644, "2.4.0\n"),
    "site/.build": (0o640, "42\n"),
    "site/conf/test.parts": (0o644, "parts/*.txt\n"),
    "site/conf/beta.parts": (0o644, "parts/*\nimg/*.svg\n"),
    "site/conf/live.parts": (0o644, "parts/*.txt\nimg/*.svg\n"),
    "site/img/logo.svg": (0o644, svg(1)),
    "site/img/logo-dark.svg": (0o644, svg(2)),
    "site/img/banner.png": (0o600, "\x89PNG not really\n"),
    "site/parts/intro.txt": (0o644, "Welcome to @V@.\nSee https://site.example/@V@/\n"),
    "site/parts/outro.txt": (0o644, "Bye from @V@.\n"),
    "site/parts/old.txt": (0o600, "This was @V@, once.\n"),
    "site/parts/faq.txt": (0o644, "Q: which one is this?\nA: @V@\n"),
    "site/parts/.terms.txt": (0o644, "Terms of @V@ apply.\n"),
    "site/parts/press.md": (0o644, "# Press\n\nRelease @V@ is out.\n"),
    "site/parts/notes.txt": (0o644, "first note\nsecond note\n"),
    "site/parts/data/prices.txt": (0o644, "A 10\nB 20\nC 30\n"),
    "site/parts/data/-sort.txt": (0o644, "delta\nalpha\nCharlie\nbravo\n"),
}

TTY1, TTY2 = "tty1", "tty2"
STEPS = [  # (time of day, terminal, command); a leading minus: on the evening before the backup
    ("-17:02:11", TTY1, "cd site"),
    ("-17:02:40", TTY1, "OLD=$(cat VERSION)"),
    ("-17:03:05", TTY1, "export STAGE=beta"),
    ("-17:03:30", TTY1, "mkrelease"),
    ("-17:05:12", TTY1, "sed -i 's/2\\.3\\.9/2.4.0/' VERSION"),
    ("-17:06:01", TTY1, "set +o noclobber"),
    ("-17:09:44", TTY1, "echo 'second note' >> parts/notes.txt"),
    ("-18:20:00", TTY2, "cd site/prats"),
    ("-18:20:07", TTY2, "cd site/parts"),
    ("-18:21:30", TTY2, "shopt -s dotglob"),
    ("-18:22:15", TTY2, "mv ../conf/stage.parts ../conf/test.parts"),
    ("08:01:02", TTY1, "mkdir -p parts/new img/raw"),
    ("08:03:20", TTY1, "cp img/logo.svg parts/new/"),
    ("08:04:41", TTY2, "cp ../img/logo-dark.svg new/logo.svg"),
    ("08:05:05", TTY2, "cp ../img/logo-dark.svg 'new/dark logo.svg'"),
    ("08:06:13", TTY1, "printf 'Welcome, dear reader of @V@.\\n' > parts/intro.txt"),
    ("08:07:50", TTY2, "printf 'The end.\\n' > outro.txt"),
    ("08:08:16", TTY2, "printf 'Goodbye from @V@.\\n' >| faq.txt"),
    ("08:10:29", TTY1, "rm parts/old.txt parts/notes.txt"),
    ("08:11:03", TTY2, "mv ~/.trash/old.txt 'kept old.txt'"),
    ("08:12:44", TTY2, "mv ~/.trash/notes.txt ~/site/img/raw/"),
    ("08:15:00", TTY1, 'for file in parts/*.txt\ndo\n  sed -i "s/@V@/$OLD/" "$file"\ndone'),
    ("08:17:36", TTY2, "stamp .terms.txt"),
    ("08:18:09", TTY2, "chmod g-r *.txt"),
    ("08:20:50", TTY2, 'cat > "two words.txt" <<EOF\nstage $STAGE\n#4711 is the ticket\nEOF'),
    ("08:22:31", TTY1, 'cat > parts/stage.txt <<\'EOF\'\nstage $STAGE\nEOF'),
    ("08:24:02", TTY2, "cd data"),
    ("08:24:48", TTY2, "sort -o ./-sort.txt ./-sort.txt"),
    ("08:25:30", TTY1, "(cd parts/data && printf 'D 40\\n' >> prices.txt)"),
    ("08:26:15", TTY1, "printf 'E 50\\n' >> prices.txt"),
    ("08:27:00", TTY2, "cd ../../conf"),
    ("08:27:42", TTY2, "printf 'parts/new/*\\nparts/data/*\\n' >> live.parts"),
    ("08:28:20", TTY1, "sed -i '/^img/d' conf/live.parts"),
    ("08:29:09", TTY1, "ln -s ../img/banner.png parts/new/banner.png"),
    ("08:30:33", TTY1, "STAGE=live mkrelease"),
    ("08:31:10", TTY2, "mkrelease"),
    ("08:33:27", TTY2, "echo 2.4.1 > ../VERSION"),
    ("08:34:00", TTY2, "echo 2.4.1-rc2 >| ../VERSION"),
    ("08:35:18", TTY2, "cd - && export STAGE=live"),
    ("08:36:40", TTY1, "cd parts; stamp press.md"),
    ("08:37:25", TTY1, "chmod u=rwx,go= new/*.svg"),
    ("08:38:11", TTY2, "rm ../new/dark*"),
    ("08:39:02", TTY1, "mkrelaese"),
    ("08:40:07", TTY2, "set +o noclobber; printf 'F 60\\n' > prices.txt"),
    ("08:41:55", TTY2, "mkrelease"),
    ("08:43:10", TTY1, "printf 'PS: one more thing\\n' >> intro.txt"),
    ("08:44:26", TTY1, "STAGE=live mkrelease -n"),
    ("08:45:51", TTY2, "STAGE=gamma mkrelease"),
    ("08:47:02", TTY1, "rm ../out/release.lst"),
]


def model():
    """The files that conf/live.parts lists at 08:41:55, command by command."""
    files = {path.removeprefix("site/"): list(entry) for path, entry in HOME.items() if path.startswith("site/")}
    logo, dark = files["img/logo.svg"][1], files["img/logo-dark.svg"][1]
    files["parts/new/logo.svg"] = [0o640, logo]  # -n kept it from the dark one; 644 under umask 027
    files["parts/new/dark logo.svg"] = [0o640, dark]
    files["parts/intro.txt"][1] = "Welcome, dear reader of @V@.\n"  # tty1 had noclobber off
    # outro.txt stays: noclobber in tty2
    files["parts/faq.txt"][1] = "Goodbye from @V@.\n"
    # old.txt went to ~/.trash and came back; notes.txt replaced the one in ~/.trash and went on to img/raw
    files["parts/kept old.txt"] = files.pop("parts/old.txt")
    files["img/raw/notes.txt"] = files.pop("parts/notes.txt")
    for path in ("parts/intro.txt", "parts/outro.txt", "parts/faq.txt", "parts/kept old.txt"):  # no dotglob in tty1, first match of a line
        files[path][1] = "".join(line.replace("@V@", "2.3.9", 1) for line in files[path][1].splitlines(True))
    files["parts/.terms.txt"][1] = "Terms of 2.4.0 apply.\n"
    for path in ("parts/intro.txt", "parts/outro.txt", "parts/faq.txt", "parts/kept old.txt", "parts/.terms.txt"):  # dotglob in tty2
        files[path][0] &= ~0o040
    files["parts/two words.txt"] = [0o640, "stage test\n#4711 is the ticket\n"]
    files["parts/stage.txt"] = [0o640, "stage $STAGE\n"]
    files["parts/data/-sort.txt"][1] = "Charlie\nalpha\nbravo\ndelta\n"
    # ">> prices.txt" of 08:26:15 made site/prices.txt, which no list takes; "F 60" replaced the table, D 40 included
    files["parts/data/prices.txt"][1] = "F 60\n"
    files["parts/press.md"][1] = files["parts/press.md"][1].replace("@V@", "2.4.1-rc2")
    for path in ("parts/new/logo.svg", "parts/new/dark logo.svg"):
        files[path][0] = 0o700
    del files["parts/new/dark logo.svg"]
    listed = sorted(p for p in files if p.startswith(("parts/new/", "parts/data/")) or (p.startswith("parts/") and p.endswith(".txt")))
    lines = ["stage live version 2.4.1-rc2 build 44\n"]  # 42 when backed up, two runs since
    for path in listed:
        mode, content = files[path]
        lines.append(f"{hashlib.sha256(content.encode('latin-1')).hexdigest()[:20]} {mode:o} {path}\n")
    return "".join(lines)


def seconds(clock):
    hours, minutes, rest = map(int, clock.lstrip("-").split(":"))
    midnight = BACKUP - 2 * 3600 - (86400 if clock.startswith("-") else 0)
    return midnight + hours * 3600 + minutes * 60 + rest


def main():
    DATA.mkdir(parents=True, exist_ok=True)
    with tarfile.open(DATA / "attic.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        folders = sorted({str(parent) for path in HOME for parent in Path("builder", path).parents} - {"."})
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, BACKUP - 90000
            tar.addfile(entry)
        for path, (mode, content) in HOME.items():
            body = content.encode("latin-1")
            entry = tarfile.TarInfo(f"builder/{path}")
            entry.size, entry.mode, entry.mtime = len(body), mode, BACKUP - rng.randrange(9000, 90000)
            tar.addfile(entry, io.BytesIO(body))
    for tty in (TTY1, TTY2):
        text = "".join(f"#{seconds(clock)}\n{command}\n" for clock, terminal, command in STEPS if terminal == tty)
        (DATA / f"{tty}.history").write_text(text)
    times = [seconds(clock) for clock, _, _ in STEPS]
    assert times == sorted(times)
    expected = {"release": model(), "answers": {"terminal": TTY2, "ran_at": "2023-11-14T08:41:55Z", "directory": "site/parts/data"}}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(expected["release"], {p.name: p.stat().st_size for p in DATA.iterdir()})


if __name__ == "__main__":
    main()
