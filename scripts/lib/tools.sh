# Shared by the scripts: finding tools, and installing them where that is allowed.
# shellcheck shell=bash

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# DIVISI_INSTALL=yes or no decides; without it, root and CI may install and nobody else is surprised.
may_install() {
  case "${DIVISI_INSTALL:-}" in
    yes) return 0 ;;
    no) return 1 ;;
    '') [[ "${CI:-}" == true || "$(id -u)" == 0 ]] ;;
    *) die "DIVISI_INSTALL is '$DIVISI_INSTALL'; expected yes or no" ;;
  esac
}

# need_apt COMMAND PACKAGE…: installs the packages when the command is missing.
need_apt() {
  local command=$1
  shift
  has "$command" && return 0
  if may_install && has apt-get && [[ "$(id -u)" == 0 ]]; then
    say "installing $*"
    apt_get update -qq
    apt_get install -y -qq --no-install-recommends "$@"
    has "$command" && return 0
  fi
  missing+=("apt-get install $*    # for the command '$command'")
  return 0
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get "$@" >/dev/null; }

# need_cargo COMMAND CRATE VERSION: builds a cargo tool when the command is missing.
need_cargo() {
  local command=$1 crate=$2 version=$3
  has "$command" && return 0
  if may_install; then
    say "building $crate $version (once; some minutes)"
    cargo install --quiet --locked "$crate" --version "$version" && return 0
  fi
  missing+=("cargo install --locked $crate --version $version")
  return 0
}

# Fails with everything that is missing at once.
stop_if_missing() {
  ((${#missing[@]} == 0)) && return 0
  printf 'error: something is missing. Install it, or run this with DIVISI_INSTALL=yes:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
}

missing=()
