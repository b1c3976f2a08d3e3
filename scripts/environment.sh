# Sourced by demo.sh and test.sh: makes a virtual environment (.venv, or $VENV) with Python
# ($PYTHON, 3.11 or newer) and defines `install`, which puts packages into it, with uv where it
# is at hand and pip where not, at the versions of constraints.txt.
# Nothing is installed outside of that folder.
venv=${VENV:-.venv}
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "expected Python 3.11 or newer, found $("$python" -V 2>&1): set PYTHON=/path/to/python3.11" >&2
  exit 2
fi
python=$("$python" -c 'import sys; print(sys.executable)') # behind pyenv's and others' shims

# of pip's output: what is downloaded, and how large it is; errors and warnings are not filtered
downloads='/^ *Downloading .*\.(whl|tar\.gz|zip) /p; s/^Installing collected packages.*/Installing .../p'

if [[ $(uv pip install --help 2>/dev/null) == *--group* ]]; then
  [ -x "$venv/bin/python" ] || uv venv -q -p "$python" "$venv"
  # uv does not read pip's configuration
  links=${PIP_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}
  [ -z "$links" ] || export UV_FIND_LINKS=${UV_FIND_LINKS:-${links//[[:space:]]/,}}
  install() { uv pip install -p "$venv" -c constraints.txt "$@"; }
else
  # Debian's venv has no pip of its own, and its system pip knows no dependency groups
  [ -x "$venv/bin/python" ] || "$python" -m venv --without-pip "$venv"
  "$python" -m pip --python "$venv" install -q "pip>=25.1"
  install() {
    "$venv/bin/python" -m pip install --progress-bar off -c constraints.txt "$@" |
      sed -u -n -E "$downloads"
  }
fi
