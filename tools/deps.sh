#!/bin/sh
# Installs the Debian packages that are missing. usage: tools/deps.sh build|test|clients|random|az|lint...
# A tool that is there from elsewhere (a newer node, say) counts as present.
set -eu

# Each word: a package, or a package=command that also stands for it.
packages_build="gcc libc6-dev make meson ninja-build=ninja pkg-config=pkg-config python3=python3
    libcmocka-dev libcurl4-openssl-dev libedit-dev libmicrohttpd-dev libjansson-dev libsodium-dev libsqlite3-dev
    libssl-dev liblz4-dev libzstd-dev zlib1g-dev"
packages_test="freetds-bin=tsql freetds-dev tdsodbc unixodbc=isql python3-pymssql python3-pyodbc
    python3-sqlalchemy python3-alembic
    nodejs=node npm=npm"
packages_clients="python3-mssql-django libjtds-java default-jdk-headless=javac" # large: with --all
packages_random="postgresql-15 python3-psycopg2" # with --all
packages_az="azure-cli=az" # large: only who wants the tests of the Azure CLI
packages_lint="clang=clang clang-format=clang-format clang-tidy=clang-tidy cppcheck=cppcheck"

installed() {
    case $1 in
    *=*) command -v "${1#*=}" >/dev/null 2>&1 && return 0 ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "${1%%=*}" 2>/dev/null)" = installed ]
}

missing=
for group in "$@"; do
    eval "list=\$packages_$group"
    for word in $list; do
        installed "$word" || missing="$missing ${word%%=*}"
    done
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "These packages are missing, and this is no Debian system:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    if ! $as_root true 2>/dev/null; then
        as_root=sudo
        if ! command -v sudo >/dev/null 2>&1 || [ ! -t 0 ]; then
            echo "Become root and type: apt-get install$missing" >&2
            exit 1
        fi
    fi
fi
echo "Installing:$missing" >&2
# shellcheck disable=SC2086 # the lists are words
{
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
} >&2
