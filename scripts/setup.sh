# Sourced by scripts/demo, scripts/test, scripts/check and scripts/bench: makes what they need, once.
#
#   . "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"
#   setup demo        # or: setup test
#   "$VENV/bin/python" ...
#
# `setup` gives ROOT (the checkout) and VENV (its virtual environment), adds /usr/sbin to PATH (mosquitto is
# there), and returns at once if nothing has changed. Which package index is used is the business of the
# user's own pip configuration. EDGE_PYTHON names a Python to use instead of the first one found.
# shellcheck shell=bash

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
_LOCKS=$ROOT/scripts/requirements
_LOG=$ROOT/.cache/setup.log

say() { printf 'setup: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 3
}

# setup PROFILE - demo, or test (which holds all of demo).
setup() {
    local profile=$1 started=$SECONDS
    PATH=$PATH:/usr/sbin:/sbin
    _system_packages
    mkdir -p "$ROOT/.cache"
    # Two commands started together must not install into one environment at once.
    exec {_setup_lock}>"$ROOT/.cache/setup.lock"
    flock "$_setup_lock"
    if ! _fresh "$profile"; then
        : >"$_LOG"
        _virtual_environment
        _install "$profile"
        say "ready after $((SECONDS - started)) s"
    fi
    exec {_setup_lock}>&-
}

# What must be there, how it is recognised, and the package of Debian and Ubuntu that brings it.
_system_packages() {
    local missing=() libraries
    command -v mosquitto >/dev/null || missing+=(mosquitto)
    command -v mosquitto_sub >/dev/null || missing+=(mosquitto-clients)
    command -v dcmdump >/dev/null || missing+=(dcmtk) # not storescu: pynetdicom has a command of that name
    command -v tesseract >/dev/null || missing+=(tesseract-ocr)
    libraries=$(ldconfig -p)
    [[ $libraries == *libGL.so.1* ]] || missing+=(libgl1)
    [[ $libraries == *libgthread-2.0.so.0* ]] || missing+=(libglib2.0-0)
    _find_python || missing+=(python3 python3-venv)
    [ ${#missing[@]} -eq 0 ] && return
    _apt "${missing[@]}"
    _find_python || die "no Python 3.10, 3.11 or 3.12 with venv was found; install one or name it in EDGE_PYTHON"
}

_apt() {
    local -a as_root=()
    local command="apt-get install $*"
    command -v apt-get >/dev/null || die "these are missing: $* (names as in Debian); install them, then run this again"
    if [ "$(id -u)" -ne 0 ]; then
        # Without a terminal sudo could only hang at its password prompt.
        command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; } ||
            die "these packages are missing and need root: $command"
        as_root=(sudo)
    fi
    say "installing from the distribution: $*"
    mkdir -p "$ROOT/.cache"
    local -a apt_get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
    # The lists of packages may be absent or old: a first failure is followed by an update.
    "${apt_get[@]}" install -y --no-install-recommends "$@" >"$_LOG" 2>&1 ||
        { "${apt_get[@]}" update && "${apt_get[@]}" install -y --no-install-recommends "$@"; } >>"$_LOG" 2>&1 ||
        { tail -n 15 "$_LOG" >&2 && die "that failed; as root: $command"; }
}

# Sets PYTHON. A name is not enough: it may be a shim, too new, or without venv.
_find_python() {
    local candidate
    for candidate in ${EDGE_PYTHON:+"$EDGE_PYTHON"} python3 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' \
            2>/dev/null; then
            PYTHON=$candidate
            return 0
        fi
    done
    return 1
}

# The state that a stamp stands for: the locks, the project's metadata, and the interpreter.
_state() {
    { "$VENV/bin/python" -VV && cat "$_LOCKS"/*.txt "$ROOT/pyproject.toml" && printf '%s\n' "$ROOT"; } | sha256sum
}

_fresh() {
    local state
    "$VENV/bin/python" -c '' 2>/dev/null || return 1
    state=$(_state)
    [ "$(cat "$VENV/.setup-test" 2>/dev/null)" = "$state" ] || [ "$(cat "$VENV/.setup-$1" 2>/dev/null)" = "$state" ]
}

_virtual_environment() {
    "$VENV/bin/python" -c 'import pip' 2>/dev/null && return
    say "making .venv with $("$PYTHON" --version)"
    "$PYTHON" -m venv --clear "$VENV" >>"$_LOG" 2>&1 || { tail -n 15 "$_LOG" >&2 && die "no virtual environment"; }
}

_pip() {
    "$VENV/bin/python" -m pip --disable-pip-version-check --no-input install --quiet --only-binary :all: "$@" \
        >>"$_LOG" 2>&1 || {
        tail -n 15 "$_LOG" >&2
        die "pip install failed; the whole log is in $_LOG"
    }
}

_install() {
    local profile=$1
    rm -f "$VENV/.setup-$profile"
    case $profile in
        demo) say "installing the locked packages of the demo (about 750 MB on disk)" ;;
        test) say "installing the locked packages of demo and tests (about 1.8 GB on disk with torch)" ;;
        *) die "no such profile: $profile" ;;
    esac
    # Every file is checked against its hash; nothing that is not in the lock is fetched.
    local -a lock=(-r "$_LOCKS/demo.txt")
    [ "$profile" = test ] && lock=(-r "$_LOCKS/tests.txt")
    _pip --no-deps --require-hashes "${lock[@]}" -r "$_LOCKS/detectors.txt"
    if [ "$profile" = test ]; then
        say "installing torch for the trainer's tests"
        _pip -r "$_LOCKS/torch.txt"
    fi
    _pip --no-deps --no-build-isolation --editable "$ROOT"
    "$VENV/bin/python" -c 'import cv2, gdcm, onnxruntime' >>"$_LOG" 2>&1 || {
        tail -n 5 "$_LOG" >&2
        die "the packages are installed but cannot be loaded"
    }
    _state >"$VENV/.setup-$profile"
}
